"""Real verl on this machine's CPUs, over our environment: three steps of GRPO and PPO, and a policy that learns.

The figures of a step are checked here; what they are made of, in test_trainer_loop and test_trainer_metrics.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - skips where verl is missing
from tests.trainer_run import mean, prepared, train

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1500)]

PPO = ["parts/algorithm@_global_=ppo"]
SHOWN = """
reward/mean reward/delete part/em groups baseline/noop baseline/oracle malformed truncated lost decisions
operation/noop right/delete seconds/generation seconds/answering seconds/environment seconds/update
seconds/environment_cpu response_tokens
""".split()
THEIRS = ["actor/pg_loss", "actor/ppo_kl", "actor/entropy", "response_length/mean", "timing_s/step", "actor/grad_norm"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The overrides that name rows and a policy that says NOOP as often as DELETE."""
    return prepared(tmp_path_factory.mktemp("data"))


def check_steps(steps: list[dict[str, Any]], rows: int) -> None:
    """Every step is whole: nothing lost, nothing missing, and the trainer sees the policy that spoke."""
    for step in steps:
        assert step["memory_r1/lost"] == 0
        assert step["memory_r1/decisions"] == rows
        assert step["memory_r1/baseline/noop"] < step["memory_r1/baseline/oracle"] == 1.0
        assert step["training/rollout_probs_diff_max"] < 1e-6
        for name in [*(f"memory_r1/{name}" for name in SHOWN), *THEIRS]:
            assert math.isfinite(step[name]), name


def test_three_steps_of_grpo_and_the_best_checkpoint(tmp_path: Path, data: list[str]) -> None:
    options = ["trainer.total_training_steps=3", "trainer.test_freq=3", "trainer.save_freq=3"]
    steps = train(tmp_path, *data, *options, "actor_rollout_ref.actor.use_kl_loss=true")
    assert [step["training/global_step"] for step in steps] == [1, 2, 3]
    check_steps(steps, rows=48)
    assert all("actor/kl_loss" in step and "memory_r1/groups/with_signal" in step for step in steps)
    best = json.loads((tmp_path / "out" / "best.json").read_text())
    assert best["step"] == 3
    assert best["reward"] == steps[-1]["memory_r1/val/reward/mean"]
    assert (Path(best["path"]) / "actor").is_dir()


def test_three_steps_of_ppo_with_a_critic(tmp_path: Path, data: list[str]) -> None:
    steps = train(tmp_path, *data, *PPO, "trainer.total_training_steps=3")
    check_steps(steps, rows=48)
    assert all(math.isfinite(step["critic/vf_loss"]) for step in steps)


def test_a_policy_learns_what_shuffled_rewards_do_not_teach(tmp_path: Path, data: list[str]) -> None:
    """A penalty on the distance to the start pulls both back, so what only wanders stays near it."""
    options = ["trainer.total_training_steps=24", "actor_rollout_ref.actor.optim.lr=6e-4"]
    options += ["actor_rollout_ref.actor.use_kl_loss=true", "actor_rollout_ref.actor.kl_loss_coef=0.3"]
    learned = train(tmp_path / "learned", *data, *options)
    control = train(tmp_path / "control", *data, *options, "++memory_r1.control=shuffled")
    name = "memory_r1/reward/mean"
    assert mean(learned[:2], name) < 0.65
    assert mean(learned[-8:], name) > 0.75
    assert mean(control[-8:], name) < 0.7
