"""The kinds of operation, and what becomes of memories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from memory_r1.memory.types import Memory, Noop, Revision

KINDS = ("add", "update", "delete", "noop")
"""The kinds of operation, in the order in which tables show them."""


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
