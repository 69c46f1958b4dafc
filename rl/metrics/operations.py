"""What a system does to its memory: operations by kind, and what becomes of memories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory_r1.memory.types import Memory, Noop, Revision

if TYPE_CHECKING:
    from memory_r1.rl.evaluation.records import CostRow

KINDS = ("add", "update", "delete", "noop")
"""The kinds of operation, in the order in which tables show them."""


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of a run. `counts`: by kind, zeros too. `quiet`: turns that changed nothing; of `turns` in all."""

    counts: Mapping[str, int]
    turns: int
    quiet: int

    @property
    def shares(self) -> Mapping[str, float]:
        """Each kind's share of all operations, in [0, 1]; all 0 without any."""
        total = sum(self.counts.values())
        return {kind: count / total if total else 0.0 for kind, count in self.counts.items()}

    @property
    def per_turn(self) -> Mapping[str, float]:
        """Operations of each kind for one turn, on average."""
        return {kind: count / self.turns if self.turns else 0.0 for kind, count in self.counts.items()}


def operations(rows: Iterable[CostRow]) -> Operations:
    """What the "learn" rows among `rows` did."""
    counts: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    turns = quiet = 0
    for row in rows:
        if row.kind == "learn":
            turns += 1
            counts.update(row.operations)
            quiet += not any(count for kind, count in row.operations.items() if kind != "noop")
    return Operations(dict(counts), turns, quiet)


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of the memories of a bank, and why facts weren't stored.

    `live`: held now; `superseded`: replaced by an update; `deleted`: ended with no successor; they add up to
    `created`. `noops`: by reason, a failure without its detail.
    """

    created: int
    live: int
    superseded: int
    deleted: int
    noops: Mapping[str, int]

    @property
    def survival(self) -> float:
        """The share of all memories that is still held, in [0, 1]; 1.0 for a bank that never had any."""
        return self.live / self.created if self.created else 1.0


def fates(memories: Iterable[Memory], log: Iterable[Revision]) -> Fates:
    """What became of `memories`, all that the bank ever made, and the Noops of its `log` (`Store.dump` has both)."""
    ended: Counter[str] = Counter(_fate(memory) for memory in memories)
    reasons = (operation.reason for entry in log for operation in entry.operations if isinstance(operation, Noop))
    noops = Counter(reason.partition(":")[0] or "no reason" for reason in reasons)
    return Fates(ended.total(), ended["live"], ended["superseded"], ended["deleted"], dict(noops))


def _fate(memory: Memory) -> str:
    if memory.live:
        return "live"
    return "superseded" if memory.successor else "deleted"
