"""How good the memory itself is, row by row: gold facts held, repetitions, what became of memories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from memory_r1.rl.evaluation.records import MemoryRow
from memory_r1.rl.metrics.bootstrap import from_sums
from memory_r1.rl.metrics.held import HELD, SAME, Held, Repeats
from memory_r1.rl.metrics.operations import Fates
from memory_r1.rl.report.reading import Entry
from memory_r1.rl.report.tables import Cell

UNRECORDED = "not recorded: the run is older than this table"
NONE = "has no memory: it reads the conversation itself"


@dataclass(frozen=True, slots=True)
class Memories:
    """What a row held after each conversation's last turn, all conversations together.

    `missing`: why there are no figures, "" if there are. `kept`: how many of all `turns` are the source of a memory,
    None if not told. `facts`: gold facts in all; `recall`: share of them that a memory holds, `precision`: share of
    the memories that hold one, `overlap`: the best F1 with a memory, mean over the facts; None without facts.
    """

    missing: str = ""
    memories: int = 0
    characters: int = 0
    turns: int = 0
    kept: int | None = None
    repeats: Repeats = field(default_factory=Repeats)
    facts: int = 0
    recall: Cell | None = None
    precision: Cell | None = None
    overlap: float | None = None
    fates: Fates | None = None


LEGEND = (
    "Turns kept: share of the turns that are the source of a memory. Repeated: memories that the bank could do "
    f"without, as another says the same word for word, or nearly (from {SAME:g} of F1 of their words on)."
)
"""What the columns of the report's table mean."""
FACTS_LEGEND = (
    f"Facts held: share of the gold facts that some memory holds, by an F1 of their words of {HELD:g} or more, both "
    "being of one speaker; precision: share of the memories that hold a fact; overlap: the best F1 that a memory has "
    "with a fact, mean over the facts. Facts that a later turn takes back count too, so a right memory needn't hold "
    "all."
)
"""What the columns mean that only data with gold facts has."""


def memories(entry: Entry) -> Memories:
    """The figures of a complete row. Raises FileFormatError."""
    rows = entry.memories()
    if not rows:
        return Memories(UNRECORDED)
    if all(row.memories is None for row in rows):
        return Memories(NONE)
    found = [row.held for row in rows if row.held is not None]
    kept = [row.kept for row in rows if row.kept is not None]
    return Memories(
        "", sum(row.memories or 0 for row in rows), sum(row.characters for row in rows), sum(row.turns for row in rows),
        sum(kept) if len(kept) == len(rows) else None,
        Repeats(sum(row.repeats.exact for row in rows), sum(row.repeats.near for row in rows)),
        sum(one.facts for one in found),
        _pooled([(one.recall, one.facts) for one in found]), _pooled([(one.precision, one.memories) for one in found]),
        _overlap(found), _fates(rows),
    )  # fmt: skip


def _pooled(shares: Sequence[tuple[float | None, int]]) -> Cell | None:
    """The share over all conversations, each of which counts by how many it has; intervals by conversation."""
    known = [(share, count) for share, count in shares if share is not None and count]
    if not known:
        return None
    counts = [count for _, count in known]
    return Cell(*from_sums([share * count for share, count in known], counts), count=sum(counts))


def _overlap(found: Sequence[Held]) -> float | None:
    known = [(one.overlap, one.facts) for one in found if one.overlap is not None]
    total = sum(count for _, count in known)
    return sum(overlap * count for overlap, count in known) / total if total else None


def _fates(rows: Sequence[MemoryRow]) -> Fates | None:
    found = [row.fates for row in rows if row.fates is not None]
    if len(found) < len(rows):
        return None
    noops: Counter[str] = Counter()
    for one in found:
        noops.update(one.noops)
    return Fates(
        sum(one.created for one in found), sum(one.live for one in found), sum(one.superseded for one in found),
        sum(one.deleted for one in found), dict(sorted(noops.items())),
    )  # fmt: skip
