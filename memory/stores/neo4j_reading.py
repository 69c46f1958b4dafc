"""Parts of a bank, read in the transaction at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from memory_r1.memory.errors import UnknownBankError, UnknownMemoryError
from memory_r1.memory.store import Part, Vectors
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_connection import Run, listed, paged
from memory_r1.memory.stores.neo4j_records import (
    Held,
    number,
    read_bank,
    read_memories,
    read_revisions,
    read_turn,
    read_vector,
    read_vectors,
)
from memory_r1.memory.types import Memory, Revision, Turn


async def held_bank(run: Run, bank: str) -> Held:
    """The bank's state and key. Raises UnknownBankError."""
    return await _bank(run, cypher.READ_BANK, bank)


async def locked_bank(run: Run, bank: str) -> Held:
    """As `held_bank`, with the bank's lock until the transaction ends."""
    return await _bank(run, cypher.LOCK_BANK, bank)


async def _bank(run: Run, statement: str, bank: str) -> Held:
    rows = await run(statement, bank=bank)
    if not rows:
        raise UnknownBankError.of(bank)
    return read_bank(rows[0])


async def some_memories(run: Run, held: Held, ids: Sequence[str]) -> list[Memory]:
    """Those of `ids` that exist, by number."""
    return read_memories(await listed(run, cypher.READ_MEMORIES, key=held.key, numbers=[number(id) for id in ids]))


async def all_turns(run: Run, held: Held) -> list[Turn]:
    """Every turn, in the order of recording."""
    return [read_turn(row) for row in await paged(run, cypher.PAGE_TURNS, held.turns, key=held.key)]


async def log_since(run: Run, held: Held, since: int = 0) -> list[Revision]:
    """The revisions after `since`, oldest first."""
    return read_revisions(await paged(run, cypher.PAGE_LOG, held.log(since), key=held.key))


def vector_reader(bank: str, ids: Sequence[str]) -> Callable[[Run], Awaitable[Vectors]]:
    """What reads a row for each of `ids`; raises UnknownMemoryError."""

    async def read(run: Run) -> Vectors:
        held = await held_bank(run, bank)
        numbers = [number(id) for id in ids]
        rows = await listed(run, cypher.READ_VECTORS, key=held.key, slot=held.slot, numbers=numbers)
        found, missing = read_vectors(rows, ids, held.bank.dim)
        if missing:
            raise UnknownMemoryError(f"bank {bank!r} has no memory {missing[0]!r}", memory=missing[0])
        return found

    return read


def part_reader(bank: str, turns: range, memories: range, log: range) -> Callable[[Run], Awaitable[Part]]:
    """What reads the turns, memories and log entries of these numbers."""

    async def read(run: Run) -> Part:
        held = await held_bank(run, bank)
        rows = await paged(run, cypher.PAGE_VECTORS, memories, key=held.key, slot=held.slot)
        rows.sort(key=lambda row: row[0])
        vectors = np.zeros((len(rows), held.bank.dim), dtype=np.float32)
        for line, row in zip(vectors, rows, strict=True):
            read_vector(line, row[-1], f"m{row[0]}")
        said = [read_turn(row) for row in await paged(run, cypher.PAGE_TURNS, turns, key=held.key)]
        entries = read_revisions(await paged(run, cypher.PAGE_LOG, log, key=held.key))
        return Part(tuple(said), tuple(read_memories(rows)), vectors, tuple(entries))

    return read
