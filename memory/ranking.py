"""Ranking: which memories answer a question. Pure, one function for every store.

A store hands over `Candidates` (all live memories of a bank, or a pool that a database preselected); `rank` scores
them by meaning, by words and by what stands next to them; `select` spends the budget per speaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .analysis import analyze, stem
from .lexicon import CONCEPT, concepts

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

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


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A question, ready for the index. Make it by `Query.of`.

    `terms`: its distinct index terms, each followed by its concepts; `vector`: (dim,) float32, unit norm.
    """

    text: str
    terms: tuple[str, ...]
    vector: Floats

    @classmethod
    def of(cls, text: str, vector: Floats) -> Query:
        """The query for `text`, whose embedding is `vector`."""
        terms = [key for term in dict.fromkeys(analyze(text)) for key in (term, *concepts([term]))]
        return cls(text, tuple(terms), vector)


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

    `k1`, `b`: BM25's. `concept`: a match by concept against one by word; `question`: a question word against another.
    `dense`: the nearest vector against the best lexical score. `speaker`: being said by the one speaker named.
    `asks`: taken off a question. `before`, `reply`, `after`, `far`: what a memory inherits of the words of the turn
    before it, the question before it, the turn after it, the turns at distance two. `near`, `second`, `session`: what
    it inherits of the scores of its neighbours, of those at distance two, and of its session's `best`.
    """

    k1: float = 1.2
    b: float = 0.35
    concept: float = 0.8
    question: float = 0.35
    dense: float = 0.1
    speaker: float = 0.45
    asks: float = 0.05
    before: float = 0.4
    reply: float = 0.7
    after: float = 0.3
    far: float = 0.15
    near: float = 0.2
    second: float = 0.15
    session: float = 0.15
    best: int = 5


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
    neighbouring turns and the best of the session. Words and meaning are brought to one scale by their best candidate,
    so it does not matter whether the candidates are a whole bank or a pool.
    """
    if not len(candidates):
        return Ranking(candidates.dense, candidates.dense, candidates.dense, candidates.dense)
    place = _Places.of(candidates, weights)
    named = _named(candidates.speakers, query.terms)
    lexical = _lexical(candidates, query, place, weights, frozenset(named))
    own = _unit(lexical) + weights.dense * _unit(np.maximum(candidates.dense, 0)) - weights.asks * candidates.asks
    if len(codes := set(named.values())) == 1:
        own += weights.speaker * (candidates.speaker == codes.pop())
    context = place.context(own, weights)
    return Ranking(own + context, candidates.dense, lexical, context)


def _lexical(
    candidates: Candidates, query: Query, place: _Places, weights: Weights, named: frozenset[str]
) -> Floats:
    """The BM25 score of every candidate: (n,) float32, by the document frequencies of its own bank.

    A term's score is the best of its own and its concepts'. Names of speakers are no terms unless there is nothing
    else: half of a conversation says them.
    """
    if not query.terms:
        return np.zeros(len(candidates), dtype=np.float32)
    starts = [at for at, term in enumerate(query.terms) if not is_concept(term)]
    heads = [query.terms[at] for at in starts]
    share = np.full(len(query.terms), weights.concept, dtype=np.float32)
    share[starts] = 1.0
    idf = share * np.log1p((candidates.live - candidates.found + 0.5) / (candidates.found + 0.5))
    counts = candidates.counts.copy()
    counts[starts] = place.spread(counts[starts])
    mean = float(candidates.length.mean()) or 1.0
    norm = weights.k1 * (1 - weights.b + weights.b * candidates.length / mean)
    scores = counts / (counts + norm)
    scores *= ((weights.k1 + 1) * idf).astype(np.float32)[:, None]
    worth = [weights.question if head in QUESTION_WORDS else 1.0 for head in heads]
    if any(head not in named for head in heads):
        worth = [0.0 if head in named else value for head, value in zip(heads, worth, strict=True)]
    return np.array(worth, dtype=np.float32) @ np.maximum.reduceat(scores, starts, axis=0)


