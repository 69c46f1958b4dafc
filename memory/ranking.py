"""Ranking: which memories answer a question. Pure, one function for every store.

A store hands over `Candidates` (all live memories of a bank, or a pool that a database preselected); `rank` scores
them by meaning, by words and by what stands next to them; `select` spends the budget per speaker.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.analysis import analyze
from memory_r1.memory.lexicon import DATED, NUMBERED, QUESTION_WORDS, concepts, is_concept, stands_for

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

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
    """What `rank` reads of n memories, by column.

    `dense` (n,) cosine; `counts` (terms of the query, n) how often each occurs; `found` (terms,) in how many
    of the bank's `live` memories each occurs; `length` (n,) terms of each memory; `session`, `index` (n,) place
    of its newest turn; `speaker` (n,) position in `speakers`; `asks` (n,) whether it ends as a question.
    """

    ids: Sequence[str]
    dense: Floats
    counts: Floats
    found: Ints
    live: int
    length: Floats
    session: Ints
    index: Ints
    speaker: Ints
    speakers: tuple[str, ...]
    asks: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of the score counts. Tuned on LoCoMo's conv-26 and conv-30.

    `k1`, `b`: BM25's. `concept`: a match by concept against one by word, when the question names the concept;
    `sibling`: when it names an instance; `both`: what a concept adds to its word; `question`: a question word against
    another. `dense`: the nearest vector against the best lexical score. `speaker`: being said by the one speaker named.
    `before`, `reply`, `after`: the share of the words of the turn before, of the question before, of the turn after
    that a memory inherits; `implied`: of their concepts against their words. `near`, `second`: the share of its
    neighbours' scores at distance one and two. `asks`: taken off a question. `expected`: given to a memory with a date
    or a number when the question asks for one.
    """

    k1: float = 1.0
    b: float = 0.4
    concept: float = 0.8
    sibling: float = 0.6
    both: float = 0.3
    question: float = 0.35
    dense: float = 0.1
    speaker: float = 0.45
    before: float = 0.4
    reply: float = 0.8
    after: float = 0.3
    implied: float = 0.2
    near: float = 0.2
    second: float = 0.2
    asks: float = 0.1
    expected: float = 0.25


DEFAULT = Weights()


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
    places = _Places.of(candidates, weights)
    named = _named(candidates.speakers, query.terms)
    lexical = _lexical(candidates, query.terms, places, weights, named)
    own = _unit(lexical)
    own += np.float32(weights.dense) * _unit(np.maximum(candidates.dense, 0))
    own += _expected(candidates, query, weights)
    if len(codes := set(named.values())) == 1:
        own += np.float32(weights.speaker) * (candidates.speaker == codes.pop())
    context = places.context(own)
    return Ranking(own + context, candidates.dense, lexical, context)


def _expected(candidates: Candidates, query: Query, weights: Weights) -> Floats:
    """What a memory gets for being of the kind that answers: no question; with a date or a number if asked for one."""
    out = np.float32(-weights.asks) * candidates.asks
    if query.terms and query.terms[0] in (DATED, NUMBERED):
        out += np.float32(weights.expected) * (candidates.counts[0] > 0)
    return out


def _lexical(
    candidates: Candidates, terms: Sequence[str], places: _Places, weights: Weights, named: Container[str]
) -> Floats:
    """The BM25 score of every candidate: (n,) float32, by the document frequencies of its own bank.

    A word's score is the better of its own and its concepts', and a part of theirs if both match. Names of speakers
    are no words unless there is nothing else: half of a conversation says them.
    """
    heads = [at for at, term in enumerate(terms) if not is_concept(term)]
    if not heads:
        return np.zeros(len(candidates), dtype=np.float32)
    spans = list(zip(heads, [*heads[1:], len(terms)], strict=True))
    idf = np.log1p((candidates.live - candidates.found + 0.5) / (candidates.found + 0.5), dtype=np.float32)
    idf *= _shares(terms, spans, weights)
    norm = candidates.length * (weights.k1 * weights.b / (float(candidates.length.mean()) or 1.0))
    norm += weights.k1 * (1 - weights.b)
    gained = np.full((len(terms), 1), weights.implied, dtype=np.float32)
    gained[heads] = 1.0
    scores = candidates.counts + gained * places.inherited(candidates.counts)
    scores /= scores + norm
    scores *= idf[:, None]
    for head, end in spans:
        if end > head + 1:
            best = scores[head + 1 : end].max(axis=0)
            np.maximum(scores[head] + np.float32(weights.both) * best, best, out=scores[head])
    ours = [terms[at] not in named for at in heads]
    worth = [
        (weights.k1 + 1) * (weights.question if terms[at] in QUESTION_WORDS else 1.0) * (kept or not any(ours))
        for at, kept in zip(heads, ours, strict=True)
    ]
    return (np.array(worth, dtype=np.float32) @ scores[heads]).astype(np.float32, copy=False)


