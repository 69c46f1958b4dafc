"""The Neo4j store: banks as a graph worth looking at (`memory/GRAPH.md`), several processes may write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import uuid4
from weakref import WeakValueDictionary

import numpy as np

from memory_r1.memory.apply import Change, check_vectors, plan, sources, targets
from memory_r1.memory.erased import Erased
from memory_r1.memory.errors import InputError, UnknownBankError, UnknownMemoryError
from memory_r1.memory.ranking import Candidates, Query
from memory_r1.memory.store import NONE, Dump, Part, Source, Store, Vectors
from memory_r1.memory.stores import neo4j_bulk as bulk
from memory_r1.memory.stores import neo4j_erasing as erasing
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_cache import Cache
from memory_r1.memory.stores.neo4j_connection import Connection, Run, listed, paged
from memory_r1.memory.stores.neo4j_reading import (
    all_turns,
    held_bank,
    log_since,
    part_reader,
    some_memories,
    vector_reader,
)
from memory_r1.memory.stores.neo4j_records import (
    Held,
    bank_key,
    bank_state,
    ended_row,
    memory_row,
    number,
    read_bank,
    read_memories,
    read_revisions,
    read_turn,
    revision_row,
    turn_row,
)
from memory_r1.memory.stores.neo4j_schema import ensure, make, slot, vector_index, vector_statement
from memory_r1.memory.stores.neo4j_search import Searcher
from memory_r1.memory.types import Bank, Memory, Receipt, Revision, Turn, Write

T = TypeVar("T")

MAX_DIM = 4096
"""Numbers in a vector that Neo4j's vector index takes."""
_SOME = 1_000


class Neo4jStore(Store):
    """Banks in one Neo4j database, which other applications may use too. Make it by `connect`.

    An instance belongs to the event loop that connected it. Its writes to one bank stand in a queue; writes of other
    processes are held off by the bank's lock.
    """

    kind = "neo4j"

    def __init__(self, connection: Connection, large: int) -> None:
        self._connection = connection
        self._large = large
        self._cache = Cache(large)
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._indexed: set[str] = set()
        self._closed = False

    @classmethod
    async def connect(
        cls, uri: str, user: str = "neo4j", password: str = "", *,
        database: str = "neo4j", large: int = 10_000, patience: float = 30.0,
    ) -> Neo4jStore:  # fmt: skip
        """Connect, make the constraints and indexes that are missing, and clear up after killed processes.

        `large`: live memories above which a bank is searched by the vector index. `patience`: seconds that the
        server has for one call, retries included. Raises InputError (address, user, password, database, a server
        older than 5.26) and StoreUnavailableError; without the extra `neo4j`, importing this module raises
        MissingExtraError.
        """
        connection = await Connection.open(uri, (user, password), database, patience)
        try:
            await ensure(connection)
            await erasing.sweep(connection)
        except BaseException:
            await connection.close()
            raise
        return cls(connection, large)

    @property
    def server(self) -> str:
        """What answers, as "Neo4j 5.26"."""
        return "Neo4j " + ".".join(map(str, self._connection.version))

    async def create(self, bank: str, embedder: str, dim: int, created: datetime) -> Bank:
        if rows := await self._connection.read(lambda run: run(cypher.READ_BANK, bank=bank)):
            return read_bank(rows[0]).bank
        await self._index(slot(dim), dim)
        key = bank_key(bank, uuid4().hex)
        state = {**bank_state(Bank(bank, embedder, dim, created)), "bank_key": key, "slot": slot(dim)}
        rows = await self._connection.write(lambda run: run(cypher.CREATE_BANK, bank=bank, state=state))
        return read_bank(rows[0]).bank

    async def bank(self, bank: str) -> Bank:
        return (await self._connection.read(lambda run: held_bank(run, bank))).bank

    async def banks(self) -> list[Bank]:
        return [read_bank(row).bank for row in await self._connection.read(lambda run: run(cypher.READ_BANKS))]

    async def write(self, bank: str, write: Write, vectors: Vectors) -> Receipt:
        attempts: list[Revision] = []

        async def apply(run: Run) -> Receipt:
            held, done, change = await _planned(run, bank, write, vectors)
            if change is None:
                created = await some_memories(run, held, done.created)
                return Receipt(done, tuple(created), repeated=done not in attempts)
            attempts.append(change.revision)
            await _store(run, held, change, vectors)
            return Receipt(change.revision, change.created)

        return await self._change(bank, apply)

    async def memories(
        self, bank: str, ids: Sequence[str] | None = None, *, revision: int | None = None
    ) -> list[Memory]:
        async def read(run: Run) -> list[Memory]:
            held = await held_bank(run, bank)
            if ids is not None:
                return await some_memories(run, held, ids)
            at = held.bank.revision if revision is None else revision
            return read_memories(await paged(run, cypher.PAGE_LIVE, held.memories, key=held.key, revision=at))

        return await self._connection.read(read)

    async def all_memories(self, bank: str) -> list[Memory]:
        async def read(run: Run) -> list[Memory]:
            held = await held_bank(run, bank)
            return read_memories(await paged(run, cypher.PAGE_MEMORIES, held.memories, key=held.key))

        return await self._connection.read(read)

    async def turns(self, bank: str, ids: Sequence[str] | None = None) -> list[Turn]:
        async def read(run: Run) -> list[Turn]:
            held = await held_bank(run, bank)
            if ids is None:
                return await all_turns(run, held)
            return [read_turn(row) for row in await listed(run, cypher.READ_TURNS, key=held.key, ids=list(ids))]

        return await self._connection.read(read)

    async def log(self, bank: str, since: int = 0) -> list[Revision]:
        async def read(run: Run) -> list[Revision]:
            return await log_since(run, await held_bank(run, bank), since)

        return await self._connection.read(read)

    async def vectors(self, bank: str, ids: Sequence[str]) -> Vectors:
        found: list[Vectors] = []
        for start in range(0, max(len(ids), 1), _SOME):
            found.append(await self._connection.read(vector_reader(bank, ids[start : start + _SOME])))
        return np.concatenate(found)

    async def candidates(self, bank: str, query: Query) -> Candidates:
        async def read(run: Run) -> Candidates:
            held, cached = await self._cache.searched(run, bank)
            if cached is not None:
                return cached.index.candidates(query)
            return await Searcher(run, held, query, self._large, self._connection.version).candidates()

        return await self._connection.read(read)

    async def chosen(self, bank: str, ids: Sequence[str]) -> list[Memory]:
        cached = self._cache.get(bank)
        if cached is not None and all(id in cached.memories for id in ids):
            return [cached.memories[id] for id in ids]
        return await self.memories(bank, ids)

    async def history(self, bank: str, memory: str) -> list[Memory]:
        async def read(run: Run) -> list[Memory]:
            held = await held_bank(run, bank)
            found = await listed(run, cypher.READ_LINEAGE, key=held.key, number=number(memory))
            if not found:
                raise UnknownMemoryError(
                    f"bank {bank!r} has no memory {memory!r}: list them with `memory-r1 memories`", memory=memory
                )
            return read_memories(found)

        return await self._connection.read(read)

    async def replace_vectors(
        self, bank: str, embedder: str, dim: int, vectors: Mapping[str, Vectors], revision: int
    ) -> Bank:
        held = await self._connection.read(lambda run: held_bank(run, bank))
        await self._index(slot(dim, other=held.slot), dim)
        async with self._queue(bank):
            try:
                return await bulk.replace_vectors(self._connection, bank, (embedder, dim), vectors, revision)
            finally:
                self._cache.drop(bank)

    async def erase(self, bank: str, memories: Sequence[str], key: str, recorded: datetime) -> Revision:
        try:
            return await self._change(bank, lambda run: erasing.erase(run, bank, memories, (key, recorded)))
        finally:
            self._cache.drop(bank)

    async def erase_bank(self, bank: str) -> None:
        async with self._queue(bank):
            try:
                await erasing.erase_bank(self._connection, bank)
            finally:
                self._cache.drop(bank)

    async def erased(self) -> list[Erased]:
        return await self._connection.read(erasing.read_erased)

    async def note_erased(self, records: Sequence[Erased]) -> None:
        await self._connection.write(lambda run: erasing.note_erased(run, records))

    async def load(self, source: Dump | Source, *, replace: bool = False) -> Bank:
        given = Source.of(source)
        await self._index(slot(given.bank.dim), given.bank.dim)
        try:
            return await bulk.load(self._connection, given, replace)
        finally:
            self._cache.drop(given.bank.id)

    async def part(self, bank: str, *, turns: range = NONE, memories: range = NONE, log: range = NONE) -> Part:
        return await self._connection.read(part_reader(bank, turns, memories, log))

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._connection.close()

    async def _change(self, bank: str, work: Callable[[Run], Awaitable[T]]) -> T:
        async with self._queue(bank):
            return await self._connection.write(work)

    def _queue(self, bank: str) -> asyncio.Lock:
        """The lock by which writers of this process wait for each other instead of conflicting on the server."""
        return self._queues.setdefault(bank, asyncio.Lock())

    async def _index(self, slot: str, dim: int) -> None:
        """Make the vector index over `slot`, once."""
        if not 1 <= dim <= MAX_DIM:
            raise InputError(f"Neo4j indexes vectors of 1 to {MAX_DIM} numbers, not {dim!r}: take another embedder")
        if vector_index(slot) not in self._indexed:
            await make(self._connection, vector_statement(slot, dim, self._connection.version))
            self._indexed.add(vector_index(slot))


