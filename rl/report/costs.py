"""What each row cost, and how its memory grew along the turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from memory_r1.rl.evaluation.records import CostRow
from memory_r1.rl.metrics.costs import Costs, summary
from memory_r1.rl.metrics.operations import KINDS
from memory_r1.rl.report.reading import Entry

STEPS = 50
"""Points of a growth curve, besides its origin."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The costs of one row. `growth`: operations so far by kind, mean over the conversations.

    growth[kind]: `STEPS` + 1 values, at equal steps from the first to the last turn of a conversation; {} without any.
    """

    costs: Costs
    growth: Mapping[str, tuple[float, ...]]

    @property
    def failed(self) -> list[str]:
        """What failed, as "manager malformed"."""
        return sorted({*self.costs.learn.failures, *self.costs.ask.failures})


def spent(entry: Entry) -> Spent:
    """Add up the costs of a row, reading each file once."""
    turns: defaultdict[str, list[Mapping[str, int]]] = defaultdict(list)

    def watched(rows: Iterable[CostRow]) -> Iterator[CostRow]:
        for row in rows:
            if row.kind == "learn":
                turns[row.conversation].append(row.operations)
            yield row

    return Spent(summary(watched(entry.costs())), growth(turns.values()))


def growth(conversations: Iterable[list[Mapping[str, int]]]) -> dict[str, tuple[float, ...]]:
    """Operations so far by kind along a conversation, mean over `conversations` (see `Spent`)."""
    curves: defaultdict[str, list[np.ndarray]] = defaultdict(list)
    for turns in conversations:
        known = [*KINDS, *sorted({kind for turn in turns for kind in turn} - set(KINDS))]
        at = np.linspace(0, len(turns), STEPS + 1)
        for kind in known:
            sums = np.cumsum([0, *(turn.get(kind, 0) for turn in turns)])
            curves[kind].append(np.interp(at, np.arange(len(turns) + 1), sums))
    count = max((len(found) for found in curves.values()), default=0)
    means = {kind: np.sum(found, axis=0) / count for kind, found in curves.items()}
    return {kind: tuple(float(value) for value in mean) for kind, mean in means.items() if mean[-1] > 0}
