"""The in-memory store: for tests and rollouts. A snapshot is immutable, a fork of it costs microseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice, takewhile
from typing import Generic, TypeVar
from uuid import uuid4

import numpy as np

from memory_r1.memory.apply import check_vectors, plan, sources, targets
from memory_r1.memory.erased import Erased
from memory_r1.memory.erasure import plan_erasure
from memory_r1.memory.errors import UnknownBankError, UnknownMemoryError
from memory_r1.memory.index import BankIndex, IndexRow
from memory_r1.memory.ranking import Candidates, Query, best
from memory_r1.memory.store import NONE, Dump, Part, Source, Store, Vectors, check_replacement, exists
from memory_r1.memory.types import Bank, Hit, Memory, Receipt, Revision, Turn, Write

V = TypeVar("V")


class _Table(Generic[V]):
    """A dict over an immutable one: reads fall through, writes stay on top."""

    __slots__ = ("base", "top")

    def __init__(self, base: dict[str, V] | None = None) -> None:
        self.base: dict[str, V] = base if base is not None else {}
        self.top: dict[str, V] = {}

    def get(self, key: str) -> V | None:
        found = self.top.get(key)
        return found if found is not None else self.base.get(key)

    def put(self, key: str, value: V) -> None:
        self.top[key] = value

    def values(self) -> Iterator[V]:
        if not self.top:
            yield from self.base.values()
            return
        for key, value in self.base.items():
            yield self.top.get(key, value)
        for key, value in self.top.items():
            if key not in self.base:
                yield value

    def newest(self) -> Iterator[V]:
        """The values, those put last first (a replaced value keeps its place until the next freeze)."""
        yield from reversed(self.top.values())
        yield from reversed(self.base.values())

    def freeze(self) -> dict[str, V]:
        """All entries as a dict that must not be changed; the table stands on it from now on."""
        if self.top:
            self.base = {**self.base, **self.top}
            self.top = {}
        return self.base

    def all(self, keys: Sequence[str]) -> list[V]:
        top, base = self.top, self.base
        return [top[key] if key in top else base[key] for key in keys]

    def some(self, keys: Sequence[str]) -> dict[str, V]:
        top, base = self.top, self.base
        return {key: top[key] if key in top else base[key] for key in keys if key in top or key in base}


@dataclass(slots=True)
class _Bank:
    """One bank: its tables, its log, and its index, which is itself immutable."""

    state: Bank
    index: BankIndex
    memories: _Table[Memory] = field(default_factory=lambda: _Table[Memory]())
    vectors: _Table[Vectors] = field(default_factory=lambda: _Table[Vectors]())
    turns: _Table[Turn] = field(default_factory=lambda: _Table[Turn]())
    keys: _Table[Revision] = field(default_factory=lambda: _Table[Revision]())

    def keep(self, memories: Sequence[Memory], vectors: Vectors, turns: Sequence[Turn]) -> None:
        """Put memories, a vector for each, and turns; the index is the caller's."""
        for memory, row in zip(memories, vectors, strict=True):
            self.memories.put(memory.id, memory)
            self.vectors.put(memory.id, row)
        for turn in turns:
            self.turns.put(turn.id, turn)

    def fork(self) -> _Bank:
        """A bank of its own over the same content, which must not change any more (see `InMemoryStore.snapshot`)."""
        return _Bank(
            self.state, self.index, _Table(self.memories.base), _Table(self.vectors.base),
            _Table(self.turns.base), _Table(self.keys.base),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The banks of a store at one moment; immutable, and shared by any number of forks."""

    banks: Mapping[str, _Bank]
    erased: tuple[Erased, ...] = ()

    def fork(self) -> InMemoryStore:
        """A store that starts from this snapshot and never changes it. Costs microseconds."""
        return InMemoryStore(self)


class InMemoryStore(Store):
    """Banks in this process. Nothing survives it; export a bank to keep it."""

    kind = "memory"

    def __init__(self, base: Snapshot | None = None) -> None:
        self._base: Mapping[str, _Bank] = base.banks if base is not None else {}
        self._own: dict[str, _Bank] = {}
        self._gone: set[str] = set()
        self._erased: tuple[Erased, ...] = base.erased if base is not None else ()

    def snapshot(self) -> Snapshot:
        """The content as it is now. Costs one copy of what was written since the last snapshot's dictionaries."""
        for bank in self._own.values():
            for table in (bank.memories, bank.vectors, bank.turns, bank.keys):
                table.freeze()
        kept = {id: bank for id, bank in self._base.items() if id not in self._gone}
        return Snapshot({**kept, **{id: bank.fork() for id, bank in self._own.items()}}, self._erased)

    def fork(self) -> InMemoryStore:
        """A store of its own that starts from the content as it is now."""
        return self.snapshot().fork()

    async def create(self, bank: str, embedder: str, dim: int, created: datetime) -> Bank:
        found = self._find(bank)
        if found is None:
            found = _Bank(Bank(bank, embedder, dim, created), _empty(dim))
            self._own[bank] = found
        return found.state

    async def bank(self, bank: str) -> Bank:
        return self._read(bank).state

    async def banks(self) -> list[Bank]:
        names = sorted({*self._own, *(id for id in self._base if id not in self._gone)})
        return [self._read(name).state for name in names]

    async def write(self, bank: str, write: Write, vectors: Vectors) -> Receipt:
        held = self._change(bank)
        if (done := held.keys.get(write.key)) is not None:
            return Receipt(done, tuple(held.memories.some(done.created).values()), repeated=True)
        rows = check_vectors(held.state, write, vectors)
        known = held.turns.some([*sources(write.operations), *(turn.id for turn in write.turns)])
        change = plan(held.state, write, held.memories.some(targets(write.operations)), known)
        held.keep(change.created, rows, change.turns)
        for memory in change.ended:
            held.memories.put(memory.id, memory)
        held.keys.put(write.key, change.revision)
        fresh = [IndexRow.of(memory) for memory in change.created]
        if fresh or change.ended:
            held.index = held.index.changed(fresh, rows, [memory.id for memory in change.ended])
        held.state = change.bank
        return Receipt(change.revision, change.created)

    async def memories(
        self, bank: str, ids: Sequence[str] | None = None, *, revision: int | None = None
    ) -> list[Memory]:
        held = self._read(bank)
        if ids is not None:
            return sorted(held.memories.some(ids).values(), key=_number)
        at = held.state.revision if revision is None else revision
        return [m for m in held.memories.values() if m.born <= at and (m.died is None or at < m.died)]

    async def all_memories(self, bank: str) -> list[Memory]:
        return list(self._read(bank).memories.values())

    async def turns(self, bank: str, ids: Sequence[str] | None = None) -> list[Turn]:
        held = self._read(bank)
        if ids is None:
            return list(held.turns.values())
        wanted = set(ids)
        found = held.turns.some(list(wanted))
        if len(found) < 2:
            return list(found.values())
        return [turn for turn in held.turns.values() if turn.id in wanted]

    async def log(self, bank: str, since: int = 0) -> list[Revision]:
        newest = takewhile(lambda entry: entry.number > since, self._read(bank).keys.newest())
        return list(reversed(list(newest)))

    async def vectors(self, bank: str, ids: Sequence[str]) -> Vectors:
        held = self._read(bank)
        rows = [held.vectors.get(id) for id in ids]
        missing = [id for id, row in zip(ids, rows, strict=True) if row is None]
        if missing:
            raise UnknownMemoryError(f"bank {bank!r} has no memory {missing[0]!r}", memory=missing[0])
        return np.array(rows, dtype=np.float32).reshape(len(ids), held.state.dim)

    async def candidates(self, bank: str, query: Query) -> Candidates:
        return self._read(bank).index.candidates(query)

    async def search_vector(
        self, bank: str, query: Query, *, total: int = 60, per_speaker: int | None = 30
    ) -> list[Hit]:
        held = self._read(bank)
        found = best(held.index.candidates(query), query, total, per_speaker)
        return found.hits(held.memories.all(found.ids))

    async def replace_vectors(
        self, bank: str, embedder: str, dim: int, vectors: Mapping[str, Vectors], revision: int
    ) -> Bank:
        held = self._change(bank)
        check_replacement(held.state, {m.id for m in held.memories.values()}, vectors, revision)
        for id, row in vectors.items():
            held.vectors.put(id, np.asarray(row, dtype=np.float32))
        held.state = replace(held.state, embedder=embedder, dim=dim)
        held.index = _indexed(held)
        return held.state

    async def erase(self, bank: str, memories: Sequence[str], key: str, recorded: datetime) -> Revision:
        held = self._change(bank)
        if done := held.keys.get(key):
            return done
        found = list(held.memories.some(memories).values())
        erasure = plan_erasure(held.state, found, list(held.keys.values()), list(held.turns.values()), (key, recorded))
        gone = set(erasure.memories)
        held.memories = _Table({m.id: m for m in held.memories.values() if m.id not in gone})
        held.vectors = _Table({m.id: held.vectors.some([m.id])[m.id] for m in held.memories.values()})
        for turn in erasure.turns:
            held.turns.put(turn.id, turn)
        for entry in (*erasure.log, erasure.revision):
            held.keys.put(entry.key, entry)
        for table in (held.turns, held.keys):
            table.freeze()
        held.state = erasure.bank
        held.index = _indexed(held)
        self._erased += (Erased.of(uuid4().hex, erasure),)
        return erasure.revision

    async def erase_bank(self, bank: str) -> None:
        self._read(bank)
        self._own.pop(bank, None)
        self._gone.add(bank)
        self._erased += (Erased.of_bank(uuid4().hex, bank),)

    async def erased(self) -> list[Erased]:
        return list(self._erased)

    async def note_erased(self, records: Sequence[Erased]) -> None:
        self._erased = tuple({record.id: record for record in (*self._erased, *records)}.values())

    async def load(self, source: Dump | Source, *, replace: bool = False) -> Bank:
        given = Source.of(source)
        if self._find(given.bank.id) is not None and not replace:
            raise exists(given.bank.id)
        held = _Bank(given.bank, _empty(given.bank.dim))
        for memory, row in given.memories:
            held.memories.put(memory.id, memory)
            held.vectors.put(memory.id, row)
        for turn in given.turns:
            held.turns.put(turn.id, turn)
        for entry in given.log:
            held.keys.put(entry.key, entry)
        held.index = _indexed(held)
        self._own[given.bank.id] = held
        return held.state

    async def part(self, bank: str, *, turns: range = NONE, memories: range = NONE, log: range = NONE) -> Part:
        held = self._read(bank)
        chosen = tuple(memory for memory in held.memories.values() if _number(memory) in memories)
        rows = np.array([held.vectors.get(memory.id) for memory in chosen], np.float32)
        said = islice(held.turns.values(), max(turns.start - 1, 0), max(turns.stop - 1, 0))
        entries = tuple(entry for entry in held.keys.values() if entry.number in log)
        return Part(tuple(said), chosen, rows.reshape(len(chosen), held.state.dim), entries)

    async def close(self) -> None:
        """Nothing to release."""

    def _find(self, bank: str) -> _Bank | None:
        own = self._own.get(bank)
        return own if own is not None or bank in self._gone else self._base.get(bank)

    def _read(self, bank: str) -> _Bank:
        found = self._find(bank)
        if found is None:
            raise UnknownBankError.of(bank)
        return found

    def _change(self, bank: str) -> _Bank:
        found = self._read(bank)
        if bank not in self._own:
            found = self._own[bank] = found.fork()
        return found


def _number(memory: Memory) -> int:
    return int(memory.id[1:])


def _empty(dim: int) -> BankIndex:
    return BankIndex.build([], np.zeros((0, dim), np.float32))


def _indexed(held: _Bank) -> BankIndex:
    live = [m for m in held.memories.values() if m.live]
    rows = np.array([held.vectors.get(m.id) for m in live], np.float32).reshape(len(live), held.state.dim)
    return BankIndex.build([IndexRow.of(m) for m in live], rows)