async def _planned(run: Run, bank: str, write: Write, vectors: Vectors) -> tuple[Held, Revision, Change | None]:
    """Lock the bank and plan the write on what it holds; no change when its key was applied before."""
    wanted = dict.fromkeys([*sources(write.operations), *(turn.id for turn in write.turns)])
    numbers = [number(id) for id in targets(write.operations)]
    rows = await run(cypher.LOCK_WRITE, bank=bank, write=write.key, numbers=numbers, ids=list(wanted))
    if not rows:
        raise UnknownBankError.of(bank)
    held = read_bank(rows[0])
    done, memories, turns = rows[0][10:]
    if done:
        return held, read_revisions(done)[0], None
    check_vectors(held.bank, write, vectors)
    stored = {turn.id: turn for turn in map(read_turn, turns)}
    change = plan(held.bank, write, {memory.id: memory for memory in read_memories(memories)}, stored)
    return held, change.revision, change


async def _store(run: Run, held: Held, change: Change, vectors: Vectors) -> None:
    """Write what `change` says. `vectors`: a row for each created memory."""
    first = held.bank.turns + 1
    turns = [turn_row(turn, at, held) for at, turn in enumerate(change.turns, first)]
    base = {"bank": held.bank.id, "state": bank_state(change.bank), "log": [revision_row(change.revision, held)]}
    if not change.created and not change.ended:
        await run(cypher.WRITE_TURNS, turns=turns, **base)
        return
    created = zip(change.created, vectors, strict=True)
    await run(
        cypher.WRITE, turns=turns, slot=held.slot, memories=[memory_row(memory, row, held) for memory, row in created],
        ended=[ended_row(memory) for memory in change.ended], **base,
    )  # fmt: skip


__all__ = ["Neo4jStore"]
