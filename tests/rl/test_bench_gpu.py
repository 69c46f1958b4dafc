"""A GPU's time by phase: what is computed from logged steps and samples of utilisation."""

from __future__ import annotations

import pytest

pytest.importorskip("verl", reason="needs pip install 'memory-r1[train]'")

from memory_r1.rl.bench.gpu import Logged, split


def test_time_tokens_and_utilisation_go_to_the_phase_that_ran() -> None:
    metrics = {
        "timing_s/gen": 4.0, "timing_s/old_log_prob": 1.0, "timing_s/update_actor": 4.0, "timing_s/step": 10.0,
        "memory_r1/decisions": 100.0, "response_length/mean": 20.0, "perf/total_num_tokens": 8_000.0,
    }  # fmt: skip
    samples = [(at, 100.0 if at < 4 else 50.0 if at < 5 else 80.0) for at in (0.0, 2.0, 4.5, 6.0, 8.0)]
    table = split([Logged(10.0, metrics)], samples)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["gen"] == (4.0, 40.0, 500, 100.0)
    assert rows["old_log_prob"] == (1.0, 10.0, 8_000, 50.0)
    assert rows["update_actor"] == (4.0, 40.0, 2_000, 80.0)
    assert rows["other"][:2] == (1.0, 10.0)
    assert rows["ref"][0] == 0.0


def test_without_steps_nothing_is_claimed() -> None:
    assert all(row[1] == 0.0 for row in split([], []).rows)
