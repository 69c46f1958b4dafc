"""What the question word asks for: "who" a person, "where" a place. Nothing else answers, however near it stands."""

from __future__ import annotations

from collections.abc import Callable

from memory_r1.graphs.rules.lexis import meanings, root
from memory_r1.graphs.rules.passage import Passage, Word
from memory_r1.graphs.rules.question import Asked
from memory_r1.memory.lexicon import CONCEPT

PEOPLE = frozenset(
    CONCEPT + name for name in "kin child spouse friend mentor coach doctor coworker person couple relatives".split()
)
"""The concepts of people."""
_PLACES = frozenset(
    CONCEPT + name
    for name in "place city country state park building museum lodging home school church hospital office store beach"
    " forest lake island farm garden castle restaurant library gym mountain landmark".split()
)
_PLACING = frozenset(
    "in at on near into from through around under behind inside beside above below across to outside between".split()
)
_VISITING = frozenset("visit visited visiting tour toured explore explored left leave leaving love loved".split())
_SPELLS = frozenset(root(word) for word in "year month week day time hour minute moment morning evening".split())
_PHRASE = 3


def fitting(asked: Asked, part: Passage) -> Callable[[int, int], bool]:
    """Whether the words `first` to `last` of a passage can answer: "who" with people, "where" ending with a place."""
    if asked.kind == "who":
        people = {at for at, word in enumerate(part.words) if _is_person(word)}
        others = [at for at, word in enumerate(part.words) if word.content and at not in people]
        return lambda first, last: last in people and not any(first <= at <= last for at in others)
    if asked.kind == "where":
        places = {at for at in range(len(part.words)) if _is_place(part, at)}
        return lambda first, last: last in places
    return lambda first, last: True


def _is_person(word: Word) -> bool:
    return (word.kind == "name" and not word.dated) or bool(meanings(word.root) & PEOPLE)


def _is_place(part: Passage, at: int) -> bool:
    """A word for a place, or the noun of a phrase that "in", "at" and the like open; no date, no count."""
    word = part.words[at]
    if not word.content or word.dated or word.kind == "number" or word.root in _SPELLS:
        return False
    if meanings(word.root) & _PLACES:
        return True
    for before in range(at - 1, max(-1, at - 1 - _PHRASE), -1):
        if not part.words[before + 1].runs_on:
            return False
        low = part.words[before].low
        if low in _PLACING or (word.kind == "name" and low in _VISITING):
            return low != "to" or word.kind == "name" or before < at - 1
    return False
