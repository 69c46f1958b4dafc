"""The index of one bank: immutable, shared between versions, exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.index_row import IndexRow
from memory_r1.memory.layout import Column, Floats, Ints, Layout
from memory_r1.memory.lexicon import CONCEPT
from memory_r1.memory.ranking import Candidates, Query


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows side by side: `vectors` (n, dim), `columns` (5, n) of `Column`."""

    rows: tuple[IndexRow, ...]
    ids: tuple[str, ...]
    vectors: Floats
    columns: Ints

    def joined(self, other: _Part) -> _Part:
        if not self.rows or not other.rows:
            return self if self.rows else other
        return _Part(
            self.rows + other.rows,
            self.ids + other.ids,
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.columns, other.columns], axis=1),
        )


_Postings = dict[str, tuple[NDArray[np.intp], Floats]]
"""For each term the positions of the rows that hold it, ascending, and how often each does."""
_Places = dict[str, list[tuple[int, int]]]
"""The same in pairs: quick to extend, slow to read. A list that a version holds does not change any more."""
_Question = tuple[tuple[str, ...], bytes]
"""A query's terms, and its vector."""
_Found = tuple[Floats, Floats, list[int]]
"""By row the cosine; by term and row how often it occurs; by term in how many rows. Not to be changed."""
_SHARED, _ASKED = 2_048, 8
"""Up to so many rows, the findings of so many questions are kept."""
_FEW = 16
"""Up to so many pairs are read one by one."""
_LIVE = np.ones(128, dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """The large, shared part of an index: rows, where each stands, and their postings.

    `asked`: what the last questions found in it, the newest first. Forks of one bank are asked the same questions.
    """

    part: _Part
    position: dict[str, int]
    postings: _Postings
    asked: list[tuple[_Question, _Found]] = field(default_factory=list["tuple[_Question, _Found]"])

    def found(self, query: Query) -> _Found:
        """What `query` finds in these rows, live or not."""
        question = (query.terms, query.vector.tobytes())
        for other, found in self.asked:
            if other == question:
                return found
        size = len(self.part.rows)
        counts, rows = np.zeros((len(query.terms), size), dtype=np.float32), [0] * len(query.terms)
        for at, term in enumerate(query.terms):
            if term in self.postings:
                places, often = self.postings[term]
                counts[at][places] = often
                rows[at] = len(places)
        found = (self.part.vectors @ query.vector, counts, rows)
        if size <= _SHARED:
            self.asked[:] = [(question, found), *self.asked[: _ASKED - 1]]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class BankIndex:
    """All live memories of one bank, searchable. Immutable: `changed` gives the next version.

    Versions share the base; each has its own small overlay (rows, and by term their positions and counts) and mask of
    the ended, and lays itself out for ranking when it is first searched, from the layout of the version before if there
    is one. So a fork costs nothing, a change costs the overlay (at most 128 rows, or up to 1,024 in a bank of 8,192,
    before it becomes part of a new base), and a reader on another thread never sees half a change.
    """

    _base: _Base
    _over: _Part
    _places: _Places
    _live: NDArray[np.bool_]
    _sessions: dict[str, int]
    _speakers: dict[str, int]
    _ended: int = 0
    _laid: list[tuple[Layout, int]] = field(default_factory=list[tuple[Layout, int]])
    """At most one: a layout, and how many of the newest rows it lacks."""

    @classmethod
    def build(cls, rows: Sequence[IndexRow], vectors: Floats) -> BankIndex:
        """The index of `rows`, whose embeddings are `vectors`: (len(rows), dim) float32, unit norm."""
        sessions, speakers = _coded({}, (r.session for r in rows)), _coded({}, (r.speaker for r in rows))
        part = _part(rows, vectors, sessions, speakers)
        base = _Base(part, {row.id: at for at, row in enumerate(rows)}, _arrays(_placed({}, rows, 0)))
        return cls(base, _part((), vectors[:0], {}, {}), {}, np.ones(len(rows), dtype=bool), sessions, speakers)

    def __len__(self) -> int:
        return len(self._live) - self._ended

    @property
    def dim(self) -> int:
        """The length of its vectors."""
        return int(self._base.part.vectors.shape[1])

    def changed(self, rows: Sequence[IndexRow], vectors: Floats, ended: Iterable[str] = ()) -> BankIndex:
        """The next version: with `rows` (their embeddings: (len(rows), dim) float32) and without the ids `ended`.

        Raises KeyError for an ended id that the index does not hold.
        """
        sessions = _coded(self._sessions, [row.session for row in rows])
        speakers = _coded(self._speakers, [row.speaker for row in rows])
        part = _part(rows, vectors, sessions, speakers)
        over, live = self._over.joined(part), self._live
        gone = [self._position(memory) for memory in ended]
        if rows or gone:
            fresh = _LIVE[: len(rows)] if len(rows) < len(_LIVE) else np.ones(len(rows), dtype=np.bool_)
            live = np.concatenate([live, fresh])
        if gone:
            live[gone] = False
        places = _placed(self._places, rows, len(self._live))
        count = self._ended + len(set(gone))
        after = BankIndex(self._base, over, places, live, sessions, speakers, count, self._handed(len(rows), count))
        size = len(self._base.part.rows)
        if len(over.rows) > max(128, min(size // 8, 1024)):
            return after._rebuilt() if count > size // 8 else after._merged()
        return after._rebuilt() if count > max(128, size // 2) else after

    def candidates(self, query: Query) -> Candidates:
        """Every live memory, in order of insertion, as `rank` reads it."""
        dense, counts, found = self._base.found(query)
        if self._over.rows:
            dense = np.concatenate([dense, self._over.vectors @ query.vector])
            counts, found = self._counts(query.terms, counts, found)
        if self._ended:
            kept = np.flatnonzero(self._live)
            dense, counts = dense[kept], counts.take(kept, axis=1)
            found = np.count_nonzero(counts, axis=1)
        layout = self._layout()
        return Candidates(layout, dense, counts, np.array(found, dtype=np.int32), len(layout))

    def _counts(self, terms: Sequence[str], counted: Floats, found: Sequence[int]) -> tuple[Floats, list[int]]:
        """How often each of `terms` occurs in each memory, and in how many it does, from what the base tells."""
        size = counted.shape[1]
        counts, rows = np.zeros((len(terms), len(self._live)), dtype=np.float32), list(found)
        counts[:, :size] = counted
        for at, term in enumerate(terms):
            if term in self._places:
                pairs = self._places[term]
                rows[at] += len(pairs)
                if len(pairs) > _FEW:
                    places, often = np.array(pairs).T
                    counts[at][places] = often
                    continue
                for place, count in pairs:
                    counts[at, place] = count
        return counts, rows

    def _layout(self) -> Layout:
        """The layout of the live memories; made once."""
        if self._laid:
            layout, lacking = self._laid[0]
            if not lacking:
                return layout
            more = layout.extended(self._over.ids[-lacking:], self._over.columns[:, -lacking:], self._speakers)
        else:
            more = None
        layout = self._laid_out() if more is None else more
        self._laid[:] = [(layout, 0)]
        return layout

    def _laid_out(self) -> Layout:
        base, over = self._base.part, self._over
        columns, ids = base.columns, base.ids
        if over.rows:
            columns, ids = np.concatenate([columns, over.columns], axis=1), ids + over.ids
        if self._ended:
            kept = np.flatnonzero(self._live)
            columns, ids = columns.take(kept, axis=1), tuple(map(ids.__getitem__, kept.tolist()))
        return Layout.of(ids, columns, self._speakers)

    def _handed(self, rows: int, ended: int) -> list[tuple[Layout, int]]:
        """What the next version, with so many more `rows` and so many `ended`, starts its layout from."""
        if ended != self._ended:
            return []
        if not self._over.rows and not self._ended:
            self._layout()
        return [(layout, lacking + rows) for layout, lacking in self._laid]

    def _position(self, memory: str) -> int:
        if (at := self._base.position.get(memory)) is not None and self._live[at]:
            return at
        size = len(self._base.part.rows)
        for at, row in enumerate(self._over.rows, size):
            if row.id == memory and self._live[at]:
                return at
        raise KeyError(memory)

    def _merged(self) -> BankIndex:
        """The same, with the overlay as part of the base; those that ended stay masked."""
        base = self._base
        part = base.part.joined(self._over)
        position = base.position | {row.id: at for at, row in enumerate(self._over.rows, len(base.position))}
        postings = base.postings.copy()
        for term, (places, counts) in _arrays(self._places).items():
            old = postings.get(term)
            postings[term] = (
                (places, counts)
                if old is None
                else (np.concatenate([old[0], places]), np.concatenate([old[1], counts]))
            )
        empty = _part((), part.vectors[:0], {}, {})
        merged = _Base(part, position, postings)
        return BankIndex(merged, empty, {}, self._live, self._sessions, self._speakers, self._ended)

    def _rebuilt(self) -> BankIndex:
        """The same, without what is left of those that ended."""
        whole = self._base.part.joined(self._over)
        kept = np.flatnonzero(self._live)
        return BankIndex.build([whole.rows[at] for at in kept], whole.vectors[kept])


def pool(rows: Sequence[IndexRow], vectors: Floats, query: Query, live: int) -> Candidates:
    """The candidates of a pool that a database preselected, ranked like a whole bank of `live` memories.

    `rows` are distinct: the nearest by vector, by words, and their neighbours. Document frequencies are those of the
    pool, which for all but the commonest terms are the bank's.
    """
    sessions, speakers = _coded({}, (r.session for r in rows)), _coded({}, (r.speaker for r in rows))
    part = _part(rows, vectors, sessions, speakers)
    base = _Base(_part((), vectors[:0], {}, {}), {}, {})
    live_rows = np.ones(len(rows), dtype=bool)
    columns = BankIndex(base, part, _placed({}, rows, 0), live_rows, sessions, speakers).candidates(query)
    return replace(columns, live=max(live, len(rows)))


def _coded(known: dict[str, int], names: Iterable[str]) -> dict[str, int]:
    """`known`, with the next numbers for new names; the same object when there is none."""
    fresh = [name for name in dict.fromkeys(names) if name not in known]
    return known | {name: len(known) + at for at, name in enumerate(fresh)} if fresh else known


def _part(rows: Sequence[IndexRow], vectors: Floats, sessions: dict[str, int], speakers: dict[str, int]) -> _Part:
    if len(rows) != len(vectors):
        raise ValueError(f"{len(rows)!r} rows need as many vectors, not {len(vectors)!r}")
    columns: list[Column] = [
        (sessions[row.session], row.index, speakers[row.speaker], _length(row), row.asks) for row in rows
    ]
    return _Part(
        tuple(rows),
        tuple([row.id for row in rows]),
        np.ascontiguousarray(vectors, dtype=np.float32),
        np.ascontiguousarray(np.array(columns, dtype=np.int32).reshape(len(rows), 5).T),
    )


def _length(row: IndexRow) -> int:
    return len([term for term in row.terms if term[0] != CONCEPT or term == CONCEPT])


def _placed(known: _Places, rows: Sequence[IndexRow], first: int) -> _Places:
    """The postings `known` with those of `rows`, which stand from position `first` on; `known` stays as it is."""
    if not rows:
        return known
    found, own = known.copy(), set[str]()
    for at, row in enumerate(rows, first):
        for term, count in row.counts.items():
            if term in own:
                found[term].append((at, count))
            else:
                found[term] = [*found[term], (at, count)] if term in found else [(at, count)]
                own.add(term)
    return found


def _arrays(postings: _Places) -> _Postings:
    return {
        term: (
            np.array([place for place, _ in pairs], dtype=np.intp),
            np.array([count for _, count in pairs], dtype=np.float32),
        )
        for term, pairs in postings.items()
    }
