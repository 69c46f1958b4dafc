"""The index of one bank: immutable, shared between versions, exact."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.analysis import analyze, index_text
from memory_r1.memory.lexicon import DATED, NUMBERED, concepts, is_concept
from memory_r1.memory.ranking import Candidates, Floats, Query
from memory_r1.memory.types import Memory

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index keeps of one memory. Make it by `IndexRow.of`.

    `session`, `index`: the place of its newest source turn. `terms`: what a store indexes as text, joined by
    spaces: those of the text, then their concepts. `asks`: its text ends as a question.
    """

    id: str
    speaker: str
    session: str
    index: int
    terms: tuple[str, ...]
    asks: bool = False
    entities: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict[str, int], compare=False, repr=False)

    @classmethod
    def of(cls, memory: Memory) -> IndexRow:
        """The row of `memory`."""
        terms = analyze(index_text(memory.text, memory.speaker, memory.when, memory.recorded))
        names = set(analyze(memory.speaker))
        terms += tuple(concepts(term for term in terms if term not in names))
        if memory.when:
            terms += (DATED,)
        if _DIGIT.search(memory.text):
            terms += (NUMBERED,)
        asks = memory.text.rstrip().endswith("?")
        place = (memory.session, memory.index)
        return cls(memory.id, memory.speaker, *place, terms, asks, memory.entities, Counter(terms))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows side by side: `vectors` (n, dim), `columns` (5, n): session, index, speaker, length in words, asks."""

    rows: tuple[IndexRow, ...]
    ids: tuple[str, ...]
    vectors: Floats
    columns: NDArray[np.int32]

    def joined(self, other: _Part) -> _Part:
        if not self.rows:
            return other
        return _Part(
            self.rows + other.rows,
            self.ids + other.ids,
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.columns, other.columns], axis=1),
        )


_Postings = dict[str, tuple[NDArray[np.intp], Floats]]
"""For each term the positions of the rows that hold it, ascending, and how often each does."""


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """The large, shared part of an index: rows, where each stands, and their postings."""

    part: _Part
    position: dict[str, int]
    postings: _Postings


@dataclass(frozen=True, slots=True, eq=False)
class BankIndex:
    """All live memories of one bank, searchable. Immutable: `changed` gives the next version.

    Versions share the base; each has its own small overlay (rows, and by term their positions and counts) and mask of
    the ended. So a fork costs nothing, a change costs the overlay (at most 128 rows, or up to 1,024 in a bank of 8,192,
    before it becomes part of a new base), and a reader on another thread never sees half a change.
    """

    _base: _Base
    _over: _Part
    _places: dict[str, tuple[list[int], list[int]]]
    _live: NDArray[np.bool_]
    _sessions: dict[str, int]
    _speakers: dict[str, int]
    _ended: int = 0

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
        sessions = _coded(self._sessions, (row.session for row in rows))
        speakers = _coded(self._speakers, (row.speaker for row in rows))
        over = self._over.joined(_part(rows, vectors, sessions, speakers)) if rows else self._over
        gone = [self._position(memory) for memory in ended]
        live = self._live
        if rows or gone:
            live = np.concatenate([live, np.ones(len(rows), dtype=bool)])
            live[gone] = False
        places = _placed(self._places, rows, len(self._live))
        count = len(live) - int(np.count_nonzero(live))
        after = BankIndex(self._base, over, places, live, sessions, speakers, count)
        size = len(self._base.part.rows)
        if len(over.rows) > max(128, min(size // 8, 1024)):
            return after._rebuilt() if count > size // 8 else after._merged()
        return after._rebuilt() if count > max(128, size // 2) else after

    def candidates(self, query: Query) -> Candidates:
        """Every live memory, in order of insertion, as `rank` reads it."""
        base, over = self._base.part, self._over
        dense, columns, ids = base.vectors @ query.vector, base.columns, base.ids
        if over.rows:
            dense = np.concatenate([dense, over.vectors @ query.vector])
            columns = np.concatenate([columns, over.columns], axis=1)
            ids += over.ids
        counts = self._counts(query.terms)
        if self._ended:
            kept = np.flatnonzero(self._live)
            dense, columns, counts = dense[kept], columns[:, kept], counts[:, kept]
            ids = tuple(map(ids.__getitem__, kept.tolist()))
        found = np.count_nonzero(counts, axis=1).astype(np.int32)
        session, index, speaker, length, asks = columns
        return Candidates(
            ids, dense, counts, found, len(ids), length.astype(np.float32), session, index, speaker,
            tuple(self._speakers), asks.astype(np.bool_),
        )  # fmt: skip

    def _counts(self, terms: Sequence[str]) -> Floats:
        """How often each of `terms` occurs in each memory, live or not: (terms, n)."""
        counts = np.zeros((len(terms), len(self._live)), dtype=np.float32)
        for line, term in zip(counts, terms, strict=True):
            for postings in (self._base.postings, self._places):
                if (found := postings.get(term)) is not None:
                    line[found[0]] = found[1]
        return counts

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
    columns = [(sessions[row.session], row.index, speakers[row.speaker], _length(row), row.asks) for row in rows]
    return _Part(
        tuple(rows),
        tuple(row.id for row in rows),
        np.ascontiguousarray(vectors, dtype=np.float32),
        np.ascontiguousarray(np.array(columns, dtype=np.int32).reshape(len(rows), 5).T),
    )


def _length(row: IndexRow) -> int:
    return sum(not is_concept(term) for term in row.terms)


def _placed(
    known: dict[str, tuple[list[int], list[int]]], rows: Sequence[IndexRow], first: int
) -> dict[str, tuple[list[int], list[int]]]:
    """The postings `known` with those of `rows`, which stand from position `first` on; `known` stays as it is."""
    if not rows:
        return known
    found, own = known.copy(), set[str]()
    for at, row in enumerate(rows, first):
        for term, count in row.counts.items():
            if term in own:
                places, counts = found[term]
                places.append(at)
                counts.append(count)
            else:
                places, counts = found.get(term, ((), ()))
                found[term] = [*places, at], [*counts, count]
                own.add(term)
    return found


def _arrays(postings: dict[str, tuple[list[int], list[int]]]) -> _Postings:
    return {
        term: (np.array(places, dtype=np.intp), np.array(counts, dtype=np.float32))
        for term, (places, counts) in postings.items()
    }
