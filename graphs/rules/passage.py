"""A memory as the span reader sees it: its sentence taken apart into words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from memory_r1.graphs.rules.lexis import CONTENT, root, word_class
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.text import words
from memory_r1.memory.dates import find_dates
from memory_r1.memory.types import Hit, Memory

_SAID = re.compile(r'^(?P<who>[^:"]{1,40}?)(?:, asked "(?P<asked>[^"]*)")?: (?P<body>.*)$', re.DOTALL)
_PHOTO = re.compile(r"^(?P<who>.{1,40}?) shared a photo of (?P<body>.*)$", re.DOTALL)
_WORD = re.compile(r"[^\W_]+(?:[-'’&+./:][^\W_]+)*\+?|\$\d[\d,.]*")
_QUOTED = re.compile(r'["“][^"“”]+["”]')
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
EARLIER = " Before: "
"""Parts what holds now from what held before, in a memory that a correction made."""
_PAST = re.compile(r"\b(?:did|was|were|used to|before|previous(?:ly)?|former(?:ly)?|had)\b", re.IGNORECASE)
_GIVEN_UP = re.compile(r"\b(?:no longer|not|\w+n['’]t)\b[^,.;!?]*(?=[,;])", re.IGNORECASE)
_OVER = re.compile(r"\b(?:no longer\b|\w+n['’]t (?=[^,.;!?]*\bany ?more\b))[^,.;!?]*", re.IGNORECASE)
_READ = 400
"""Words of a memory that are read, at most."""
_STOP = re.compile(r"[.!?]")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a passage.

    `matches`: its root is one that the question looks for. `opens`: it begins a sentence. `quoted`, `dated`: it stands
    in a quotation, in a date. `runs_on`: only a space parts it from the word before.
    """

    start: int
    end: int
    low: str
    root: str
    kind: str
    opens: bool
    matches: bool
    quoted: bool
    dated: bool
    runs_on: bool

    @property
    def content(self) -> bool:
        """Whether it carries content."""
        return self.kind in CONTENT


@dataclass(frozen=True, slots=True)
class Passage:
    """What one hit says. `score`: the hit's against the best, in (0, 1]. `reply`: how much of the question its
    speaker had been asked, in [0, 1].
    """

    memory: Memory
    score: float
    body: str
    words: tuple[Word, ...]
    photo: bool
    reply: float

    def text(self, first: int, last: int) -> str:
        """The words `first` to `last` as written."""
        return self.body[self.words[first].start : self.words[last].end]


class Rarity:
    """How telling a root is among the hits: the logarithm of their number by how many have it."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._many = len(hits)
        self._found: dict[str, int] = {}
        for hit in hits:
            for found in {root(word) for word in words(split(hit.memory)[2])}:
                self._found[found] = self._found.get(found, 0) + 1

    def of(self, found: str) -> float:
        """At least 0; the rarer the higher."""
        count = self._found.get(found, 0)
        return math.log1p((self._many - count + 0.5) / (count + 0.5))

    def share(self, asked: Asked, roots: set[str]) -> float:
        """How much of the question `roots` cover, each root counted by its rarity: [0, 1]."""
        total = sum(self.of(r) for r in asked.roots)
        return sum(self.of(r) for r in asked.roots & roots) / total if total else 0.0


def split(memory: Memory) -> tuple[str, str, str, bool]:
    """Who says it, what was asked before, what is said, whether it describes a picture."""
    if match := _PHOTO.match(memory.text):
        return match["who"], "", match["body"], True
    if match := _SAID.match(memory.text):
        return match["who"], match["asked"] or "", match["body"], False
    return memory.speaker, "", memory.text, False


def passage(hit: Hit, best: float, asked: Asked, rarity: Rarity) -> Passage:
    """Take a hit apart. `best`: the highest score of the search.

    What a correction gave up is read only if the question is about the past, or about nothing that it says.
    """
    _, before, body, photo = split(hit.memory)
    reply = rarity.share(asked, {root(word) for word in words(before)}) if before else 0.0
    if not _PAST.search(asked.text):
        body = _standing(body, asked) if EARLIER in body else body
        body = body if _OVER.search(asked.text) else _OVER.sub(lambda match: " " * len(match.group()), body)
    score = hit.score / best if best > 0 else 1.0
    return Passage(hit.memory, score, body, tuple(_words(body, asked, _dates(hit.memory, body))), photo, reply)


def _standing(body: str, asked: Asked) -> str:
    """What a corrected memory says to hold now, without what it denies; what it said before, if that has more of
    the question.
    """
    now, _, before = body.partition(EARLIER)
    mine, theirs = ({root(word) for word in words(part)} & asked.roots for part in (now, before))
    if theirs - mine:
        return before
    return _GIVEN_UP.sub(lambda match: " " * len(match.group()), now)


def _dates(memory: Memory, body: str) -> list[tuple[int, int]]:
    """Where the text gives dates; those of facts are absolute, so they have a year."""
    return [(m.start, m.end) for m in find_dates(body, memory.recorded)] if _YEAR.search(body) else []


def _words(body: str, asked: Asked, dates: Sequence[tuple[int, int]]) -> list[Word]:
    quoted = [match.span() for match in _QUOTED.finditer(body)]
    found: list[Word] = []
    end = 0
    for match in _WORD.finditer(body):
        start, text = match.start(), match.group()
        opens = not found or bool(_STOP.search(body, end, start))
        kind = word_class(text, opens)
        base = root(text)
        matches = kind in CONTENT and base in asked.roots
        inside = any(a <= start < b for a, b in quoted)
        dated = any(a <= start < b for a, b in dates)
        runs_on = body[end:start] == " " and not opens
        end = match.end()
        low = text.lower().replace("’", "'")
        found.append(Word(start, end, low, base, kind, opens, matches, inside, dated, runs_on))
        if len(found) == _READ:
            break
    return found
