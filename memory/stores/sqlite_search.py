"""Search in the SQLite store: an index in this process for each bank in use, or a pool for a large bank."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from memory_r1.memory.apply import Change
from memory_r1.memory.errors import CorruptStoreError
from memory_r1.memory.index import BankIndex, IndexRow, pool
from memory_r1.memory.ranking import Candidates, Query, best
from memory_r1.memory.store import Vectors
from memory_r1.memory.stores import sqlite_rows as rows
from memory_r1.memory.types import Bank, Hit, Memory

POOL = 300
"""Candidates that each channel (vectors, words) brings into the pool of a large bank."""
SEEDS = 60
"""How many of a pool bring their neighbours (two turns to each side)."""
CACHED = 200_000
"""Memories whose indexes are kept in this process; the bank used longest ago goes first."""


@dataclass(slots=True)
class _Cached:
    """What is known of one bank at a revision: index and memories, by id; of a large bank numbers and vectors alone."""

    state: Bank
    index: BankIndex | None = None
    memories: dict[str, Memory] = field(default_factory=dict[str, Memory])
    numbers: list[int] | None = None
    vectors: Vectors | None = None


class Searcher:
    """Finds candidates in one file. Not for two threads at a time; reads inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, large: int) -> None:
        self._db = db
        self._large = large
        self._cache: OrderedDict[int, _Cached] = OrderedDict()

    def candidates(self, key: int, state: Bank, query: Query) -> Candidates:
        """The candidates of the bank with this key, whose state is `state`."""
        cached = self._current(key, state)
        if cached.index is not None:
            return cached.index.candidates(query)
        return self._pool(key, cached, query)

    def search(self, key: int, state: Bank, query: Query, total: int, per_speaker: int | None) -> list[Hit]:
        """The hits in the bank with this key, whose state is `state`."""
        found = best(self.candidates(key, state, query), query, total, per_speaker)
        held = self._cache[key].memories
        if any(id not in held for id in found.ids):
            held = {memory.id: memory for memory in rows.fetch_memories(self._run, key, found.ids)}
        return found.hits(map(held.__getitem__, found.ids))

    def follow(self, key: int, before: Bank, change: Change, vectors: Vectors) -> None:
        """Take in what this process has just written, instead of reading it back."""
        cached = self._cache.get(key)
        if cached is not None and cached.state == before and cached.index is not None:
            self._cache[key] = _followed(cached, change.bank, change.created, vectors, [m.id for m in change.ended])

    def drop(self, key: int) -> None:
        """Forget what is cached of a bank."""
        self._cache.pop(key, None)

    def _run(self, query: str, *values: object) -> list[rows.Row]:
        return self._db.execute(query, values).fetchall()

    def _current(self, key: int, state: Bank) -> _Cached:
        cached = self._cache.pop(key, None)
        same = cached is not None and (cached.state.embedder, cached.state.created) == (state.embedder, state.created)
        if cached is None or not same or cached.state.revision > state.revision:
            cached = self._read(key, state)
        elif cached.state.revision < state.revision:
            cached = self._catch_up(key, cached, state)
        self._cache[key] = cached
        held = sum(other.state.live for other in self._cache.values())
        while held > CACHED and len(self._cache) > 1:
            held -= self._cache.popitem(last=False)[1].state.live
        return cached

    def _read(self, key: int, state: Bank) -> _Cached:
        if state.live > self._large:
            query = "SELECT number, vector FROM memory WHERE bank = ? AND died IS NULL ORDER BY number"
            found = self._db.execute(query, (key,)).fetchall()
            vectors = rows.read_vectors([row[1] for row in found], state.dim)
            _check_count(state, len(found))
            return _Cached(state, numbers=[row[0] for row in found], vectors=vectors)
        memories, vectors = self._live(key, state, "died IS NULL ORDER BY number")
        _check_count(state, len(memories))
        index = BankIndex.build([IndexRow.of(m) for m in memories], vectors)
        return _Cached(state, index, {m.id: m for m in memories})

    def _catch_up(self, key: int, cached: _Cached, state: Bank) -> _Cached:
        """The index after what was logged since: costs what was written, not what is stored."""
        if cached.index is None or state.live > self._large:
            return self._read(key, state)
        since = cached.state.revision
        memories, vectors = self._live(key, state, f"died IS NULL AND born > {since} ORDER BY number")
        query = "SELECT number FROM memory WHERE bank = ? AND died > ? AND born <= ?"
        ended = [f"m{row[0]}" for row in self._db.execute(query, (key, since, since))]
        after = _followed(cached, state, memories, vectors, ended)
        return self._read(key, state) if len(after.memories) != state.live else after

    def _live(self, key: int, state: Bank, where: str) -> tuple[list[Memory], Vectors]:
        query = f"SELECT {rows.MEMORY}, vector FROM memory WHERE bank = ? AND {where}"
        found = self._db.execute(query, (key,)).fetchall()
        return [rows.read_memory(row[:-1]) for row in found], rows.read_vectors([row[-1] for row in found], state.dim)

    def _pool(self, key: int, cached: _Cached, query: Query) -> Candidates:
        chosen = dict.fromkeys(self._nearest(cached, query))
        chosen.update(dict.fromkeys(self._matching(key, query)))
        chosen.update(dict.fromkeys(self._neighbours(key, list(chosen)[:SEEDS])))
        columns = f"SELECT {rows.MEMORY}, vector FROM memory WHERE bank = {key} AND died IS NULL AND number"
        found = rows.fetch(self._run, columns, list(chosen))
        found.sort(key=lambda row: row[0])
        memories = [rows.read_memory(row[:-1]) for row in found]
        vectors = rows.read_vectors([row[-1] for row in found], cached.state.dim)
        return pool([IndexRow.of(m) for m in memories], vectors, query, cached.state.live)

    def _nearest(self, cached: _Cached, query: Query) -> list[int]:
        if cached.vectors is None or not cached.numbers:
            return []
        similar = cached.vectors @ query.vector
        few = min(POOL, len(similar))
        best = np.argpartition(-similar, few - 1)[:few]
        return [cached.numbers[i] for i in best[np.argsort(-similar[best], kind="stable")]]

    def _matching(self, key: int, query: Query) -> list[int]:
        if not query.terms:
            return []
        either = " OR ".join(f'"{term}"' for term in query.terms)
        match = f"owner:{rows.owner(key)} AND terms:({either})"
        best = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, 0.0, 1.0) LIMIT ?"
        found = self._db.execute(f"SELECT number FROM memory WHERE key IN ({best})", (match, POOL))
        return [row[0] for row in found]

    def _neighbours(self, key: int, numbers: list[int]) -> list[int]:
        near = (
            "SELECT near.number FROM memory AS seed JOIN memory AS near ON near.bank = seed.bank "
            "AND near.session = seed.session AND near.idx BETWEEN seed.idx - 2 AND seed.idx + 2 "
            f"WHERE near.died IS NULL AND seed.bank = {key} AND seed.number"
        )
        found = rows.fetch(self._run, near, numbers)
        return [row[0] for row in found]


def _followed(
    cached: _Cached, state: Bank, created: Sequence[Memory], vectors: Vectors, ended: Sequence[str]
) -> _Cached:
    """What is known of the bank in its next state. Takes over the memories of `cached`, which ends with it."""
    assert cached.index is not None
    index = cached.index
    if created or ended:
        index = index.changed([IndexRow.of(m) for m in created], vectors, ended)
    cached.memories.update((memory.id, memory) for memory in created)
    for id in ended:
        del cached.memories[id]
    return _Cached(state, index, cached.memories)


def _check_count(state: Bank, found: int) -> None:
    if found != state.live:
        raise CorruptStoreError(
            f"bank {state.id!r} holds {found} live memories, not the {state.live} that it counts: restore the file "
            f"from a copy or an export"
        )
