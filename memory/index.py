"""The index of one bank: immutable, shared between versions, exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.analysis import analyze, index_text
from memory_r1.memory.lexicon import DATED, concepts, is_concept
from memory_r1.memory.ranking import Candidates, Floats, Query
from memory_r1.memory.types import Memory


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
        asks = memory.text.rstrip().endswith("?")
        place = (memory.session, memory.index)
        return cls(memory.id, memory.speaker, *place, terms, asks, memory.entities, Counter(terms))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows side by side with their columns; position in one is position in all."""

    rows: tuple[IndexRow, ...]
    vectors: Floats
    length: Floats
    session: NDArray[np.int32]
    index: NDArray[np.int32]
    speaker: NDArray[np.int32]
    asks: NDArray[np.bool_]

    def joined(self, other: _Part) -> _Part:
        if not self.rows:
            return other
        return _Part(
            self.rows + other.rows,
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.length, other.length]),
            np.concatenate([self.session, other.session]),
            np.concatenate([self.index, other.index]),
            np.concatenate([self.speaker, other.speaker]),
            np.concatenate([self.asks, other.asks]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """The large, shared part of an index: rows, and for each term the positions and counts of its rows."""

    part: _Part
    position: dict[str, int]
    postings: dict[str, tuple[NDArray[np.int32], Floats]]


@dataclass(frozen=True, slots=True, eq=False)
class BankIndex:
    """All live memories of one bank, searchable. Immutable: `changed` gives the next version.

    Versions share the base; each has its own small overlay and mask of the ended. So a fork costs nothing, a change
    costs the overlay (at most `max(128, n/8, …)` rows before it is compacted into a new base), and a reader on
    another thread never sees half a change.
    """

    _base: _Base
    _over: _Part
    _live: NDArray[np.bool_]
    _sessions: dict[str, int]
    _speakers: dict[str, int]
    _ended: int = 0

    @classmethod
    def build(cls, rows: Sequence[IndexRow], vectors: Floats) -> BankIndex:
        """The index of `rows`, whose embeddings are `vectors`: (len(rows), dim) float32, unit norm."""
        sessions, speakers = _coded({}, (r.session for r in rows)), _coded({}, (r.speaker for r in rows))
        part = _part(rows, vectors, sessions, speakers)
        base = _Base(part, {row.id: at for at, row in enumerate(rows)}, _postings(rows))
        return cls(base, _part((), vectors[:0], {}, {}), np.ones(len(rows), dtype=bool), sessions, speakers)

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
        after = BankIndex(self._base, over, live, sessions, speakers, len(live) - int(np.count_nonzero(live)))
        size = len(self._base.part.rows)
        if len(over.rows) > max(128, min(size // 8, 1024)) or after._ended > max(128, size // 2):
            return after._compacted()
        return after

    def candidates(self, query: Query) -> Candidates:
        """Every live memory, in order of insertion, as `rank` reads it."""
        part = self._base.part
        everything = part if not self._over.rows else None
        over = self._over
        size = len(part.rows)
        dense = part.vectors @ query.vector
        counts = np.zeros((len(query.terms), len(self._live)), dtype=np.float32)
        for line, term in zip(counts, query.terms, strict=True):
            if (found := self._base.postings.get(term)) is not None:
                line[found[0]] = found[1]
            for at, row in enumerate(over.rows, size):
                if term in row.counts:
                    line[at] = row.counts[term]
        if everything is None:
            dense = np.concatenate([dense, over.vectors @ query.vector])
            columns = [np.concatenate([getattr(part, name), getattr(over, name)]) for name in _COLUMNS]
        else:
            columns = [getattr(part, name) for name in _COLUMNS]
        ids = [row.id for row in part.rows + over.rows]
        if self._ended:
            kept = np.flatnonzero(self._live)
            dense, counts, columns = dense[kept], counts[:, kept], [column[kept] for column in columns]
            ids = [ids[at] for at in kept]
        found = np.count_nonzero(counts, axis=1).astype(np.int32)
        length, session, index, speaker, asks = columns
        return Candidates(
            ids, dense, counts, found, len(ids), length, session, index, speaker, tuple(self._speakers), asks
        )

    def _position(self, memory: str) -> int:
        if (at := self._base.position.get(memory)) is not None and self._live[at]:
            return at
        size = len(self._base.part.rows)
        for at, row in enumerate(self._over.rows, size):
            if row.id == memory and self._live[at]:
                return at
        raise KeyError(memory)

    def _compacted(self) -> BankIndex:
        whole = self._base.part.joined(self._over)
        kept = np.flatnonzero(self._live)
        return BankIndex.build([whole.rows[at] for at in kept], whole.vectors[kept])


_COLUMNS = ("length", "session", "index", "speaker", "asks")


def pool(rows: Sequence[IndexRow], vectors: Floats, query: Query, live: int) -> Candidates:
    """The candidates of a pool that a database preselected, ranked like a whole bank of `live` memories.

    `rows` are distinct: the nearest by vector, by words, and their neighbours. Document frequencies are those of the
    pool, which for all but the commonest terms are the bank's.
    """
    columns = BankIndex.build(rows, vectors).candidates(query)
    return replace(columns, live=max(live, len(rows)))


def _coded(known: dict[str, int], names: Iterable[str]) -> dict[str, int]:
    """`known`, with the next numbers for new names; the same object when there is none."""
    fresh = [name for name in dict.fromkeys(names) if name not in known]
    return known | {name: len(known) + at for at, name in enumerate(fresh)} if fresh else known


def _part(rows: Sequence[IndexRow], vectors: Floats, sessions: dict[str, int], speakers: dict[str, int]) -> _Part:
    if len(rows) != len(vectors):
        raise ValueError(f"{len(rows)!r} rows need as many vectors, not {len(vectors)!r}")
    return _Part(
        tuple(rows),
        np.ascontiguousarray(vectors, dtype=np.float32),
        np.array([sum(not is_concept(term) for term in row.terms) for row in rows], dtype=np.float32),
        np.array([sessions[row.session] for row in rows], dtype=np.int32),
        np.array([row.index for row in rows], dtype=np.int32),
        np.array([speakers[row.speaker] for row in rows], dtype=np.int32),
        np.array([row.asks for row in rows], dtype=bool),
    )


def _postings(rows: Sequence[IndexRow]) -> dict[str, tuple[NDArray[np.int32], Floats]]:
    places: dict[str, list[int]] = {}
    counts: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        for term, count in row.counts.items():
            places.setdefault(term, []).append(at)
            counts.setdefault(term, []).append(count)
    return {
        term: (np.array(found, dtype=np.int32), np.array(counts[term], dtype=np.float32))
        for term, found in places.items()
    }
