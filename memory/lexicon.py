"""A small thesaurus of everyday English, so that "pets" finds a puppy without a model.

A concept is an index term of its own: "0" and its name, "0pet". A memory has those of its words, a question those of
its words and of what it asks for, so a bank's own frequencies weigh them: a concept that half of a bank's memories
mention counts for little. The words are general English; LoCoMo's test conversations had no part in choosing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from memory_r1.memory.analysis import stem
from memory_r1.memory.lexicon_life import LIFE
from memory_r1.memory.lexicon_more import MORE
from memory_r1.memory.lexicon_names import NAMES

CONCEPT = "0"
"""What a concept's term begins with. No analysed word does but "0" itself: `analyze` drops leading zeros."""


DATED, NUMBERED = CONCEPT + "dated", CONCEPT + "numbered"
"""The concepts of a memory that tells when something happened, and of one that tells how many."""

QUESTION_WORDS = frozenset(
    stem(word)
    for word in """
    kind type sort many much likely consider mention describe think say tell name way thing time happen currently common
    specific certain various recent recently new participate partake different example main reason according potential
    might would could still ever often long make use do get go one two based person people both together decide
    particular plan take feel
    """.split()
)
"""Stems that say what a question asks for rather than what its answer is about; matching one counts for less."""


def concepts(terms: Iterable[str]) -> list[str]:
    """The concepts of index terms: one for each distinct term that belongs to it, in order; repeats are counts."""
    table = _table()
    return [concept for term in dict.fromkeys(terms) for concept in table.get(term, ())]


def stands_for(term: str, concept: str) -> bool:
    """Whether an index term names the whole concept ("pet" the pets), not one instance of it ("puppy")."""
    return term in _names().get(concept, ())


def is_concept(term: str) -> bool:
    """Whether an index term is a concept, not a word of the text."""
    return term.startswith(CONCEPT) and term != CONCEPT


def _lines() -> Iterator[tuple[str, list[str]]]:
    """Each line of the lexicon: its concept and the stems of its words."""
    for line in f"{LIFE}{MORE}{NAMES}".replace("\n ", " ").strip().splitlines():
        name, _, members = line.partition(":")
        if name:
            yield CONCEPT + name, [term for word in members.split() if (term := stem(word))]


@lru_cache(maxsize=1)
def _table() -> dict[str, tuple[str, ...]]:
    """Stem to the concepts it belongs to; made at first use (a few thousand stems)."""
    found: dict[str, dict[str, None]] = {}
    for concept, members in _lines():
        for term in members:
            found.setdefault(term, {})[concept] = None
    return {term: tuple(names) for term, names in found.items()}


@lru_cache(maxsize=1)
def _names() -> dict[str, tuple[str, ...]]:
    """Concept to the stems that name it as a whole: its own name, and the first word of its first line."""
    found: dict[str, tuple[str, ...]] = {}
    for concept, members in _lines():
        found.setdefault(concept, (stem(concept[len(CONCEPT) :]), *members[:1]))
    return found
