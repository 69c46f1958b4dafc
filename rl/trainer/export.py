"""Makes of a checkpoint what transformers, vLLM and `--model local:FOLDER` load: a Hugging Face folder.

Shards are put together in the precision that they were trained in; a low-rank adapter is added to its model. Beside
the weights stand the tokenizer, the limits that the policy was trained within (`memory_r1.json`) and a card.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory_r1.graphs.local.folder import LIMITS_FILE, FolderLimits, checked
from memory_r1.memory.errors import FileFormatError, InputError, MissingExtraError
from memory_r1.rl.trainer.checkpoints import Checkpoint, chosen

log = logging.getLogger(__name__)

CONFIG = "config.yaml"
CARD = "README.md"
HEAD = "lm_head.weight"
"""The output layer, which a model with tied embeddings doesn't save."""
_SHARD = re.compile(r"model_world_size_(\d+)_rank_(\d+)\.pt$")
_ADAPTER = re.compile(r"^base_model\.model\.")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported. `step`: 0 for the model that the run began with. `parameters`: how many the policy has."""

    folder: Path
    step: int
    parameters: int
    reward: float | None = None


def export(out: Path, folder: Path, which: str = "best") -> Exported:
    """Write a run's policy to `folder`, which must not hold anything else. `which`: as `checkpoints.chosen`.

    Raises InputError, FileFormatError for a checkpoint that can't be read, MissingExtraError.
    """
    config = read_config(out)
    found = chosen(out, which)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "config.json").is_file():
        raise InputError(f"{str(folder)!r} holds something else than a model: name an empty folder")
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    if isinstance(found, Path):
        count, step, reward = _copy(found, draft), 0, None
    else:
        count, step, reward = _assemble(found, draft), found.step, found.reward
    limits_of(config).save(draft)
    done = Exported(folder, step, count, reward)
    (draft / CARD).write_text(card(config, done), encoding="utf-8")
    checked(draft)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return done


def read_config(out: Path) -> Mapping[str, Any]:
    """The config of the run in `out`. Raises InputError where there is none."""
    from omegaconf import OmegaConf

    path = out / CONFIG
    if not path.is_file():
        raise InputError(f"there is no run in {str(out)!r}: it lacks {CONFIG}")
    read: Any = OmegaConf.to_container(OmegaConf.load(path))
    return read


def model_of(config: Mapping[str, Any]) -> str:
    """The model that a run begins with."""
    return str((config.get("model") or config["actor_rollout_ref"]["model"])["path"])


def limits_of(config: Mapping[str, Any]) -> FolderLimits:
    """The limits that a policy was trained within: the run's, or for SFT those of the model that it began with."""
    from memory_r1.graphs.local.folder import read_limits

    start = Path(model_of(config))
    known = read_limits(start) if start.is_dir() else FolderLimits()
    ours = config.get("memory_r1")
    if not ours:
        return known
    limits = ours.get("limits") or {}
    longest = ours.get("max_tokens") or config["data"]["max_response_length"]
    found = {**limits, "max_tokens": longest}
    if ours.get("role") == "answerer":
        found["distil"] = bool(ours.get("distil", True))
    return known.model_copy(update=found)


def card(config: Mapping[str, Any], done: Exported) -> str:
    """What a reader of the folder should know: where the policy comes from and what it was trained within."""
    ours, data = config.get("memory_r1") or {}, config["data"]
    how = f"{config['algorithm']['adv_estimator']} of the {ours['role']}" if ours else "supervised fine-tuning"
    lines = [
        "# A Memory-R1 policy", "",
        f"- Trained by: {how}, step {done.step}" + (f", validation reward {done.reward:.4f}" if done.reward else ""),
        f"- From: `{Path(model_of(config)).name}`",
        f"- Data: {', '.join(f'`{Path(str(file)).name}`' for file in _files(data))}",
        f"- Rewards: {json.dumps(ours['rewards'])}" if ours else "- Loss: on the replies alone",
        f"- Parameters: {done.parameters:,}",
        f"- Limits: `{LIMITS_FILE}`, which `memory-r1` keeps to by itself", "",
        "Use: `memory-r1 ask … --model local:FOLDER`, transformers, or vLLM.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _files(data: Mapping[str, Any]) -> list[Any]:
    files = data["train_files"]
    return list(files) if isinstance(files, list | tuple) else [files]


def _copy(source: Path, draft: Path) -> int:
    """Copy the model that the run began with; its number of parameters."""
    if not source.is_dir():
        raise InputError(f"the run's best policy is the one it began with, {str(source)!r}: export --which last")
    shutil.copytree(source, draft)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(draft)).num_parameters())


