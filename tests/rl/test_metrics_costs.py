"""What a run cost and what it did to its memory, added up from its rows."""

from datetime import datetime
from typing import Any

import pytest

from memory_r1.graphs.roles import Failure, Usage
from memory_r1.memory.types import Add, Delete, Memory, Noop, Revision
from memory_r1.rl.evaluation.records import CostRow
from memory_r1.rl.metrics.costs import Part, Phase, summary
from memory_r1.rl.metrics.operations import fates

NOON = datetime(2024, 5, 1, 12)


def learned(number: int, **changes: Any) -> CostRow:
    seconds = {"learn": number / 100}
    given: dict[str, Any] = {"seconds": seconds, "usage": Usage(2, 100, 30, 5), "cpu": 0.001, "embedded": 1, **changes}
    return CostRow("c1", f"D1:{number}", "learn", **given)


def asked(number: int, **changes: Any) -> CostRow:
    given: dict[str, Any] = {"seconds": {"search": 0.25, "answer": 1.0}, "usage": Usage(1, 50, 10, 2), **changes}
    return CostRow("c1", f"c1/{number}", "ask", **given)


def memory(number: int, text: str = "x", speaker: str = "Ann", **changes: Any) -> Memory:
    return Memory(f"m{number}", text, speaker, ("D1:1",), "1", 0, NOON, number, **changes)


def test_calls_and_times_are_summed_by_turns_and_questions() -> None:
    rows = [learned(number, operations={"add": 2, "noop": 1}) for number in range(1, 101)]
    costs = summary([*rows, asked(1), asked(2), learned(101, size=180)])
    assert costs.learn.rows == 101 and costs.ask.rows == 2
    assert costs.learn.usage == Usage(202, 10_100, 3_030, 505) and costs.usage.calls == 204
    assert costs.learn.seconds["learn"] == Phase(101, pytest.approx(51.51), pytest.approx(0.51), pytest.approx(0.96))
    assert costs.ask.seconds == {"search": Phase(2, 0.5, 0.25, 0.25), "answer": Phase(2, 2.0, 1.0, 1.0)}
    assert costs.learn.cpu == pytest.approx(0.101) and costs.learn.embedded == 101
    assert costs.operations == {"add": 200, "noop": 100} and costs.sizes == {"c1": 180} and costs.size == 180


def test_processor_time_is_unknown_when_one_row_does_not_know_it() -> None:
    assert summary([learned(1), learned(2, cpu=None), learned(3)]).learn.cpu is None


def test_failures_are_counted_by_role_and_kind() -> None:
    failure = Failure("manager", "malformed", "no JSON")
    found = summary(
        [learned(1, failures=(failure, failure)), asked(1, failures=(Failure("answerer", "truncated", ""),))]
    )
    assert found.learn.failures == {"manager malformed": 2} and found.ask.failures == {"answerer truncated": 1}


def test_nothing_costs_nothing() -> None:
    costs = summary([])
    assert costs.learn == costs.ask == Part() and costs.size is None


def test_what_became_of_memories_and_why_nothing_was_stored() -> None:
    memories = [memory(1, died=2, successor="m2"), memory(2), memory(3, died=4), memory(4)]
    why = ("duplicate", "failed: no JSON", "failed: cut off", "duplicate", "")
    log = [
        Revision(1, "k1", NOON, (Add("x", "Ann", ()), *(Noop((), reason=reason) for reason in why))),
        Revision(2, "k2", NOON, (Delete(("m3",), ()),)),
    ]
    found = fates(memories, log)
    assert (found.created, found.live, found.superseded, found.deleted) == (4, 2, 1, 1)
    assert found.survival == 0.5 and found.noops == {"duplicate": 2, "failed": 2, "no reason": 1}
    assert fates([], []).survival == 1.0
