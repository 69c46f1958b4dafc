"""Erasing in the graph, and the records of it. In the transaction at hand, but for whole banks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import uuid4

from pydantic_core import to_json

from memory_r1.memory.erased import Erased, dump_erased, load_erased
from memory_r1.memory.erasure import plan_erasure
from memory_r1.memory.errors import UnknownBankError
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_connection import Connection, Rows, Run, listed, paged
from memory_r1.memory.stores.neo4j_reading import locked_bank, some_memories
from memory_r1.memory.stores.neo4j_records import Held, bank_state, number, read_revisions, read_turn, revision_row
from memory_r1.memory.types import Memory, Noop, Revision

BATCH = 500
ABANDONED = 24 * 3600 * 1000
"""Milliseconds after which a load that made no step counts as dead."""
NO_BANK = "0"
"""The `bank_key` of what belongs to no bank."""
_PAGE = 50_000
"""Log entries that the server looks through at once: it sends back only those that name what is erased."""


async def erase(run: Run, bank: str, memories: Sequence[str], entry: tuple[str, datetime]) -> Revision:
    """Erase memories (see `Store.erase`); `entry` is the (key, recorded) of the new revision.

    Reads of the log and the turns only what the erasure touches, however large the bank.
    """
    held = await locked_bank(run, bank)
    if done := await run(cypher.READ_DONE, key=held.key, write=entry[0]):
        return read_revisions(done[0])[0]
    found = await some_memories(run, held, memories)
    log = await _touched(run, held, found)
    ids = {turn for memory in found for turn in memory.turns} | _turns(log)
    turns = [read_turn(row) for row in await listed(run, cypher.READ_TURNS, key=held.key, ids=list(ids))]
    erasure = plan_erasure(held.bank, found, log, turns, entry)
    await run(
        cypher.ERASE, bank=bank, state=bank_state(erasure.bank), log=[revision_row(erasure.revision, held)],
        redacted=[revision_row(past, held) for past in erasure.log], bare=[turn.id for turn in erasure.turns],
        numbers=[number(id) for id in erasure.memories],
    )  # fmt: skip
    for statement in cypher.ERASE_UNUSED:
        await run(statement, key=held.key)
    await note_erased(run, [Erased.of(uuid4().hex, erasure)])
    return erasure.revision


async def _touched(run: Run, held: Held, memories: Sequence[Memory]) -> list[Revision]:
    """The log entries that hold words of `memories`, of the turns they come from, or of repeats of them."""
    found = dict(await listed(run, cypher.ERASE_MADE, key=held.key, numbers=[number(memory.id) for memory in memories]))
    words = {memory.id for memory in memories} | {turn for memory in memories for turn in memory.turns}
    while words:
        named = dict(
            await paged(
                run, cypher.ERASE_NAMED, held.log(), _PAGE, key=held.key, words=[to_json(w).decode() for w in words]
            )
        )
        fresh = [body for at, body in named.items() if at not in found]
        found.update(named)
        words = _turns(read_revisions(fresh)) - words
    return read_revisions(body for _, body in sorted(found.items()))


def _turns(log: Iterable[Revision]) -> set[str]:
    """The turns of the Noops in `log`."""
    return {turn for entry in log for op in entry.operations if isinstance(op, Noop) for turn in op.turns}


async def erase_bank(connection: Connection, bank: str) -> None:
    """Make the bank invisible in one transaction, then delete its nodes. Raises UnknownBankError."""
    record = Erased.of_bank(uuid4().hex, bank)

    async def discard(run: Run) -> bool:
        if await run(cypher.DISCARD_BANK, bank=bank):
            await note_erased(run, [record])
            return True
        return bool(await run(cypher.FIND_ERASED, none=NO_BANK, id=record.id))

    if not await connection.write(discard):
        raise UnknownBankError.of(bank)
    await sweep(connection)


async def sweep(connection: Connection) -> None:
    """Delete what erased banks and dead loads left, also those of processes that were killed."""

    async def discarded(run: Run) -> Rows:
        await run(cypher.DISCARD_STALE, age=ABANDONED)
        return await run(cypher.READ_DISCARDED)

    for (key,) in await connection.write(discarded):
        for statement in cypher.DELETE_SOME:
            await until_none(connection, statement, key=key, limit=BATCH)


async def until_none(connection: Connection, statement: str, **parameters: object) -> None:
    """Run `statement`, a transaction each time, until it says that it found nothing more."""
    while (await connection.write(lambda run: run(statement, **parameters)))[0][0]:
        pass


async def note_erased(run: Run, records: Iterable[Erased]) -> None:
    """Keep the records that are not there yet."""
    rows = [{"id": record.id, "body": dump_erased(record)} for record in records]
    await run(cypher.NOTE_ERASED, none=NO_BANK, records=rows)


async def read_erased(run: Run) -> list[Erased]:
    """All records, oldest first."""
    return [load_erased(body) for (body,) in await run(cypher.READ_ERASED, none=NO_BANK)]
