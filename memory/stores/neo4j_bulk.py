"""Work on whole banks, in batches that a small server's heap holds, yet all or nothing for every reader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace as changed
from itertools import islice
from typing import TypeVar
from uuid import uuid4

from memory_r1.memory.errors import ConflictError, StoreError, UnknownBankError
from memory_r1.memory.store import Source, Vectors, check_replacement, exists
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_connection import Connection, Rows, Run, paged
from memory_r1.memory.stores.neo4j_erasing import BATCH, sweep, until_none
from memory_r1.memory.stores.neo4j_records import (
    Held,
    Properties,
    bank_key,
    bank_state,
    ended_row,
    memory_row,
    number,
    read_bank,
    revision_row,
    sent,
    turn_row,
)
from memory_r1.memory.stores.neo4j_schema import slot
from memory_r1.memory.types import Bank

T = TypeVar("T")


async def load(connection: Connection, source: Source, replace: bool) -> Bank:
    """Store the bank under a key that nobody reads, then publish it in one transaction.

    Without `replace`, raises ConflictError when the bank exists, or comes to exist meanwhile.
    """
    bank = source.bank
    held = Held(bank, bank_key(bank.id, uuid4().hex), slot(bank.dim))
    if not replace and await connection.read(lambda run: run(cypher.READ_BANK, bank=bank.id)):
        raise exists(bank.id)
    await connection.write(lambda run: run(cypher.LOAD_BEGIN, key=held.key, bank=bank.id))
    try:
        for step, (statement, rows) in enumerate(_steps(source, held), 1):
            await connection.write(_step(statement, {**rows, "key": held.key, "slot": held.slot, "step": step}))
        published = await connection.write(_publish(held, replace))
    except BaseException:
        with suppress(StoreError):
            await connection.write(lambda run: run(cypher.DISCARD_LOAD, key=held.key))
            await sweep(connection)
        raise
    if replace:
        await sweep(connection)
    return published


async def replace_vectors(
    connection: Connection, bank: str, state: tuple[str, int], vectors: Mapping[str, Vectors], revision: int
) -> Bank:
    """Stage the vectors beside the old ones, then switch in one transaction. `state`: the new embedder and dim.

    Raises ConflictError when the bank was written to meanwhile, or another process embeds it too.
    """
    token = uuid4().hex
    embedder, dim = state
    begun = await connection.write(lambda run: run(cypher.STAGE_BEGIN, bank=bank, token=token))
    if not begun:
        raise UnknownBankError.of(bank)
    before = read_bank(begun[0])
    after = slot(dim, other=before.slot)
    try:
        for part in _batches(vectors.items()):
            rows = [{"number": number(id), "vector": sent(row)} for id, row in part]
            await _stage(connection, bank, token, {"slot": after, "rows": rows})

        async def switch(run: Run) -> Bank:
            locked = await run(cypher.STAGE_LOCK, bank=bank, token=token)
            if not locked:
                return await _switched(run, bank, embedder, after)
            held = read_bank(locked[0])
            numbers = await paged(run, cypher.PAGE_NUMBERS, held.memories, key=held.key)
            every = {f"m{number}" for number in numbers}
            check_replacement(held.bank, every, vectors, revision)
            new = changed(held.bank, embedder=embedder, dim=dim)
            await run(cypher.STAGE_SWITCH, bank=bank, state={**bank_state(new), "slot": after})
            return new

        found = await connection.write(switch)
    except ConflictError:
        with suppress(StoreError):
            await until_none(connection, cypher.STAGE_CLEAN, bank=bank, token=token, slot=after, limit=BATCH)
        raise
    await until_none(connection, cypher.STAGE_CLEAN, bank=bank, token=token, slot=before.slot, limit=BATCH)
    return found


async def _stage(connection: Connection, bank: str, token: str, rows: Properties) -> None:
    if not await connection.write(lambda run: run(cypher.STAGE, bank=bank, token=token, **rows)):
        raise _overtaken(bank)


async def _switched(run: Run, bank: str, embedder: str, slot: str) -> Bank:
    """The bank, if the switch was committed although the connection broke before the server said so."""
    rows = await run(cypher.READ_BANK, bank=bank)
    held = read_bank(rows[0]) if rows else None
    if held is None or (held.bank.embedder, held.slot) != (embedder, slot):
        raise _overtaken(bank)
    return held.bank


def _overtaken(bank: str) -> ConflictError:
    return ConflictError(f"bank {bank!r} is being embedded by another process too, or is gone: try again", bank=bank)


def _steps(source: Source, held: Held) -> Iterator[tuple[str, Properties]]:
    """Statements with their rows, in the order in which they may link to one another."""
    for entries in _batches(source.log):
        yield cypher.LOAD_LOG, {"log": [revision_row(entry, held) for entry in entries]}
    for turns in _batches(enumerate(source.turns, 1)):
        yield cypher.LOAD_TURNS, {"turns": [turn_row(turn, at, held) for at, turn in turns]}
    for pairs in _batches(source.memories):
        yield cypher.LOAD_MEMORIES, {
            "memories": [memory_row(memory, row, held) for memory, row in pairs],
            "ended": [ended_row(memory) for memory, _ in pairs if not memory.live],
        }  # fmt: skip


def _step(statement: str, rows: Properties) -> Callable[[Run], Awaitable[Rows]]:
    async def step(run: Run) -> Rows:
        return await run(statement, **rows)

    return step


def _publish(held: Held, replace: bool) -> Callable[[Run], Awaitable[Bank]]:
    async def publish(run: Run) -> Bank:
        there = await run(cypher.READ_BANK, bank=held.bank.id)
        if there and read_bank(there[0]).key == held.key:
            return held.bank
        if there and replace:
            await run(cypher.DISCARD_BANK, bank=held.bank.id)
        elif there:
            raise exists(held.bank.id)
        if not await run(cypher.LOAD_PUBLISH, key=held.key, state={**bank_state(held.bank), "slot": held.slot}):
            raise exists(held.bank.id)
        return held.bank

    return publish


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch
