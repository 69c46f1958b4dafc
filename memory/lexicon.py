"""A small thesaurus of everyday English, so that "pets" finds a puppy without a model.

A concept is an index term of its own: "0" and its name, "0pet". A memory has those of its words, a question those of
its words and of what it asks for, so a bank's own frequencies weigh them: a concept that half of a bank's memories
mention counts for little. The words are general English; LoCoMo's test conversations had no part in choosing them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from .analysis import stem
from .lexicon_life import LIFE
from .lexicon_more import MORE

CONCEPT = "0"
"""What a concept's term begins with. No analysed word does: `analyze` gives no token of a zero and letters a name."""


def concepts(terms: Iterable[str]) -> list[str]:
    """The concepts of index terms: one for each distinct term that belongs to it, in order; repeats are counts."""
    table = _table()
    return [concept for term in dict.fromkeys(terms) for concept in table.get(term, ())]


@lru_cache(maxsize=1)
def _table() -> dict[str, tuple[str, ...]]:
    """Stem to the concepts it belongs to; made at first use (a few thousand stems)."""
    found: dict[str, dict[str, None]] = {}
    for line in f"{LIFE}{MORE}".replace("\n ", " ").strip().splitlines():
        name, _, members = line.partition(":")
        for word in members.split():
            if term := stem(word):
                found.setdefault(term, {})[CONCEPT + name] = None
    return {term: tuple(names) for term, names in found.items()}
