"""What a run cost: model calls, tokens, time by phase, operations, and how large the banks became."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from memory_r1.graphs.roles import Usage

if TYPE_CHECKING:
    from memory_r1.rl.evaluation.records import CostRow


@dataclass(frozen=True, slots=True)
class Phase:
    """The wall times of one phase: how often it ran, seconds in all, and the times that 50 % and 95 % kept within."""

    count: int
    seconds: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Part:
    """What all turns ("learn") or all questions ("ask") of a run cost.

    `rows`: turns or questions. `seconds`: wall time by phase. `cpu`: own processor seconds of all rows, without model
    and embedding; None where a row doesn't know. `embedded`: texts embedded. `failures`: by role and kind, as
    "manager malformed".
    """

    rows: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: Mapping[str, Phase] = field(default_factory=dict[str, Phase])
    cpu: float | None = None
    embedded: int = 0
    failures: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run cost. `operations`: counts by kind. `sizes`: memories held in the end, by conversation."""

    learn: Part
    ask: Part
    operations: Mapping[str, int]
    sizes: Mapping[str, int]

    @property
    def usage(self) -> Usage:
        """All model calls."""
        return self.learn.usage + self.ask.usage

    @property
    def size(self) -> int | None:
        """Memories held in the end, in all banks; None where no row tells."""
        return sum(self.sizes.values()) if self.sizes else None


def summary(rows: Iterable[CostRow]) -> Costs:
    """The costs of one system's `rows`, read one by one; memory grows by one number for each row and phase.

    A phase's percentiles are taken over the rows that have it. A conversation's size is the last that its rows tell.
    """
    parts = {"learn": _Sums(), "ask": _Sums()}
    operations: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    for row in rows:
        parts[row.kind].add(row)
        operations.update(row.operations)
        if row.size is not None:
            sizes[row.conversation] = row.size
    return Costs(parts["learn"].part(), parts["ask"].part(), dict(operations), sizes)


class _Sums:
    def __init__(self) -> None:
        self.rows = self.embedded = 0
        self.usage = Usage()
        self.cpu: float | None = 0.0
        self.seconds: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self.failures: Counter[str] = Counter()

    def add(self, row: CostRow) -> None:
        self.rows += 1
        self.usage += row.usage
        self.embedded += row.embedded
        self.cpu = None if self.cpu is None or row.cpu is None else self.cpu + row.cpu
        self.failures.update(f"{failure.role} {failure.kind}" for failure in row.failures)
        for phase, seconds in row.seconds.items():
            self.seconds[phase].append(seconds)

    def part(self) -> Part:
        seconds = {name: _phase(times) for name, times in self.seconds.items()}
        cpu = self.cpu if self.rows else None
        return Part(self.rows, self.usage, seconds, cpu, self.embedded, dict(self.failures))


def _phase(times: array[float]) -> Phase:
    p50, p95 = np.quantile(times, [0.5, 0.95])
    return Phase(len(times), sum(times), float(p50), float(p95))
