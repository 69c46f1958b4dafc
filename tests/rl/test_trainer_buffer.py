"""Looking for finished rollouts: soon for a short step, seldom for a long one, and nothing failed is passed over."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

from omegaconf import OmegaConf
from verl.trainer.ppo.v1 import replay_buffer

from memory_r1.rl.trainer import trainer
from memory_r1.rl.trainer.errors import RolloutsLostError
from memory_r1.rl.trainer.trainer import Buffer


class Step:
    """A step whose one prompt ends with `status` after `seconds`; time passes where the buffer sleeps."""

    def __init__(self, seconds: float, status: str) -> None:
        self.now, self.looks, self.most = 1000.0, 0, 0.0
        self._ends, self._status = self.now + seconds, status

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.most = max(self.most, seconds)

    def kv_list(self) -> dict[str, dict[str, dict[str, Any]]]:
        self.looks += 1
        over = self.now >= self._ends
        prompt = {"is_prompt": True, "global_steps": 1, "status": self._status if over else "running"}
        return {"train": {"u": prompt, **({"u_0_0": {"seq_len": 4}} if over else {})}}

    def kv_clear(self, **which: Any) -> None:
        assert which["keys"] == ["u"], "the prompts alone are taken out"


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Step]:
    def run(seconds: float, status: str = "finished") -> Step:
        step = Step(seconds, status)
        clock = SimpleNamespace(sleep=step.sleep, time=lambda: step.now, monotonic=lambda: step.now)
        monkeypatch.setattr(trainer, "time", clock)
        monkeypatch.setattr(replay_buffer, "time", clock)
        monkeypatch.setattr(replay_buffer, "tq", step)
        made = Buffer(
            trainer_mode="sync", trainer_config=OmegaConf.create(), max_off_policy_threshold=None,
            max_off_policy_strategy="drop", sampler_kwargs=OmegaConf.create(),
        )  # fmt: skip
        found, _ = made.sample(global_steps=1, partition_id="train", batch_size=1)
        assert found.keys == ["u_0_0"]
        return step

    return run


def test_a_short_step_is_seen_soon(sampled: Callable[..., Step]) -> None:
    step = sampled(0.5)
    assert step.most == pytest.approx(0.01)


@pytest.mark.parametrize("seconds", [5.0, 50.0])
def test_a_look_comes_after_a_fiftieth_of_the_wait(sampled: Callable[..., Step], seconds: float) -> None:
    step = sampled(seconds)
    assert step.most == pytest.approx(0.02 * seconds, rel=0.05)
    assert step.looks < 300


def test_a_long_step_is_looked_at_as_often_as_by_verl(sampled: Callable[..., Step]) -> None:
    step = sampled(3600.0)
    assert step.most == 2.0
    assert step.looks < 2100


def test_a_prompt_that_failed_ends_the_run(sampled: Callable[..., Step]) -> None:
    with pytest.raises(RolloutsLostError, match="1 of 1 prompts failed"):
        sampled(0.1, "failure")