def _assemble(found: Checkpoint, draft: Path) -> int:
    """Write the model of a checkpoint; its number of parameters. Raises FileFormatError for one that lacks weights."""
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
        from transformers.utils import logging as progress
    except ImportError as error:
        raise MissingExtraError.of("train", str(error.name)) from None
    progress.disable_progress_bar()
    source = found.weights / "huggingface"
    config = AutoConfig.from_pretrained(source)
    state = merged(whole_state(found.weights), _lora_scale(found.weights))
    if config.tie_word_embeddings:
        state.pop(HEAD, None)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=next(iter(state.values())).dtype)
    lacking = [name for name, _ in model.named_parameters() if name not in state]
    if lacking:
        raise FileFormatError(f"{str(found.weights)!r} lacks the weights {lacking[0]!r}: the checkpoint isn't whole")
    if (source / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(source)
    count = sum(value.numel() for value in state.values())
    model.save_pretrained(draft, state_dict=state)
    AutoTokenizer.from_pretrained(source).save_pretrained(draft)
    return count


def whole_state(folder: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by name, its shards put together. Raises FileFormatError for a missing shard."""
    import torch

    ranked = {}
    for path in folder.glob("model_world_size_*_rank_*.pt"):
        match = _SHARD.search(path.name)
        if match:
            ranked[int(match[2])] = (path, int(match[1]))
    if not ranked or sorted(ranked) != list(range(next(iter(ranked.values()))[1])):
        raise FileFormatError(f"{str(folder)!r} lacks shards of its checkpoint: it has ranks {sorted(ranked)}")
    logging.getLogger("torch.distributed.device_mesh").setLevel(
        logging.ERROR
    )  # it says that no group is open: so it is
    shards = [torch.load(ranked[rank][0], map_location="cpu", weights_only=False) for rank in sorted(ranked)]
    return {name: _joined([shard[name] for shard in shards]) for name in shards[0]}


def _joined(parts: list[Any]) -> Any:
    """One tensor of its shards: DTensors sharded along one dimension, or the same tensor on every rank."""
    import torch
    from torch.distributed.tensor import DTensor, Shard

    first = parts[0]
    if not isinstance(first, DTensor):
        return first
    locals_ = [part.to_local() for part in parts]
    along = [placement for placement in first.placements if isinstance(placement, Shard)]
    return torch.cat(locals_, dim=along[0].dim) if along else locals_[0]


def _lora_scale(folder: Path) -> float:
    """The ratio alpha : rank of the checkpoint's adapter; 0 where it has none."""
    path = folder / "lora_train_meta.json"
    if not path.is_file():
        return 0.0
    told = json.loads(path.read_text(encoding="utf-8"))
    return float(told["lora_alpha"]) / float(told["r"])


def merged(state: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """`state` with each low-rank adapter added to its layer: W + scale · B A (Hu et al. 2021), under the layer's name.

    Names are peft's: "base_model.model.….base_layer.weight" beside "….lora_A.default.weight" and "….lora_B.…".
    """
    found: dict[str, Any] = {}
    for name, value in state.items():
        if ".lora_" in name:
            continue
        plain = _ADAPTER.sub("", name)
        if plain.endswith(".base_layer.weight"):
            stem = name.removesuffix(".base_layer.weight")
            low, high = state[f"{stem}.lora_A.default.weight"], state[f"{stem}.lora_B.default.weight"]
            found[plain.replace(".base_layer.", ".")] = (value.float() + scale * (high.float() @ low.float())).to(
                value.dtype
            )
        else:
            found[plain.replace(".base_layer.", ".")] = value
    return found