def is_concept(term: str) -> bool:
    """Whether an index term is a concept, not a word of the text."""
    return term.startswith(CONCEPT) and term[1:2].isalpha()


def _named(speakers: tuple[str, ...], terms: Sequence[str]) -> dict[str, int]:
    """The terms that name a speaker, with his position."""
    names = {term: code for code, name in enumerate(speakers) for term in analyze(name)}
    return {term: names[term] for term in terms if term in names}


def _unit(values: Floats) -> Floats:
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else values


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Candidates in the order of their turns, and what each inherits of the one or two next to it."""

    order: NDArray[np.intp]
    back: NDArray[np.intp]
    session: NDArray[np.int64]
    shares: tuple[tuple[int, Floats, Floats, Floats], ...]

    @classmethod
    def of(cls, candidates: Candidates, weights: Weights) -> _Places:
        key = (candidates.session.astype(np.int64) << 32) + candidates.index
        order = np.argsort(key, kind="stable")
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        key, asks = key[order], candidates.asks[order]
        shares: list[tuple[int, Floats, Floats, Floats]] = []
        for step in (1, 2):
            apart = key[step:] - key[:-step]
            near, far = apart <= 1, apart == 2
            before = np.where(near, np.where(asks[:-step], weights.reply, weights.before), far * weights.far)
            after = np.where(near, weights.after, far * weights.far)
            score = np.where(near, weights.near, far * weights.second)
            shares.append((step, before.astype(np.float32), after.astype(np.float32), score.astype(np.float32)))
        return cls(order, back, key >> 32, tuple(shares))

    def spread(self, counts: Floats) -> Floats:
        """Counts (terms, n) with what each memory inherits of the best of its neighbours."""
        counts = counts[:, self.order]
        best = np.zeros_like(counts)
        for step, before, after, _ in self.shares:
            np.maximum(best[:, step:], counts[:, :-step] * before, out=best[:, step:])
            np.maximum(best[:, :-step], counts[:, step:] * after, out=best[:, :-step])
        counts += best
        return counts[:, self.back]

    def context(self, own: Floats, weights: Weights) -> Floats:
        """What the scores (n,) of its neighbours and of its session's best add to each memory."""
        own = own[self.order]
        gain = np.zeros_like(own)
        for step, _, _, share in self.shares:
            side = np.zeros_like(own)
            side[step:] = own[:-step] * share
            np.maximum(side[:-step], own[step:] * share, out=side[:-step])
            gain += side
        if weights.session:
            bounds = np.flatnonzero(np.diff(self.session, prepend=-1))
            means = [float(np.sort(part)[-weights.best :].mean()) for part in np.split(own, bounds[1:])]
            gain += weights.session * np.repeat(np.array(means, np.float32), np.diff(np.append(bounds, len(own))))
        return gain[self.back]


def select(
    candidates: Candidates, scores: Floats, total: int = 60, per_speaker: int | None = 30
) -> NDArray[np.intp]:
    """Positions of the chosen candidates, best first: at most `total`, at most `per_speaker` of each speaker.

    What speakers with fewer memories leave of `total` is filled with the best of the rest, in the order of the
    scores. `per_speaker=None` takes the `total` best. Equal scores keep the order of the candidates.
    """
    order = np.argsort(-scores, kind="stable")
    if per_speaker is None or len(order) <= total:
        return order[:total]
    chosen = np.zeros(len(order), dtype=bool)
    speaker = candidates.speaker[order]
    for code in range(len(candidates.speakers)):
        chosen[np.flatnonzero(speaker == code)[:per_speaker]] = True
    kept = np.flatnonzero(chosen)[:total]
    rest = np.flatnonzero(~chosen)[: total - len(kept)]
    return order[np.sort(np.concatenate([kept, rest]))]
