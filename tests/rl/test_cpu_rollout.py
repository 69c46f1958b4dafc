"""verl's own trainer, unchanged, trains a random model on this machine's CPUs through our platform and rollout."""

from pathlib import Path

import pytest

from memory_r1.rl.trainer.cpu import patches
from tests import verl_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.skipif(not patches.installed(), reason="pip install 'memory-r1[train]'"),
    pytest.mark.timeout(900),
]


@pytest.mark.parametrize(("algorithm", "loss"), [("GRPO", "actor/kl_loss"), ("PPO", "critic/vf_loss")])
def test_verl_trains_and_the_rollout_says_the_trainers_probabilities(tmp_path: Path, algorithm: str, loss: str) -> None:
    steps = verl_run.train(tmp_path, getattr(verl_run, algorithm), steps=2)
    assert len(steps) == 2
    for metrics in steps:
        assert metrics["training/rollout_probs_diff_max"] < 1e-6
        assert metrics["training/rollout_probs_diff_valid"] == 1
        assert 0 < metrics["critic/score/mean"] < 1
        assert metrics["actor/grad_norm"] > 0
        assert loss in metrics
    log = (tmp_path / "log.txt").read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in log, "a rollout failed, which verl itself passes over in silence"
