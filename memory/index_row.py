"""What an index keeps of one memory: its terms, who said it, where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from memory_r1.memory.analysis import analyze, index_text
from memory_r1.memory.lexicon import DATED, NUMBERED, concepts
from memory_r1.memory.types import Memory

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index keeps of one memory. Make it by `IndexRow.of`.

    `session`, `index`: the place of its newest source turn. `terms`: what a store indexes as text, joined by
    spaces: those of the text, then their concepts. `asks`: its text ends as a question.
    """

    id: str
    speaker: str
    session: str
    index: int
    terms: tuple[str, ...]
    asks: bool = False
    entities: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict[str, int], compare=False, repr=False)

    @classmethod
    def of(cls, memory: Memory) -> IndexRow:
        """The row of `memory`."""
        terms, counts = _terms(memory.text, memory.speaker, memory.when, memory.recorded)
        asks = memory.text.rstrip().endswith("?")
        place = (memory.session, memory.index)
        return cls(memory.id, memory.speaker, *place, terms, asks, memory.entities, counts)


@lru_cache(maxsize=4096)
def _terms(text: str, speaker: str, when: str, recorded: datetime) -> tuple[tuple[str, ...], dict[str, int]]:
    """The terms of a memory and how often each occurs. Forks of one bank often come to store the same text."""
    terms = analyze(index_text(text, speaker, when, recorded))
    names = _names(speaker)
    terms += tuple(concepts([term for term in terms if term not in names]))
    if when:
        terms += (DATED,)
    if _DIGIT.search(text):
        terms += (NUMBERED,)
    counts: dict[str, int] = {}
    for term in terms:
        counts[term] = counts.get(term, 0) + 1
    return terms, counts


@lru_cache(maxsize=4096)
def _names(speaker: str) -> frozenset[str]:
    return frozenset(analyze(speaker))
