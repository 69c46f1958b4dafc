"""Ranking: which memories answer a question. Pure, one function for every store.

A store hands over `Candidates` (all live memories of a bank, or a pool that a database preselected); `rank` scores
them by meaning, by words and by what stands next to them; `select` spends the budget per speaker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.analysis import analyze
from memory_r1.memory.layout import DEFAULT, Floats, Ints, Layout, Weights
from memory_r1.memory.lexicon import DATED, NUMBERED, QUESTION_WORDS, concepts, is_concept, stands_for
from memory_r1.memory.types import Hit, Memory

_EXPECTED = (
    (DATED, re.compile(r"\W*(when|(on |in )?(what|which) (date|day|month|year))\b", re.IGNORECASE)),
    (NUMBERED, re.compile(r"\W*how (many|much|often|long|old)\b", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A question, ready for the index. Make it by `Query.of`.

    `terms`: its distinct index terms, each followed by its concepts; before them `DATED` if it asks for a
    date, `NUMBERED` if it asks for a number.
    `vector`: (dim,) float32, unit norm.
    """

    text: str
    terms: tuple[str, ...]
    vector: Floats

    @classmethod
    def of(cls, text: str, vector: Floats) -> Query:
        """The query for `text`, whose embedding is `vector`."""
        terms = tuple(key for term in dict.fromkeys(analyze(text)) for key in (term, *concepts([term])))
        return cls(text, (*(kind for kind, asked in _EXPECTED if asked.match(text)), *terms), vector)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What `rank` reads of n memories: their `layout`, and for one query, by column:

    `dense` (n,) cosine; `counts` (terms of the query, n) how often each occurs; `found` (terms,) in how many
    of the bank's `live` memories each occurs.
    """

    layout: Layout
    dense: Floats
    counts: Floats
    found: Ints
    live: int

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the memories, in order of insertion."""
        return self.layout.ids

    def __len__(self) -> int:
        return len(self.layout.ids)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Scores of n candidates: `score` orders them; `dense` cosine, `lexical` BM25, `context` the graph's part."""

    score: Floats
    dense: Floats
    lexical: Floats
    context: Floats


def rank(candidates: Candidates, query: Query, weights: Weights = DEFAULT) -> Ranking:
    """Score every candidate for `query`, by four parts.

    Words: BM25 of the question's terms, each matched by itself or by a concept, in the memory or, for less, in the
    turns next to it. Meaning: the cosine. Speaker: the one that the question names. Context: the scores of the
    neighbouring turns. Words and meaning are brought to one scale by their best candidate, so it does not matter
    whether the candidates are a whole bank or a pool.
    """
    if not len(candidates):
        return Ranking(candidates.dense, candidates.dense, candidates.dense, candidates.dense)
    layout = candidates.layout.weighed(weights)
    asked = _asked(query.terms, layout.speakers, weights)
    lexical = _lexical(candidates, asked, layout)
    own = _unit(lexical)
    own += np.float32(weights.dense) * _unit(np.maximum(candidates.dense, 0))
    if asked.dated:
        own += layout.loss + np.float32(weights.expected) * (candidates.counts[0] > 0)
    else:
        own += layout.loss
    if asked.speaker is not None:
        own += np.float32(weights.speaker) * (layout.speaker == asked.speaker)
    context = layout.context(own)
    return Ranking(own + context, candidates.dense, lexical, context)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What the terms of a question mean in a bank of these speakers; T terms, of which H are words, the heads.

    `heads`: where the words stand. `groups`: for each word with concepts where it stands, and from where to where they
    do. `shares` (T, 1): what a match of each counts; `gained` (T, 1): what one in a neighbour counts. `worth` (H,):
    what each word adds. `speaker`: the code of the one speaker that is named. `dated`: whether the first term is the
    kind of answer that the question expects, a date or a number.
    """

    heads: list[int]
    groups: tuple[tuple[int, int, int], ...]
    shares: Floats
    gained: Floats
    worth: Floats
    speaker: int | None
    dated: bool


@lru_cache(maxsize=4096)
def _asked(terms: tuple[str, ...], speakers: tuple[str, ...], weights: Weights) -> _Asked:
    """Names of speakers are no words unless there is nothing else: half of a conversation says them."""
    heads = [at for at, term in enumerate(terms) if not is_concept(term)]
    groups = [(head, head + 1, end) for head, end in pairwise([*heads, len(terms)])]
    shares = np.full((len(terms), 1), weights.concept, dtype=np.float32)
    for head, first, end in groups:
        shares[head] = 1.0
        for at in range(first, end):
            if not stands_for(terms[head], terms[at]):
                shares[at] = weights.sibling
    gained = np.full((len(terms), 1), weights.implied, dtype=np.float32)
    gained[heads] = 1.0
    named = _named(speakers, terms)
    ours = [terms[at] not in named for at in heads]
    worth = [
        (weights.k1 + 1) * (weights.question if terms[at] in QUESTION_WORDS else 1.0) * (kept or not any(ours))
        for at, kept in zip(heads, ours, strict=True)
    ]
    codes = set(named.values())
    return _Asked(
        heads, tuple(group for group in groups if group[2] > group[1]), shares, gained,
        np.array(worth, dtype=np.float32), codes.pop() if len(codes) == 1 else None,
        bool(terms) and terms[0] in (DATED, NUMBERED),
    )  # fmt: skip


def _lexical(candidates: Candidates, asked: _Asked, layout: Layout) -> Floats:
    """The BM25 score of every candidate: (n,) float32, by the document frequencies of its own bank.

    A word's score is the better of its own and its concepts', and a part of theirs if both match.
    """
    if not asked.heads:
        return np.zeros(len(candidates), dtype=np.float32)
    found = candidates.found + 0.5
    idf = np.log1p((candidates.live + 1.0 - found) / found, dtype=np.float32)
    scores = layout.inherited(candidates.counts)
    scores *= asked.gained
    scores += candidates.counts
    scores /= scores + layout.norm()
    scores *= idf[:, None] * asked.shares
    both = np.float32(layout.weights.both)
    for head, first, end in asked.groups:
        best = scores[first] if end == first + 1 else np.maximum.reduce(scores[first:end])
        np.maximum(scores[head] + both * best, best, out=scores[head])
    if len(asked.heads) < len(scores):
        scores = scores.take(asked.heads, axis=0)
    return asked.worth @ scores


def _named(speakers: tuple[str, ...], terms: Sequence[str]) -> dict[str, int]:
    """The terms that name a speaker, with his position."""
    names = _names(speakers)
    return {term: names[term] for term in terms if term in names}


@lru_cache(maxsize=1024)
def _names(speakers: tuple[str, ...]) -> dict[str, int]:
    return {term: code for code, name in enumerate(speakers) for term in analyze(name)}


def _unit(values: Floats) -> Floats:
    top = float(np.maximum.reduce(values))
    return values / top if top > 0 else values.copy()


SORTED = 1024
"""Up to so many candidates are sorted whole; of more, those that can't be chosen are left out first."""