def _shares(terms: Sequence[str], spans: Sequence[tuple[int, int]], weights: Weights) -> Floats:
    """What a match of each term counts: (terms,); `spans` are the positions of a word and of its last concept's end."""
    shares = np.full(len(terms), weights.concept, dtype=np.float32)
    for head, end in spans:
        shares[head] = 1.0
        for at in range(head + 1, end):
            if not stands_for(terms[head], terms[at]):
                shares[at] = weights.sibling
    return shares


def _named(speakers: tuple[str, ...], terms: Sequence[str]) -> dict[str, int]:
    """The terms that name a speaker, with his position."""
    names = _names(speakers)
    return {term: names[term] for term in terms if term in names}


@lru_cache(maxsize=1024)
def _names(speakers: tuple[str, ...]) -> dict[str, int]:
    return {term: code for code, name in enumerate(speakers) for term in analyze(name)}


def _unit(values: Floats) -> Floats:
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else values


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Candidates in the order of their turns, and what each inherits of those next to it.

    `order` is None when they stand in that order already. `before`, `after` (n - 1,): shares of words between
    neighbours; `near` (n - 1,) and `second` (n - 2,): shares of scores.
    """

    order: NDArray[np.intp] | None
    before: Floats
    after: Floats
    near: Floats
    second: Floats

    @classmethod
    def of(cls, candidates: Candidates, weights: Weights) -> _Places:
        key = (candidates.session.astype(np.int64) << 32) + candidates.index
        asks, order = candidates.asks, None
        if bool((key[1:] < key[:-1]).any()):
            order = np.argsort(key, kind="stable")
            key, asks = key[order], asks[order]
        one, two = key[1:] - key[:-1], key[2:] - key[:-2]
        near = (one <= 1).astype(np.float32)
        before = np.where(asks[:-1], np.float32(weights.reply), np.float32(weights.before)) * near
        far = np.float32(weights.second)
        return cls(order, before, weights.after * near, weights.near * near + far * (one == 2), far * (two <= 2))

    def inherited(self, counts: Floats) -> Floats:
        """How many of the words of its neighbours count for each memory: (terms, n), of counts (terms, n)."""
        if self.order is not None:
            counts = counts[:, self.order]
        best = np.zeros_like(counts)
        np.multiply(counts[:, :-1], self.before, out=best[:, 1:])
        np.maximum(best[:, :-1], counts[:, 1:] * self.after, out=best[:, :-1])
        return best if self.order is None else _back(best, self.order)

    def context(self, own: Floats) -> Floats:
        """What the better neighbour at each distance adds to each memory's score: (n,)."""
        if self.order is not None:
            own = own[self.order]
        gain = np.zeros_like(own)
        for step, share in ((1, self.near), (2, self.second)):
            side = np.zeros_like(own)
            side[step:] = own[:-step] * share
            np.maximum(side[:-step], own[step:] * share, out=side[:-step])
            gain += side
        return gain if self.order is None else _back(gain, self.order)


def _back(values: Floats, order: NDArray[np.intp]) -> Floats:
    out = np.empty_like(values)
    out[..., order] = values
    return out


def select(candidates: Candidates, scores: Floats, total: int = 60, per_speaker: int | None = 30) -> NDArray[np.intp]:
    """Positions of the chosen candidates, best first: at most `total`, at most `per_speaker` of each speaker.

    What speakers with fewer memories leave of `total` is filled with the best of the rest, in the order of the
    scores. `per_speaker=None` takes the `total` best. Equal scores keep the order of the candidates.
    """
    if per_speaker is None or len(candidates) <= total:
        return _best(scores, total)
    kept: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
    for code in range(len(candidates.speakers)):
        own = np.flatnonzero(candidates.speaker == code)
        kept = np.concatenate([kept, own[_best(scores[own], per_speaker)]])
    if len(kept) < total:
        left = scores.copy()
        left[kept] = -np.inf
        kept = np.concatenate([kept, _best(left, total - len(kept))])
    kept.sort()
    return kept[_best(scores[kept], total)]


def best(
    candidates: Candidates, query: Query, total: int, per_speaker: int | None
) -> list[tuple[str, tuple[float, float, float, float]]]:
    """The ids of the memories that answer `query`, best first, each with (score, dense, lexical, context)."""
    found = rank(candidates, query)
    order = select(candidates, found.score, total=total, per_speaker=per_speaker)
    places = [int(at) for at in order]
    parts = (found.score[order], found.dense[order], found.lexical[order], found.context[order])
    score, dense, lexical, context = (part.tolist() for part in parts)
    rows = zip(score, dense, lexical, context, strict=True)
    return [(candidates.ids[at], row) for at, row in zip(places, rows, strict=True)]


def _best(scores: Floats, count: int) -> NDArray[np.intp]:
    """Positions of the `count` highest scores, highest first, equal ones in their order."""
    if count >= len(scores):
        return np.argsort(-scores, kind="stable")
    bar = np.partition(scores, len(scores) - count)[len(scores) - count] if count else np.inf
    few = np.flatnonzero(scores >= bar)
    return few[np.argsort(-scores[few], kind="stable")][:count]
