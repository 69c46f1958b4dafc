"""What a system does to its memory: operations by kind, what becomes of memories, and how well they hold the facts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory_r1.memory.analysis import analyze
from memory_r1.memory.types import Fact, Memory, Noop, Revision

if TYPE_CHECKING:
    from memory_r1.rl.evaluation.records import CostRow

KINDS = ("add", "update", "delete", "noop")
"""The kinds of operation, in the order in which tables show them."""

HELD = 0.5
"""The overlap of words (F1) from which a memory counts as holding a fact."""


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


@dataclass(frozen=True, slots=True)
class Held:
    """How well memories hold facts that people wrote down, each figure in [0, 1].

    `recall`: share of the facts that some memory holds; `precision`: share of the memories that hold some fact;
    `overlap`: the best F1 that a memory has with a fact, mean over the facts. None where there is nothing to average.
    """

    facts: int
    memories: int
    recall: float | None
    precision: float | None
    overlap: float | None


def held(memories: Sequence[Memory], facts: Sequence[Fact]) -> Held:
    """Match `memories` with the gold `facts` of the same speaker by their words.

    Words are index terms (`memory.analysis.analyze`: stems without function words), and the speaker's name counts in
    neither text, so that "I work nights." and "Ann works nights" have the same. A pair's F1 is that of the
    two sets; a memory holds a fact from F1 `HELD` on. One memory may hold several facts.
    """
    ours, theirs = _by_speaker(memories), _by_speaker(facts)
    best_facts = [_best(terms, ours[speaker]) for speaker, sets in theirs.items() for terms in sets]
    best_memories = [_best(terms, theirs.get(speaker, [])) for speaker, sets in ours.items() for terms in sets]
    recall, precision = _share(best_facts), _share(best_memories)
    overlap = sum(best_facts) / len(best_facts) if best_facts else None
    return Held(len(best_facts), len(best_memories), recall, precision, overlap)


def _by_speaker(statements: Sequence[Memory] | Sequence[Fact]) -> defaultdict[str, list[frozenset[str]]]:
    found: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
    for one in statements:
        found[one.speaker].append(frozenset(analyze(one.text)).difference(analyze(one.speaker)))
    return found


def _best(terms: frozenset[str], others: Sequence[frozenset[str]]) -> float:
    """The best F1 of `terms` with one of `others`: 2 |A and B| / (|A| + |B|)."""
    return max((2 * len(terms & other) / (len(terms) + len(other)) for other in others if terms & other), default=0.0)


def _share(best: Sequence[float]) -> float | None:
    return sum(value >= HELD for value in best) / len(best) if best else None
