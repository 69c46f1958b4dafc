"""Chance that is the same everywhere: only `random.Random.random` of an integer seed, which Python promises to keep."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

SPLITS = ("train", "validation", "test")
"""A word of the open vocabulary belongs to one of them: three fifths, one fifth, one fifth."""

_ONSETS = (
    "b",
    "d",
    "f",
    "g",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "dr",
    "kr",
    "sh",
    "st",
    "th",
    "tr",
)
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "", "", "n", "l", "s")
TOWNS = ("burg", "dorf", "field", "ford", "grad", "ham", "mouth", "stad", "ville", "wick")
"""How the names of towns end."""
_AVOIDED = ("nig", "fag", "naz", "put", "kak", "rap", "pede", "sod", "tit", "pot", "tom", "ban", "med", "mus", "get")
"""Beginnings of which an insult or an English word might be made."""
_PREFIX = 3
"""No two names of one world begin with the same letters, so many of them: their stems differ, too."""


class Chance:
    """A source of chance, seeded by any values that `str` tells apart."""

    def __init__(self, *seed: object) -> None:
        digest = sha256("/".join(map(str, seed)).encode()).digest()
        self._next = random.Random(int.from_bytes(digest[:8], "big")).random

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int(self._next() * limit)

    def between(self, first: int, last: int) -> int:
        """A whole number from `first` to `last`."""
        return first + self.below(last - first + 1)

    def odds(self, share: float) -> bool:
        """True with probability `share`."""
        return self._next() < share

    def pick(self, choices: Sequence[T]) -> T:
        """One of `choices`."""
        return choices[self.below(len(choices))]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys of `weights`, as likely as it weighs."""
        left = self._next() * sum(weights.values())
        *choices, last = weights
        for choice in choices:
            left -= weights[choice]
            if left < 0:
                return choice
        return last

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """`values` in any order."""
        left = list(values)
        return [left.pop(self.below(len(left))) for _ in values]


class Names:
    """Invented names, each used once in a world.

    Open (`closed` = 0): three syllables, and only those of `split`, so that no name of one split stands in another.
    Closed: one list of `closed` names for people and pets and one for towns, the same in all splits and for all seeds.
    """

    def __init__(self, chance: Chance, split: str, closed: int = 0) -> None:
        self._chance = chance
        self._split = split
        self._used: set[str] = set()
        self._left: dict[bool, list[str]] | None = None
        if closed:
            self._left = {town: chance.shuffled(_closed(closed, town)) for town in (False, True)}

    def name(self) -> str:
        """A new name for a person or a pet, "" when none is left."""
        return self._take(town=False)

    def town(self) -> str:
        """A new name for a town, "" when none is left."""
        return self._take(town=True)

    def _take(self, town: bool) -> str:
        if self._left is not None:
            return self._left[town].pop() if self._left[town] else ""
        for _ in range(_TRIES):
            word = _word(self._chance, town)
            if split_of(word) == self._split and word[:_PREFIX] not in self._used:
                self._used.add(word[:_PREFIX])
                return word
        return ""


def split_of(name: str) -> str:
    """The split that a name of the open vocabulary belongs to."""
    return SPLITS[max(0, crc32(name.lower().encode()) % 5 - 2)]


def closed_names(count: int) -> tuple[str, ...]:
    """Every name of the closed vocabulary of `count` names: those of people and pets, then as many towns."""
    return (*_closed(count, False), *_closed(count, True)) if count else ()


_TRIES = 500
"""So often a name that is still free is looked for."""


def _word(chance: Chance, town: bool) -> str:
    while True:
        syllables = [chance.pick(_ONSETS) + chance.pick(_VOWELS) for _ in range(2 if town else 3)]
        end = chance.pick(TOWNS) if town else chance.pick(_CODAS)
        word = "".join([*syllables, end])
        if not word.startswith(_AVOIDED) and len(set(syllables)) == len(syllables):
            return word.capitalize()


@lru_cache(maxsize=16)
def _closed(count: int, town: bool) -> tuple[str, ...]:
    """The closed list of `count` names: for people and pets, or for towns. The lists share no beginning."""
    chance = Chance("names")
    lists: dict[bool, list[str]] = {False: [], True: []}
    used: set[str] = set()
    while len(lists[True]) < count:
        of_town = len(lists[False]) > len(lists[True])
        word = _word(chance, of_town)
        if word[:_PREFIX] not in used:
            used.add(word[:_PREFIX])
            lists[of_town].append(word)
    return tuple(lists[town])
