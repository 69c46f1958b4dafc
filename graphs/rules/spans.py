"""The span reader: which words of which memories make the answer.

A logistic model gives every word the probability that it stands in the answer (`features`, `weights`). A span is
worth the F1 that these probabilities let expect, and spans are joined as long as that grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memory_r1.graphs.rules.features import echoes, features
from memory_r1.graphs.rules.lexis import OPENERS
from memory_r1.graphs.rules.passage import Passage, Rarity, passage
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.weights import SPAN
from memory_r1.memory.types import Hit

PASSAGES = 8
"""How many hits are read."""
LONGEST = 12
"""Words in a span, at most."""
JOINED = 4
"""Spans in an answer, at most."""
EXPECTED = 4.0
"""Words in a true answer, on average: what recall is expected against."""


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
        spans += _spans(part, chances)
    return _join(spans)


def take_apart(asked: Asked, hits: Sequence[Hit]) -> tuple[list[Passage], Rarity]:
    """The passages of the first hits, and how rare words are among all of them."""
    rarity = Rarity(hits)
    best = hits[0].score if hits else 0.0
    return [passage(hit, best, asked, rarity) for hit in hits[:PASSAGES]], rarity


def chance(row: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The probability that a word of these features stands in the answer."""
    return 1 / (1 + math.exp(-sum(value * weights.get(name, 0.0) for name, value in row.items())))


def _spans(part: Passage, chances: Sequence[float]) -> list[Span]:
    """All spans that read well: within a sentence, from a word that may open an answer to one with content."""
    found: list[Span] = []
    for first, opening in enumerate(part.words):
        if not opening.content and opening.low not in OPENERS:
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
            if word.content and not (last == first and word.kind == "ly"):
                found.append(Span(part, first, last, frozenset(seen), mass))
    return found


def _worth(mass: float, size: int) -> float:
    """The F1 to expect of `size` words whose probabilities sum to `mass`."""
    return 2 * mass / (size + EXPECTED)


def _join(spans: list[Span]) -> list[Span]:
    """The best span, then others without a word in common as long as the expected F1 grows."""
    spans.sort(key=lambda span: -_worth(span.mass, len(span.words)))
    chosen = spans[:1]
    while chosen and len(chosen) < JOINED:
        seen = frozenset[str]().union(*(span.words for span in chosen))
        mass = sum(span.mass for span in chosen)
        fresh = [span for span in spans[:300] if not span.words & seen]
        best = max(fresh, key=lambda span: _worth(mass + span.mass, len(seen) + len(span.words)), default=None)
        if best is None or _worth(mass + best.mass, len(seen) + len(best.words)) <= _worth(mass, len(seen)):
            break
        chosen.append(best)
    return chosen
