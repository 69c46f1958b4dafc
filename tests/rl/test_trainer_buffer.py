"""Waiting for rollouts: their end is told, and nothing failed or missing is passed over."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

from omegaconf import OmegaConf
from verl.trainer.ppo.v1 import replay_buffer

from memory_r1.rl.trainer.buffer import LOOK, Buffer
from memory_r1.rl.trainer.errors import RolloutsLostError


class Step:
    """A step of two prompts that end with `statuses`, after `waits` waits in which they didn't."""

    def __init__(self, waits: int, statuses: Sequence[str]) -> None:
        self.waits, self.statuses = waits, statuses
        self.looks, self.slept = 0, 0.0

    def settled(self, seconds: float) -> bool:
        assert seconds == LOOK
        self.waits -= 1
        return self.waits < 0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def kv_list(self) -> dict[str, dict[str, dict[str, Any]]]:
        self.looks += 1
        found: dict[str, dict[str, Any]] = {}
        for number, status in enumerate(self.statuses):
            ended = status if self.waits < 0 else "running"
            found[f"u{number}"] = {"is_prompt": True, "global_steps": 1, "status": ended}
            if ended == "finished":
                found[f"u{number}_0_0"] = {"seq_len": 4}
        return {"train": found}

    def kv_clear(self, **which: Any) -> None:
        assert sorted(which["keys"]) == ["u0", "u1"], "the prompts alone are taken out"


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Step]:
    def run(waits: int, *statuses: str) -> Step:
        step = Step(waits, statuses)
        monkeypatch.setattr(replay_buffer, "time", SimpleNamespace(sleep=step.sleep, time=lambda: 0.0))
        monkeypatch.setattr(replay_buffer, "tq", step)
        made = Buffer(
            settled=step.settled, trainer_mode="sync", trainer_config=OmegaConf.create(),
            max_off_policy_threshold=None, max_off_policy_strategy="drop", sampler_kwargs=OmegaConf.create(),
        )  # fmt: skip
        for _ in range(2):
            step.waits = waits
            found, _ = made.sample(global_steps=1, partition_id="train", batch_size=2)
            assert sorted(found.keys) == ["u0_0_0", "u1_0_0"]
        return step

    return run


@pytest.mark.parametrize("waits", [0, 1, 1800])
def test_the_queue_is_looked_into_at_the_end_and_now_and_then(sampled: Callable[..., Step], waits: int) -> None:
    step = sampled(waits, "finished", "finished")
    assert step.looks == 2 * (waits + 2)
    assert step.slept == 0


def test_a_prompt_that_failed_ends_the_run(sampled: Callable[..., Step]) -> None:
    with pytest.raises(RolloutsLostError, match="1 of 2 prompts failed"):
        sampled(3, "finished", "failure")


def test_what_never_comes_is_not_waited_for(sampled: Callable[..., Step]) -> None:
    with pytest.raises(RolloutsLostError, match="no rollout runs any more, and only 1 prompts came"):
        sampled(3, "finished", "running")
