"""The span reader: which words of which memories make the answer.

A logistic model gives every word the probability that it stands in the answer (`features`, `weights`). A span is
worth the F1 that these probabilities let expect, and spans are joined as long as that grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memory_r1.graphs.rules.features import echoes, features
from memory_r1.graphs.rules.fits import fitting
from memory_r1.graphs.rules.lexis import OPENERS
from memory_r1.graphs.rules.passage import Passage, Rarity, passage
from memory_r1.graphs.rules.question import Asked, Shape
from memory_r1.graphs.rules.weights import SPAN
from memory_r1.memory.types import Hit

PASSAGES = 8
"""How many hits are read."""
LONGEST = 12
"""Words in a span, at most."""
JOINED = 4
"""Spans in the answer to a question for several things, at most; another gets one."""
ALIKE = 0.4
"""What a word of a joined span must be worth, on average, against one of the best span's."""
EXPECTED: dict[Shape, float] = {"noun": 5, "deed": 6, "how": 8, "why": 10}
"""Words in a true answer, on average: what recall is expected against."""

_TRIED = 300
_NOUNS = ("word", "name", "number")
_TIMES = ("once", "twice")


@dataclass(frozen=True, slots=True)
class Span:
    """Words `first` to `last` of a passage. `words`: distinct, lower case; `mass`: the sum of their probabilities."""

    passage: Passage
    first: int
    last: int
    words: frozenset[str]
    mass: float

    @property
    def text(self) -> str:
        """The words as written."""
        return self.passage.text(self.first, self.last)


def read(asked: Asked, hits: Sequence[Hit], weights: Mapping[str, float] = SPAN) -> list[Span]:
    """The spans that answer, the most telling first; [] when there is nothing to read."""
    passages, rarity = take_apart(asked, hits)
    echo = echoes(passages)
    spans: list[Span] = []
    for at, part in enumerate(passages):
        chances = [chance(row, weights) for row in features(asked, passages, at, rarity, echo)]
        fits = fitting(asked, part)
        spans += [span for span in candidates(part, chances) if fits(span.first, span.last)]
    return join(spans, EXPECTED[asked.shape], JOINED if asked.several else 1)


def take_apart(asked: Asked, hits: Sequence[Hit]) -> tuple[list[Passage], Rarity]:
    """The passages of the first hits, and how rare words are among all of them."""
    rarity = Rarity(hits)
    best = hits[0].score if hits else 0.0
    return [passage(hit, best, asked, rarity) for hit in hits[:PASSAGES]], rarity


def chance(row: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The probability that a word of these features stands in the answer."""
    return 1 / (1 + math.exp(-sum(value * weights.get(name, 0.0) for name, value in row.items())))


def candidates(part: Passage, chances: Sequence[float]) -> list[Span]:
    """All spans of a passage that read well: within a sentence, opened as an answer may be, ending with content."""
    found: list[Span] = []
    for first, opening in enumerate(part.words):
        if (not opening.content and opening.low not in OPENERS) or _repeats(part, first):
            continue
        seen: set[str] = set()
        mass = 0.0
        for last in range(first, min(first + LONGEST, len(part.words))):
            word = part.words[last]
            if last > first and word.opens:
                break
            if word.low not in seen:
                seen.add(word.low)
                mass += chances[last]
            if word.content and not (last == first and word.kind == "ly") and _whole(part, first, last):
                found.append(Span(part, first, last, frozenset(seen), mass))
    return found


def _repeats(part: Passage, first: int) -> bool:
    """Whether a span would open with a verb of the question ("grow tulips", to "What does she grow?")."""
    word = part.words[first]
    return word.matches and first > 0 and part.words[first - 1].kind in ("pronoun", "auxiliary")


def _whole(part: Passage, first: int, last: int) -> bool:
    """Whether a span cuts neither a date nor a noun from its adjectives at its end, and drags no "once" along."""
    words = part.words
    if last > first and words[last].low in _TIMES:
        return False
    if words[first].dated and first and words[first - 1].dated:
        return False
    if last + 1 == len(words):
        return True
    after = words[last + 1]
    if words[last].dated and after.dated:
        return False
    return not (after.runs_on and after.kind in _NOUNS and not after.matches and after.low not in _TIMES)


def join(spans: list[Span], expected: float, most: int) -> list[Span]:
    """The best span, then others without a word in common as long as the expected F1 grows, `most` at most.

    `expected`: words in a true answer.
    """

    def worth(mass: float, size: int) -> float:
        return 2 * mass / (size + expected)

    ranked = sorted(spans, key=lambda span: -worth(span.mass, len(span.words)))[:_TRIED]
    chosen = ranked[:1]
    least = ALIKE * chosen[0].mass / len(chosen[0].words) if chosen else 0.0
    while chosen and len(chosen) < most:
        seen = frozenset[str]().union(*(span.words for span in chosen))
        mass = sum(span.mass for span in chosen)
        fresh = [span for span in ranked if not span.words & seen and span.mass >= least * len(span.words)]
        best = max(fresh, key=lambda span: worth(mass + span.mass, len(seen) + len(span.words)), default=None)
        if best is None or worth(mass + best.mass, len(seen) + len(best.words)) <= worth(mass, len(seen)):
            break
        chosen.append(best)
    return chosen
