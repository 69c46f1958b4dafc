"""The store: one contract, which SQLite, Neo4j and the in-memory store keep (`tests/memory/contract.py`).

A backend writes a dozen primitives; search, history, undo, forgetting and re-embedding are derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

import numpy as np

from memory_r1.memory.analysis import index_text
from memory_r1.memory.apply import invert, taken_back, texts
from memory_r1.memory.checks import BANK_ID, check_bank_id, check_embedder, check_replacement, exists
from memory_r1.memory.dumps import Dump, Part, Source, Vectors
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.erased import Erased
from memory_r1.memory.errors import ConflictError, CorruptStoreError, InputError, UnknownMemoryError
from memory_r1.memory.ranking import Candidates, Query, best
from memory_r1.memory.types import Bank, Hit, Memory, Receipt, Revision, Turn, Write

NONE = range(0)
"""No numbers."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a turn meets: the bank; the turn as it is stored, if it is; the turns of the bank's last revisions."""

    bank: Bank
    stored: Turn | None
    recent: tuple[Turn, ...]


class Store(ABC):
    """Banks of memories, versioned. All methods are coroutines; an instance serves any number of tasks."""

    kind: ClassVar[str] = ""
    """What keeps the banks, as "sqlite"."""

    # --- primitives ---------------------------------------------------------------------------------------

    @abstractmethod
    async def create(self, bank: str, embedder: str, dim: int, created: datetime) -> Bank:
        """Make the bank if it isn't there, and return it as it is (whatever its embedder)."""

    @abstractmethod
    async def bank(self, bank: str) -> Bank:
        """The state of a bank. Raises UnknownBankError."""

    @abstractmethod
    async def banks(self) -> list[Bank]:
        """All banks, by id."""

    @abstractmethod
    async def write(self, bank: str, write: Write, vectors: Vectors) -> Receipt:
        """Apply `write` as a whole, once for its key (see `apply.plan`). `vectors`: one row per Add and Update.

        A key that was applied before returns its receipt with `repeated` set and changes nothing, whatever
        else the write says. Raises UnknownBankError, ConflictError, UnknownMemoryError, InputError,
        StoreUnavailableError; after an error nothing of it is stored.
        """

    @abstractmethod
    async def memories(
        self, bank: str, ids: Sequence[str] | None = None, *, revision: int | None = None
    ) -> list[Memory]:
        """Memories by number: those of `ids` that exist, live or not; else those live (at `revision`, or now)."""

    @abstractmethod
    async def all_memories(self, bank: str) -> list[Memory]:
        """Every memory that the bank ever held and has not forgotten, by number."""

    @abstractmethod
    async def turns(self, bank: str, ids: Sequence[str] | None = None) -> list[Turn]:
        """Those of `ids` that are stored, else all, in the order in which they were recorded."""

    @abstractmethod
    async def log(self, bank: str, since: int = 0) -> list[Revision]:
        """The revisions after `since`, oldest first."""

    @abstractmethod
    async def vectors(self, bank: str, ids: Sequence[str]) -> Vectors:
        """The embeddings of memories, a row for each of `ids`. Raises UnknownMemoryError."""

    @abstractmethod
    async def candidates(self, bank: str, query: Query) -> Candidates:
        """What to rank for `query`: every live memory, or for a large bank the pool that its indexes return."""

    @abstractmethod
    async def replace_vectors(
        self, bank: str, embedder: str, dim: int, vectors: Mapping[str, Vectors], revision: int
    ) -> Bank:
        """Give every memory (live or not) a new vector, and the bank a new embedder, in one write; no new revision.

        `vectors` maps each memory's id to its (dim,) row. Raises ConflictError (see `check_replacement`).
        """

    @abstractmethod
    async def erase(self, bank: str, memories: Sequence[str], key: str, recorded: datetime) -> Revision:
        """Erase memories and the text of the turns they come from, for good (see `erasure.plan_erasure`).

        Once for its `key`, as `write`: a key of the log returns its revision and erases nothing.
        Like `erase_bank` it leaves a record of what was erased, in the same transaction (see `erased`).
        """

    @abstractmethod
    async def erase_bank(self, bank: str) -> None:
        """Erase a bank with everything in it, for good. Raises UnknownBankError."""

    @abstractmethod
    async def erased(self) -> list[Erased]:
        """The records of all erasures in this store, and of those it was told, oldest first."""

    @abstractmethod
    async def note_erased(self, records: Sequence[Erased]) -> None:
        """Keep the records of erasures elsewhere; one that is there already (by its `id`) is not kept twice."""

    @abstractmethod
    async def load(self, source: Dump | Source, *, replace: bool = False) -> Bank:
        """Store a whole bank exactly as given; it appears as a whole or not at all.

        With `replace` it takes the place of the bank of this id; else raises ConflictError when there is one.
        """

    @abstractmethod
    async def part(self, bank: str, *, turns: range = NONE, memories: range = NONE, log: range = NONE) -> Part:
        """The turns, memories and log entries that have these numbers, read in one transaction.

        Numbers begin at 1; turns are numbered in the order in which they were recorded. Forgotten memories are missing.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release files and connections. A second call does nothing."""

    # --- derived ------------------------------------------------------------------------------------------

    async def open_bank(self, bank: str, embedder: Embedder, created: datetime) -> Bank:
        """The bank, made if need be. Raises EmbedderMismatchError when its vectors come from another embedder."""
        check_bank_id(bank)
        found = await self.create(bank, embedder.name, embedder.dim, created)
        check_embedder(found, embedder)
        return found

    async def search(
        self, bank: str, query: str, embedder: Embedder, *, total: int = 60, per_speaker: int | None = 30
    ) -> list[Hit]:
        """The memories that help to answer `query`, best first: `total` at most, `per_speaker` of each speaker
        before the rest is filled up (paper, section 3.2: 30 of each of two speakers).

        Raises UnknownBankError, and EmbedderMismatchError when the bank's vectors come from another embedder.
        """
        check_embedder(await self.bank(bank), embedder)
        vector = (await embedder.embed([query], query=True))[0]
        return await self.search_vector(bank, Query.of(query, vector), total=total, per_speaker=per_speaker)

    async def search_vector(
        self, bank: str, query: Query, *, total: int = 60, per_speaker: int | None = 30
    ) -> list[Hit]:
        """As `search`, for a query that is embedded already."""
        found = best(await self.candidates(bank, query), query, total, per_speaker)
        return found.live({memory.id: memory for memory in await self.chosen(bank, found.ids)})

    async def search_vectors(
        self, bank: str, queries: Sequence[Query], *, total: int = 60, per_speaker: int | None = 30
    ) -> tuple[Bank, list[list[Hit]]]:
        """`search_vector` for each of `queries`, and the state of the bank that they were searched in, or one before.

        A write that expects that state fails if the bank has moved on since.
        """
        state = await self.bank(bank)
        return state, [await self.search_vector(bank, q, total=total, per_speaker=per_speaker) for q in queries]

    async def before(self, bank: str, embedder: Embedder, turn: Turn, recent: int) -> Before:
        """What `turn` meets; its bank is made if need be. Raises as `open_bank`."""
        state = await self.open_bank(bank, embedder, turn.time)
        stored = await self.turns(bank, [turn.id])
        entries = await self.log(bank, max(0, state.revision - recent))
        ids = [id for entry in entries for id in entry.turns]
        return Before(state, stored[0] if stored else None, tuple(await self.turns(bank, ids)) if ids else ())

    async def chosen(self, bank: str, ids: Sequence[str]) -> list[Memory]:
        """The memories that a search chose: read anew, unless the store holds them from telling the candidates."""
        return await self.memories(bank, ids)

    async def as_of(self, bank: str, revision: int) -> list[Memory]:
        """The memories that were live right after `revision`, as they were then."""
        await self._check_revision(bank, revision)
        return await self.memories(bank, revision=revision)

    async def history(self, bank: str, memory: str) -> list[Memory]:
        """The memory with everything that it superseded and that superseded it, oldest first."""
        return _lineage(await self.all_memories(bank), memory, bank)

    async def undo(self, bank: str, revision: int, recorded: datetime) -> Receipt:
        """Take one revision back by a new one (as `git revert`), unless it is taken back already.

        Undoing the new revision brings back what it took.

        Raises ConflictError when a later revision built on it, or when what it ended was forgotten.
        """
        await self._check_revision(bank, revision, first=1)
        entry, *later = await self.log(bank, revision - 1)
        undoes = [past for past in later if past.undoes == revision]
        if taken_back(revision, later):
            state = await self.bank(bank)
            return await self.write(bank, Write(undoes[-1].key, recorded), np.zeros((0, state.dim), np.float32))
        key = f"undo:{revision}" + (f":{len(undoes) + 1}" if undoes else "")
        operations = invert(entry, {m.id: m for m in await self.all_memories(bank)})
        if not operations:
            raise InputError(f"revision {revision} changed no memory, so there is nothing to undo")
        restored = [op.restores for op in texts(operations) if op.kind == "add"]
        rows = await self.vectors(bank, restored)
        return await self.write(bank, Write(key, recorded, operations=operations, undoes=revision), rows)

    async def forget(self, bank: str, memory: str, recorded: datetime) -> Revision:
        """Erase a memory, all its versions, and the text of the turns it comes from. Not to be undone."""
        lineage = await self.history(bank, memory)
        return await self.erase(bank, [m.id for m in lineage], f"forget:{memory}", recorded)

    async def reembed(self, bank: str, embedder: Embedder, batch: int = 256) -> Bank:
        """Compute every vector of the bank anew with `embedder` and make it the bank's embedder, all or nothing."""
        state = await self.bank(bank)
        every = await self.all_memories(bank)
        rows: dict[str, Vectors] = {}
        for start in range(0, len(every), batch):
            part = every[start : start + batch]
            made = await embedder.embed([index_text(m.text, m.speaker, m.when, m.recorded) for m in part])
            rows.update(zip((m.id for m in part), made, strict=True))
        return await self.replace_vectors(bank, embedder.name, embedder.dim, rows, state.revision)

    async def dump(self, bank: str) -> Dump:
        """Everything that the bank holds.

        Raises ConflictError when it was written to meanwhile, and CorruptStoreError when some of it is missing.
        """
        state = await self.bank(bank)
        memories = await self.all_memories(bank)
        vectors = await self.vectors(bank, [m.id for m in memories])
        dump = Dump(state, tuple(await self.turns(bank)), tuple(memories), tuple(await self.log(bank)), vectors)
        after = await self.bank(bank)
        if after != state:
            raise ConflictError(f"bank {bank!r} was written to while it was read: try again")
        held = (len(dump.turns), len(dump.log), sum(memory.live for memory in memories))
        if held != (state.turns, state.revision, state.live):
            raise CorruptStoreError(
                f"bank {bank!r} holds {held} turns, revisions and live memories, not the "
                f"{(state.turns, state.revision, state.live)} that it counts: restore the store from a copy",
                bank=bank,
            )
        return dump

    async def _check_revision(self, bank: str, revision: int, first: int = 0) -> None:
        state = await self.bank(bank)
        if not first <= revision <= state.revision:
            raise InputError(f"bank {bank!r} has revisions {first} to {state.revision}, not {revision}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _lineage(every: Iterable[Memory], memory: str, bank: str) -> list[Memory]:
    by_id = {m.id: m for m in every}
    if memory not in by_id:
        raise UnknownMemoryError(f"bank {bank!r} has no memory {memory!r}: list them with `memory-r1 memories`")
    linked: dict[str, set[str]] = {id: set() for id in by_id}
    for m in by_id.values():
        for old in m.supersedes:
            if old in by_id:
                linked[m.id].add(old)
                linked[old].add(m.id)
    found, todo = {memory}, [memory]
    while todo:
        new = linked[todo.pop()] - found
        found |= new
        todo += new
    return [m for m in by_id.values() if m.id in found]


__all__ = [
    "BANK_ID", "NONE", "Before", "Dump", "Part", "Source", "Store", "Vectors", "check_bank_id", "check_embedder",
    "check_replacement", "exists",
]  # fmt: skip
