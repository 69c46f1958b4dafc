"""Ranking: which memories answer a question. Pure, one function for every store.

A store hands over `Candidates` (all live memories of a bank, or a pool that a database preselected); `rank` scores
them by meaning, by words and by what stands next to them; `select` spends the budget per speaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .analysis import analyze

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A question, ready for the index. `vector`: (dim,) float32, unit norm. Make it by `Query.of`."""

    text: str
    terms: tuple[str, ...]
    vector: Floats

    @classmethod
    def of(cls, text: str, vector: Floats) -> Query:
        """The query for `text`, whose embedding is `vector`."""
        return cls(text, tuple(dict.fromkeys(analyze(text))), vector)


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
    """How much each part of the score counts. Tuned on LoCoMo's conv-26 and conv-30."""

    k1: float = 1.2
    b: float = 0.5
    dense: float = 0.3
    near: float = 0.5
    far: float = 0.25
    session: float = 0.3
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
    """Score every candidate for `query`."""
    lexical = bm25(candidates, weights)
    own = _unit(lexical) + weights.dense * _unit(np.maximum(candidates.dense, 0))
    context = _context(candidates, own, weights)
    return Ranking(own + context, candidates.dense, lexical, context)


def bm25(candidates: Candidates, weights: Weights = DEFAULT) -> Floats:
    """BM25 of every candidate: (n,) float32, by the document frequencies of its own bank."""
    if not len(candidates) or not len(candidates.found):
        return np.zeros(len(candidates), dtype=np.float32)
    idf = np.log1p((candidates.live - candidates.found + 0.5) / (candidates.found + 0.5)).astype(np.float32)
    mean = float(candidates.length.mean()) or 1.0
    norm = weights.k1 * (1 - weights.b + weights.b * candidates.length / mean)
    return idf @ (candidates.counts * (weights.k1 + 1) / (candidates.counts + norm))


def _unit(values: Floats) -> Floats:
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else values


def _context(candidates: Candidates, own: Floats, weights: Weights) -> Floats:
    """What the neighbours in a memory's session add: the better of each distance, and the session's mean."""
    if not len(own):
        return own
    key = candidates.session.astype(np.int64) * (1 << 32) + candidates.index
    order = np.argsort(key, kind="stable")
    placed, scored = key[order], own[order]
    gain = np.zeros_like(own)
    for step in (1, 2):
        distance = placed[step:] - placed[:-step]
        share = np.where(distance <= 1, weights.near, np.where(distance == 2, weights.far, 0)).astype(np.float32)
        side = np.zeros((2, len(own)), dtype=np.float32)
        side[0, step:] = share * scored[:-step]
        side[1, :-step] = share * scored[step:]
        gain += side.max(axis=0)
    bounds = np.flatnonzero(np.r_[True, (placed[1:] >> 32) != (placed[:-1] >> 32)])
    means = [np.sort(part)[-weights.best :].mean() for part in np.split(scored, bounds[1:])]
    gain += weights.session * np.repeat(np.array(means, np.float32), np.diff(np.r_[bounds, len(own)]))
    out = np.empty_like(own)
    out[order] = gain
    return out


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
