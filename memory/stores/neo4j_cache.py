"""The banks that this process searches often: their indexes, kept in step with the graph by its revisions."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memory_r1.memory.errors import UnknownBankError
from memory_r1.memory.index import BankIndex, IndexRow
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_connection import Run, paged
from memory_r1.memory.stores.neo4j_records import Held, Vectors, read_bank, read_memory, read_revisions, read_vector
from memory_r1.memory.types import Memory, Revision

CACHED = 200_000
"""Memories whose indexes are kept in this process; the bank used longest ago goes first."""
PATIENT = 500
"""Live memories for each search that a bank is left to the server's indexes before it is read: a bank of 10,000 is
read by the twentieth search, when the server's searches have taken as long as reading it takes."""
PAGE = 250
"""Memories with their vectors that are decoded without giving way to other tasks."""
REACH = 500
"""Revisions that are followed; a bank that has moved on further is read anew."""


@dataclass(slots=True)
class Cached:
    """A bank at the revision of `held`: `memories` are those live then, by id, and `index` is theirs."""

    held: Held
    index: BankIndex
    memories: dict[str, Memory]

    @property
    def known(self) -> dict[str, object]:
        """The parameters of `FOLLOW`."""
        bank = self.held.bank
        return {"key": self.held.key, "slot": self.held.slot, "since": bank.revision, "made": bank.memories}

    def follow(self, held: Held, log: Sequence[Revision], rows: Sequence[Sequence[Any]]) -> bool:
        """Go on to `held` by the revisions `log` and the memories made since; whether both are complete.

        A reader may see a bank's state before the rest of its last transaction; then nothing is changed. Several tasks
        may follow the same revisions.
        """
        known = self.held.bank
        if held.bank.revision <= known.revision:
            return True
        log = [entry for entry in log if entry.number > known.revision]
        if len(log) != held.bank.revision - known.revision:
            return False
        ended = {id for entry in log for id in entry.ended}
        created = {id for entry in log for id in entry.created} - ended
        gone = self.memories.keys() & ended
        memories, vectors = _read([row for row in rows if f"m{row[0]}" in created], self.held)
        live = len(self.memories) + len(created) - len(gone)
        if len(memories) != len(created) or live != held.bank.live:
            return False
        if created or gone:
            self.index = self.index.changed([IndexRow.of(memory) for memory in memories], vectors, gone)
        self.memories.update((memory.id, memory) for memory in memories)
        for id in gone:
            del self.memories[id]
        self.held = held
        return True


class Cache:
    """Indexes of banks of up to `large` live memories. Belongs to one event loop."""

    def __init__(self, large: int) -> None:
        self._large = large
        self._banks: OrderedDict[str, Cached] = OrderedDict()
        self._searched: Counter[str] = Counter()
        self._reading: set[str] = set()

    def get(self, bank: str) -> Cached | None:
        """What is held of the bank, whether or not it is current."""
        return self._banks.get(bank)

    def drop(self, bank: str) -> None:
        """Forget what is held of the bank."""
        self._banks.pop(bank, None)
        self._searched.pop(bank, None)

    async def searched(self, run: Run, bank: str) -> tuple[Held, Cached | None]:
        """The bank's state for one more search of it, and what is held of it in that state, if anything.

        A bank that is searched often enough is read. Raises UnknownBankError.
        """
        held, cached = await self._current(run, bank)
        if cached is not None or bank in self._reading or held.bank.live > self._large:
            return held, cached
        self._searched[bank] += 1
        if self._searched[bank] * PATIENT < held.bank.live:
            return held, None
        self._reading.add(bank)
        try:
            if cached := await _whole(run, held):
                self._keep(bank, cached)
            return await self._current(run, bank)
        finally:
            self._reading.discard(bank)

    async def _current(self, run: Run, bank: str) -> tuple[Held, Cached | None]:
        """The bank's state, and what is held of it, followed to that state in the same round trip."""
        before = self._banks.get(bank)
        known = {"key": "", "slot": "", "since": 0, "made": 0} if before is None else before.known
        rows = await run(cypher.FOLLOW, bank=bank, limit=self._large, reach=REACH, **known)
        if not rows:
            self.drop(bank)
            raise UnknownBankError.of(bank)
        held, cached = read_bank(rows[0]), self._banks.get(bank)
        if cached is None or cached is not before:
            return held, None
        followed, bodies, made = rows[0][10:]
        if not followed or not cached.follow(held, read_revisions(bodies), made):
            self.drop(bank)
            return held, None
        self._banks.move_to_end(bank)
        return cached.held, cached

    def _keep(self, bank: str, cached: Cached) -> None:
        self._banks[bank] = cached
        held = sum(len(other.memories) for other in self._banks.values())
        while held > CACHED and len(self._banks) > 1:
            held -= len(self._banks.popitem(last=False)[1].memories)


async def _whole(run: Run, held: Held) -> Cached | None:
    """The bank as it was at the revision of `held`, whatever is written meanwhile.

    None if the transaction that led to that revision could not be seen as a whole.
    """
    at = {"key": held.key, "slot": held.slot, "revision": held.bank.revision}
    found, vectors = _read(await paged(run, cypher.PAGE_INDEX, held.memories, size=PAGE, **at), held)
    memories = {memory.id: memory for memory in found}
    last = read_revisions(await paged(run, cypher.PAGE_LOG, held.log(held.bank.revision - 1), key=held.key))
    whole = all(memories.keys() >= set(entry.created) - set(entry.ended) for entry in last)
    if len(found) != held.bank.live or not whole:
        return None
    return Cached(held, BankIndex.build([IndexRow.of(memory) for memory in found], vectors), memories)


def _read(rows: Sequence[Sequence[Any]], held: Held) -> tuple[list[Memory], Vectors]:
    """The columns `MEMORY` and the vector, by number: memories, and their vectors (n, dim)."""
    ordered = sorted(rows, key=lambda row: row[0])
    vectors = np.zeros((len(ordered), held.bank.dim), dtype=np.float32)
    for line, row in zip(vectors, ordered, strict=True):
        read_vector(line, row[-1], f"m{row[0]}")
    return [read_memory(row) for row in ordered], vectors
