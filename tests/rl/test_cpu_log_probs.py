"""The CPU platform's log probabilities are verl's, in fewer operations: if verl's own are as few, drop the patch."""

from __future__ import annotations

from typing import Any

import pytest

from memory_r1.rl.trainer.cpu.patches import whole_log_probs

torch = pytest.importorskip("torch", reason="needs pip install 'memory-r1[train]'")
pytest.importorskip("verl.utils.torch_functional", reason="needs pip install 'memory-r1[train]'")
dispatch = pytest.importorskip("torch.utils._python_dispatch")

TOKENS, WORDS = 50, 17


class Counted(dispatch.TorchDispatchMode):
    """Counts operations."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def made(*shape: int) -> tuple[Any, Any]:
    torch.manual_seed(4)
    return torch.randn(*shape, WORDS, requires_grad=True), torch.randint(WORDS, shape)


def verls() -> Any:
    """verl's own, which the patch may have replaced in this process."""
    import importlib.util

    spec = importlib.util.find_spec("verl.utils.torch_functional")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.logprobs_from_logits_v2


@pytest.mark.parametrize("shape", [(TOKENS,), (3, 7)])
def test_the_log_probabilities_and_their_gradients_are_verls(shape: tuple[int, ...]) -> None:
    values, gradients = [], []
    for function in (whole_log_probs, verls()):
        logits, labels = made(*shape)
        found = function(logits, labels)
        (found * torch.arange(found.numel()).reshape(shape)).sum().backward()
        values.append(found.detach())
        gradients.append(logits.grad)
    assert values[0].shape == values[1].shape == shape
    assert torch.allclose(values[0], values[1], atol=1e-6)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)


def test_verl_still_takes_an_operation_for_each_token() -> None:
    logits, labels = made(TOKENS)
    with Counted() as ours:
        whole_log_probs(logits, labels)
    with Counted() as theirs:
        verls()(logits, labels)
    assert ours.count < 12
    assert theirs.count > TOKENS, "verl does it in one operation now: remove the patch 'log_probs'"
