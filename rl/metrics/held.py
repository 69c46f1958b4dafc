"""How good memories are as texts: how well they hold facts that people wrote down, and how many say the same.

Words are index terms (`memory.analysis.analyze`: stems without function words), so "not" counts in no comparison. The
likeness of two texts is the F1 of their two sets of words: 2 |A and B| / (|A| + |B|).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from memory_r1.memory.analysis import analyze

HELD = 0.5
"""The F1 from which a memory counts as holding a fact."""
SAME = 0.9
"""The F1 from which two memories count as saying the same."""

Words = frozenset[str]


class Statement(Protocol):
    """A memory or a fact, of whatever system: what it says, and of whom ("" where it isn't told)."""

    @property
    def text(self) -> str:
        """What it says."""
        ...

    @property
    def speaker(self) -> str:
        """Whom it is about."""
        ...


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


def held(memories: Sequence[Statement], facts: Sequence[Statement]) -> Held:
    """Match `memories` with the gold `facts` of the same speaker by their words.

    A memory without a speaker is compared with the facts of all. The fact's speaker's name counts in neither text, so
    that "I work nights." and "Ann works nights" have the same. A memory holds a fact from F1 `HELD` on. One memory may
    hold several facts.
    """
    words = [frozenset(analyze(memory.text)) for memory in memories]
    told = _by_speaker((fact.speaker, fact.text) for fact in facts)
    best_facts: list[float] = []
    best_memories = [0.0] * len(memories)
    for speaker, sets in told.items():
        name = analyze(speaker)
        ours = {at: words[at].difference(name) for at, one in enumerate(memories) if one.speaker in (speaker, "")}
        best_facts += [_best(terms, ours.values()) for terms in sets]
        for at, terms in ours.items():
            best_memories[at] = max(best_memories[at], _best(terms, sets))
    overlap = sum(best_facts) / len(best_facts) if best_facts else None
    return Held(len(facts), len(memories), _share(best_facts), _share(best_memories), overlap)


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many memories a bank could do without. `exact`: that repeat another word for word.

    `near`: that say the same as another (F1 from `SAME` on), those of `exact` included.
    """

    exact: int = 0
    near: int = 0


def repeats(memories: Sequence[Statement]) -> Repeats:
    """The repetitions among `memories`, each speaker's apart; their order makes no difference.

    Of memories that say the same, in pairs or in a chain, all but one are repetitions.
    """
    texts = {(memory.speaker, memory.text) for memory in memories}
    near = len(memories) - len(texts)
    for sets in _by_speaker(texts).values():
        near += len(sets) - _kinds(sets)
    return Repeats(len(memories) - len(texts), near)


def _by_speaker(pairs: Iterable[tuple[str, str]]) -> dict[str, list[Words]]:
    """The words of each text without its speaker's name. `pairs`: speaker and text."""
    found: defaultdict[str, list[Words]] = defaultdict(list)
    for speaker, text in pairs:
        found[speaker].append(frozenset(analyze(text)).difference(analyze(speaker)))
    return found


def _kinds(sets: Sequence[Words]) -> int:
    """How many groups `sets` form, two that are alike being in one."""
    group = list(range(len(sets)))

    def root(at: int) -> int:
        while group[at] != at:
            group[at] = at = group[group[at]]
        return at

    for one, other in _alike(sets):
        group[root(one)] = root(other)
    return sum(group[at] == at for at in range(len(sets)))


def _alike(sets: Sequence[Words]) -> Iterator[tuple[int, int]]:
    """The pairs with an F1 of `SAME` or more, found by their rare words.

    Two such sets share at least SAME / (2 - SAME) of either one's words. So if each is in one order, by how rare a word
    is, the first words of the two, one more than either may lack, have one in common; only such pairs are compared.
    """
    counts = Counter(term for terms in sets for term in terms)
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for at, terms in enumerate(sets):
        ordered = sorted(terms, key=lambda term: (counts[term], term))
        shared = ceil(len(terms) * SAME / (2 - SAME) - 1e-9)
        first = ordered[: len(terms) - shared + 1]
        for other in {other for term in first for other in seen[term]}:
            if _f1(terms, sets[other]) >= SAME:
                yield at, other
        for term in first:
            seen[term].append(at)


def _f1(one: Words, other: Words) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _best(terms: Words, others: Iterable[Words]) -> float:
    """The best F1 of `terms` with one of `others`."""
    return max((_f1(terms, other) for other in others), default=0.0)


def _share(best: Sequence[float]) -> float | None:
    return sum(value >= HELD for value in best) / len(best) if best else None