def select(candidates: Candidates, scores: Floats, total: int = 60, per_speaker: int | None = 30) -> NDArray[np.intp]:
    """Positions of the chosen candidates, best first: at most `total`, at most `per_speaker` of each speaker.

    What speakers with fewer memories leave of `total` is filled with the best of the rest, in the order of the
    scores. `per_speaker=None` takes the `total` best. Equal scores keep the order of the candidates.
    """
    if per_speaker is None or len(candidates) <= total:
        return _best(scores, total)
    speaker, codes = candidates.layout.speaker, range(len(candidates.layout.speakers))
    if len(scores) > SORTED:
        few = [np.flatnonzero(speaker == code) for code in codes]
        most = np.unique(np.concatenate([_best(scores, total), *(own[_best(scores[own], per_speaker)] for own in few)]))
        return most[_shared(scores[most], speaker[most], codes, total, per_speaker)]
    return _shared(scores, speaker, codes, total, per_speaker)


def _shared(scores: Floats, speaker: Floats, codes: Sequence[int], total: int, each: int) -> NDArray[np.intp]:
    """Positions of the `total` best, of each speaker his `each` best before the rest."""
    order = _ordered(scores)
    said = speaker[order]
    kept = np.concatenate([(said == code).nonzero()[0][:each] for code in codes])
    if len(kept) < total:
        left = np.ones(len(order), dtype=np.bool_)
        left[kept] = False
        kept = np.concatenate([kept, left.nonzero()[0][: total - len(kept)]])
    kept.sort()
    return order[kept[:total]]


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The memories that answer a query, best first: `ids`, and their `scores` in the order of `Hit`'s, by column."""

    ids: list[str]
    scores: tuple[list[float], list[float], list[float], list[float]]

    def hits(self, memories: Iterable[Memory]) -> list[Hit]:
        """The hits, of the memories of these ids."""
        hits = list(map(_Made, memories, *self.scores))
        for one in hits:
            one.__class__ = Hit  # pyright: ignore[reportAttributeAccessIssue]
        return hits  # pyright: ignore[reportReturnType]

    def live(self, memories: Mapping[str, Memory]) -> list[Hit]:
        """The hits that are live among `memories`, by id."""
        kept = [at for at, id in enumerate(self.ids) if id in memories and memories[id].live]
        score, dense, lexical, context = ([part[at] for at in kept] for part in self.scores)
        ids = [self.ids[at] for at in kept]
        return Best(ids, (score, dense, lexical, context)).hits(map(memories.__getitem__, ids))


class _Made:
    """A hit before it is frozen. A frozen dataclass fills itself by five slow calls, a plain class five times faster;
    both have the same slots, so that one becomes the other.
    """

    __slots__ = ("context", "dense", "lexical", "memory", "score")

    def __init__(self, memory: Memory, score: float, dense: float, lexical: float, context: float) -> None:
        self.memory = memory
        self.score = score
        self.dense = dense
        self.lexical = lexical
        self.context = context


def best(candidates: Candidates, query: Query, total: int, per_speaker: int | None) -> Best:
    """The memories that answer `query`, best first: at most `total`, at most `per_speaker` of each speaker."""
    found = rank(candidates, query)
    order = select(candidates, found.score, total=total, per_speaker=per_speaker)
    parts = np.array((found.score, found.dense, found.lexical, found.context))
    score, dense, lexical, context = parts.take(order, axis=1).tolist()
    ids = candidates.ids
    return Best([ids[at] for at in order.tolist()], (score, dense, lexical, context))


def _ordered(scores: Floats) -> NDArray[np.intp]:
    """Positions by falling score, equal ones in their order.

    As whole numbers, of the score's bits and below them the position: numpy sorts such twice as fast as it sorts
    positions by scores, and no two are equal.
    """
    bits = (scores + np.float32(0)).view(np.int32)
    keys = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
    keys <<= 32
    keys = np.arange(len(scores)) - keys
    keys.sort()
    return keys & 0xFFFFFFFF


def _best(scores: Floats, count: int) -> NDArray[np.intp]:
    """Positions of the `count` highest scores, highest first, equal ones in their order."""
    if count >= len(scores):
        return _ordered(scores)
    bar = np.partition(scores, len(scores) - count)[len(scores) - count] if count else np.inf
    few = np.flatnonzero(scores >= bar)
    return few[_ordered(scores[few])][:count]
