"""What ranking reads of memories whatever is asked: who said them, where they stand, what neighbours pass on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

Column = tuple[int, int, int, int, int]
"""Of one memory: session and index of its newest turn, who said it, its length in terms, whether it asks."""


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


_LENGTH, _LOSS, _SPEAKER, _AHEAD, _BACK, _NEAR, _SECOND = range(7)
"""The lines of `Layout.lines`."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Memories in order of insertion, as ranking reads them. Make it by `Layout.of`.

    `ids`; `parts`: their columns, each (5, n of them) of `Column`; `speakers` by code; `order` sorts them by their
    turns, None when they stand so; `total`: the sum of their lengths.
    `lines` (7, n) by `weights`. In order of insertion: the length of each, what it loses by asking, who said it. In the
    order of turns: what it passes of its words to the one after and back to the one before; what passes of the scores
    between it and the one before, and the second before.
    """

    ids: tuple[str, ...]
    parts: tuple[Ints, ...]
    speakers: tuple[str, ...]
    lines: Floats
    order: NDArray[np.intp] | None
    total: int
    weights: Weights
    tail: list[list[int]]

    @classmethod
    def of(cls, ids: tuple[str, ...], columns: Ints, speakers: Iterable[str], weights: Weights = DEFAULT) -> Layout:
        """The layout of n memories by their `columns`: (5, n) int32."""
        session, index, speaker, length, asks = columns
        key, order = (session.astype(np.int64) << 32) + index, None
        lines = np.zeros((7, len(ids)), dtype=np.float32)
        lines[_LENGTH], lines[_LOSS], lines[_SPEAKER] = length, np.float32(-weights.asks) * asks, speaker
        if bool((key[1:] < key[:-1]).any()):
            order = np.argsort(key, kind="stable")
            key, asks = key[order], asks[order]
        one, far = key[1:] - key[:-1], np.float32(weights.second)
        near = (one <= 1).astype(np.float32)
        lines[_AHEAD, :-1] = np.where(asks[:-1], np.float32(weights.reply), np.float32(weights.before)) * near
        lines[_BACK, 1:] = weights.after * near
        lines[_NEAR, 1:] = weights.near * near + far * (one == 2)
        lines[_SECOND, 2:] = far * (key[2:] - key[:-2] <= 2)
        tail: list[list[int]] = columns[:, -2:].T.tolist()
        return cls(ids, (columns,), tuple(speakers), lines, order, int(length.sum()), weights, tail)

    def extended(self, ids: tuple[str, ...], columns: Ints, speakers: Iterable[str], few: int = 8) -> Layout | None:
        """The layout with more memories after these; None when they are not `few`, or not later in order of turns."""
        if self.order is not None or len(ids) > few or len(self.tail) < 2:
            return None
        rows: list[list[int]] = self.tail + columns.T.tolist()
        keys = [(row[0] << 32) + row[1] for row in rows]
        w, made, ahead = self.weights, list[tuple[float, ...]](), list[float]()
        for at in range(2, len(rows)):
            gap, (_, _, speaker, length, asks) = keys[at] - keys[at - 1], rows[at]
            if gap < 0:
                return None
            ahead.append(0.0 if gap > 1 else w.reply if rows[at - 1][4] else w.before)
            near = w.near if gap <= 1 else w.second if gap == 2 else 0.0
            second = w.second if keys[at] - keys[at - 2] <= 2 else 0.0
            loss = -w.asks if asks else 0.0
            made.append((length, loss, speaker, 0.0, w.after if gap <= 1 else 0.0, near, second))
        lines = np.concatenate([self.lines, np.array(made, dtype=np.float32).T], axis=1)
        lines[_AHEAD, len(self) - 1 : -1] = ahead
        total = self.total + sum([row[3] for row in rows[2:]])
        return Layout(self.ids + ids, (*self.parts, columns), tuple(speakers), lines, None, total, w, rows[-2:])

    def weighed(self, weights: Weights) -> Layout:
        """The same by other weights."""
        return self if weights is self.weights else Layout.of(self.ids, self.columns, self.speakers, weights)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def columns(self) -> Ints:
        """(5, n) of `Column`."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts, axis=1)

    @property
    def loss(self) -> Floats:
        """(n,) what each memory loses by asking: 0 or less."""
        return self.lines[_LOSS]

    @property
    def speaker(self) -> Floats:
        """(n,) whose memory it is: the position in `speakers`."""
        return self.lines[_SPEAKER]

    def norm(self) -> Floats:
        """(n,) what BM25 adds to a count for the length of each memory."""
        mean = float(np.float32(self.total / len(self.ids))) or 1.0
        out = self.lines[_LENGTH] * (self.weights.k1 * self.weights.b / mean)
        out += self.weights.k1 * (1 - self.weights.b)
        return out

    def inherited(self, counts: Floats) -> Floats:
        """How many of the words of its neighbours count for each memory: (terms, n), of counts (terms, n)."""
        if self.order is not None:
            counts = counts.take(self.order, axis=1)
        # The last memory passes nothing on and the first nothing back, so all lines of `counts` are shifted as one.
        ahead, back = (counts * self.lines[_AHEAD]).ravel(), (counts * self.lines[_BACK]).ravel()
        flat = np.zeros(counts.size, dtype=np.float32)
        if len(flat) > 1:
            np.maximum(ahead[:-2], back[2:], out=flat[1:-1])
            flat[0], flat[-1] = back[1], ahead[-2]
        best = flat.reshape(counts.shape)
        return best if self.order is None else _back(best, self.order)

    def context(self, own: Floats) -> Floats:
        """What the better neighbour at each distance adds to each memory's score: (n,)."""
        if self.order is not None:
            own = own[self.order]
        gain = np.zeros(len(own), dtype=np.float32)
        side = np.empty(len(own), dtype=np.float32)
        for step, line in ((1, _NEAR), (2, _SECOND)):
            share = self.lines[line, step:]
            side[:step] = 0
            np.multiply(own[:-step], share, out=side[step:])
            np.maximum(side[:-step], own[step:] * share, out=side[:-step])
            gain += side
        return gain if self.order is None else _back(gain, self.order)


def _back(values: Floats, order: NDArray[np.intp]) -> Floats:
    out = np.empty_like(values)
    out[..., order] = values
    return out
