"""Real verl when things go wrong: rollouts are lost, and the whole tree of processes is killed."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - skips where verl is missing
from tests.trainer_run import kill_tree, metrics, prepared, start, train

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(1800)]


def test_lost_rollouts_are_masked_and_counted_and_too_many_fail_the_run(tmp_path: Path) -> None:
    options = ["trainer.total_training_steps=3", "++memory_r1.retries=0", "++memory_r1.max_lost=0.05"]
    with pytest.raises(AssertionError, match="exit 1"):
        train(tmp_path, *prepared(tmp_path), *options, plugin="faulty_server")
    first, second = metrics(tmp_path)
    assert first["memory_r1/lost"] == pytest.approx(1 / 48)
    assert first["memory_r1/decisions"] == 47
    assert first["training/global_step"] == 1
    assert first["training/rollout_probs_diff_max"] < 1e-6
    assert 0.4 < second["memory_r1/lost"] < 0.6
    assert "actor/grad_norm" not in second
    log = (tmp_path / "log.txt").read_text(errors="replace")
    assert "more than memory_r1.max_lost=0.05 allows" in log
    assert "a failure made for this test" in log


def test_a_process_that_dies_while_it_rolls_out_ends_the_run_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit 1"):
        train(tmp_path, *prepared(tmp_path), "trainer.total_training_steps=3", seconds=300, plugin="dying_worker")
    assert [step["training/global_step"] for step in metrics(tmp_path)] == [1]
    assert "RolloutsLostError: a process that rolls out failed" in (tmp_path / "log.txt").read_text(errors="replace")


def test_a_killed_run_goes_on_from_its_newest_checkpoint(tmp_path: Path) -> None:
    options = [*prepared(tmp_path), "trainer.save_freq=2", "trainer.total_training_steps=6"]
    child = start(tmp_path, *options)
    try:
        reached(tmp_path, 3, child)
    finally:
        kill_tree(child)
    found = int((tmp_path / "out/checkpoints/latest_checkpointed_iteration.txt").read_text())
    assert found >= 2
    steps = [step["training/global_step"] for step in train(tmp_path, *options)]
    assert steps == list(range(found + 1, 7))


def reached(folder: Path, step: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until `step` is logged."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        path = folder / "metrics.jsonl"
        if path.exists() and any(json.loads(line)["step"] >= step for line in path.read_text().splitlines()):
            return
        assert child.poll() is None, (folder / "log.txt").read_text(errors="replace")[-4000:]
        time.sleep(0.2)
    pytest.fail(f"step {step} was not reached")
