"""What verl 0.9.1 does that a machine without an accelerator can't, and that no registry or setting of it covers.

Each patch is one function of verl replaced by name, and says why. `tests/rl/test_cpu_platform.py` holds one test for
each that the unpatched function still fails: when a newer verl mends it, the test says which patch to remove.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from memory_r1.memory.errors import MissingExtraError

logger = logging.getLogger(__name__)

VERL = "0.9.1"

_applied: list[str] = []


def installed() -> bool:
    """Whether any verl is installed."""
    return find_spec("verl") is not None


def check_version(found: str | None = None) -> None:
    """Raises MissingExtraError unless verl (or `found`) is the version that these patches were written for."""
    found = found or version("verl")
    if found != VERL:
        raise MissingExtraError(
            f"training on a CPU patches verl {VERL}, and verl {found} is installed: pip install 'memory-r1[train]'",
            found=found, wanted=VERL,
        )  # fmt: skip


def applied() -> tuple[str, ...]:
    """The patches that stand in this process."""
    return tuple(_applied)


def apply() -> tuple[str, ...]:
    """Applies all patches that were not yet applied in this process; their names. Raises MissingExtraError."""
    check_version()
    new = tuple(name for name in PATCHES if name not in _applied)
    for name in new:
        PATCHES[name]()
        _applied.append(name)
    logger.debug("patched verl %s: %s", VERL, ", ".join(new) or "nothing new")
    return new


def process_group() -> None:
    """`verl.utils.distributed`, both functions that open the process group: gloo for the CPU, and for it alone.

    verl asks for "cpu:gloo" and the platform's device beside it; naming the CPU twice PyTorch refuses, so the second
    device named is one that holds no tensor here.
    """
    import verl.utils.distributed

    module: Any = verl.utils.distributed
    module.get_device_name = lambda: "cuda"


def value_head() -> None:
    """`verl.utils.model.load_valuehead_model`: PPO's critic with the attention that its configuration asks for.

    verl asks for flash attention, which needs an accelerator. The call of transformers mirrors verl's.
    """
    import verl.utils.model as module

    def load(local_path: str, torch_dtype: Any, model_config: Any, trust_remote_code: bool) -> Any:
        from transformers import AutoModelForTokenClassification

        auto: Any = AutoModelForTokenClassification
        return auto.from_pretrained(
            local_path, config=model_config, dtype=torch_dtype, trust_remote_code=trust_remote_code,
            attn_implementation=getattr(model_config, "_attn_implementation", None) or "eager",
        )  # fmt: skip

    module.load_valuehead_model = load


def pinned_memory() -> None:
    """`verl.workers.engine.fsdp.transformer_impl.CPUOffloadPolicy`: the reference model's weights are not pinned.

    verl pins them to copy them to an accelerator faster; without one PyTorch refuses to.
    """
    from verl.workers.engine.fsdp import transformer_impl

    module: Any = transformer_impl

    module.CPUOffloadPolicy = functools.partial(_unpinned, module.CPUOffloadPolicy)


def _unpinned(policy: Callable[..., Any], pin_memory: bool = True) -> Any:
    return policy(pin_memory=False)


def log_probs() -> None:
    """`verl.utils.torch_functional.logprobs_from_logits_v2`: all tokens in one operation, not one after the other.

    verl saves memory by an operation for each row, which is each token where batches are not padded. A small vocabulary
    needs no saving. SFT of a policy of 0.5 M parameters: 7.3 k tokens a CPU second without, 9.7 k with it.
    """
    import verl.utils.torch_functional as module

    module.logprobs_from_logits_v2 = whole_log_probs


def whole_log_probs(logits: Any, labels: Any) -> Any:
    """The log probability of each label: `logits` (…, words), `labels` (…), as verl's own function returns it."""
    from torch.nn.functional import cross_entropy

    flat = cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), reduction="none")
    return -flat.reshape(labels.shape)


PATCHES: dict[str, Callable[[], None]] = {
    "process_group": process_group,
    "value_head": value_head,
    "pinned_memory": pinned_memory,
    "log_probs": log_probs,
}
