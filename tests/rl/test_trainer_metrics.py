"""A step's metrics from records alone: every mean over what was not lost."""

from dataclasses import asdict, replace

import pytest

from memory_r1.rl.rollouts.types import Record
from memory_r1.rl.trainer.metrics import operation_of, second_metrics, step_metrics
from memory_r1.rl.trainer.records import record_of

ADD = Record("r1", "g1", 1.0, {"em": 1.0}, ("add",), ("add",), "fact", noop_reward=0.5, oracle_reward=1.0)
WRONG = replace(ADD, reward=0.0, parts={"em": 0.0}, operations=("noop",))
NOOP = Record("r2", "g2", 1.0, {"em": 1.0}, ("noop",), ("noop",), "count", noop_reward=1.0, oracle_reward=1.0)
BROKEN = replace(NOOP, reward=-0.2, parts={"em": 0.0, "malformed": 1.0}, operations=(), malformed=1, truncated=True)
LOST = Record("r2", "", 0.0, lost=True)


def test_all_that_a_step_shows() -> None:
    found = step_metrics([ADD, WRONG, NOOP, NOOP, BROKEN, LOST], rollouts=6, lost=1)
    assert found == pytest.approx(
        {
            "memory_r1/lost": 1 / 6,
            "memory_r1/decisions": 5,
            "memory_r1/groups": 2,
            "memory_r1/groups/with_signal": 1.0,
            "memory_r1/reward/mean": 2.8 / 5,
            "memory_r1/reward/add": 0.5,
            "memory_r1/reward/noop": 1.8 / 3,
            "memory_r1/reward/category/fact": 0.5,
            "memory_r1/reward/category/count": 1.8 / 3,
            "memory_r1/part/em": 3 / 5,
            "memory_r1/part/malformed": 1.0,
            "memory_r1/baseline/noop": 4 / 5,
            "memory_r1/baseline/oracle": 1.0,
            "memory_r1/malformed": 1 / 5,
            "memory_r1/truncated": 1 / 5,
            "memory_r1/operation/add": 1 / 4,
            "memory_r1/operation/noop": 3 / 4,
            "memory_r1/right/add": 1 / 2,
            "memory_r1/right/noop": 2 / 3,
        }
    )


def test_groups_without_any_difference_have_no_signal() -> None:
    assert step_metrics([NOOP, NOOP, ADD, WRONG], 4, 0)["memory_r1/groups/with_signal"] == 0.5
    assert "memory_r1/groups/with_signal" not in step_metrics([NOOP, ADD], 2, 0)


def test_a_step_that_lost_everything_still_says_so() -> None:
    assert step_metrics([LOST, LOST], 2, 2) == {"memory_r1/lost": 1.0, "memory_r1/decisions": 0.0}


@pytest.mark.parametrize(
    ("right", "chosen", "named"),
    [
        (("update",), ("add",), "update"),
        ((), ("add",), "add"),
        (("noop", "delete"), (), "delete"),
        (("noop", "noop"), ("add",), "noop"),
        (("add", "delete"), (), "several"),
        ((), (), ""),
    ],
)
def test_the_operation_that_a_decision_counts_for(right: tuple, chosen: tuple, named: str) -> None:
    assert operation_of(replace(ADD, right=right, operations=chosen)) == named


def test_seconds_add_up_to_the_step() -> None:
    records = [replace(ADD, generation_s=1.0, answering_s=0.5, environment_s=0.1), replace(ADD, generation_s=0.25)]
    timing = {"step": 4.5, "gen": 2.0, "adv": 0.25, "update_actor": 1.0, "save_checkpoint": 1.0}
    found = second_metrics(records, timing)
    assert found == pytest.approx(
        {
            "memory_r1/seconds/generation": 1.25,
            "memory_r1/seconds/answering": 0.5,
            "memory_r1/seconds/environment": 0.5,
            "memory_r1/seconds/environment_cpu": 0.1,
            "memory_r1/seconds/update": 1.25,
        }
    )


def test_seconds_of_several_workers_are_those_of_one() -> None:
    records = [replace(ADD, generation_s=2.0, answering_s=1.0, environment_s=0.5)] * 4
    found = second_metrics(records, {"step": 5.0, "adv": 1.0}, workers=4)
    parts = {name.rpartition("/")[2]: value for name, value in found.items()}
    assert parts == {"generation": 2.0, "answering": 1.0, "environment": 1.0, "environment_cpu": 0.5, "update": 1.0}


def test_a_record_comes_back_from_a_plain_dict() -> None:
    assert record_of(asdict(BROKEN)) == BROKEN
