"""The embedded store: one SQLite file, durable after each write, for any number of processes.

WAL with full synchronisation: what `write` returned survives a crash of the process and of the machine. Ordinary
banks are searched exactly, by an index in this process that follows the log; a bank of more than `large` live
memories by the file's full-text index, an exact pass over its vectors, and the neighbours of what these found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.erased import Erased
from memory_r1.memory.errors import StoreUnavailableError
from memory_r1.memory.ranking import Candidates, Query
from memory_r1.memory.store import NONE, Before, Dump, Part, Source, Store, Vectors, check_bank_id, check_embedder
from memory_r1.memory.stores.sqlite_file import SqliteFile
from memory_r1.memory.stores.sqlite_schema import explained
from memory_r1.memory.types import Bank, Hit, Memory, Receipt, Revision, Turn, Write

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore(Store):
    """Banks in one SQLite file. Make it by `open`; close it, or use it as an async context manager."""

    kind = "sqlite"

    def __init__(self, file: SqliteFile, worker: ThreadPoolExecutor) -> None:
        self.path = file.path
        self._file = file
        self._worker = worker
        self._closed = False

    @classmethod
    async def open(cls, path: str | Path, *, large: int = 20_000, patience: float = 30.0) -> Self:
        """Open the file at `path`, made if need be.

        `large`: live memories above which a bank is searched by pool. `patience`: seconds to wait for another
        process's write. Raises StoreUnavailableError (folder missing, not writable) and CorruptStoreError.
        """
        worker = ThreadPoolExecutor(1, thread_name_prefix="memory-r1-sqlite")
        make = partial(_explained, Path(path), partial(SqliteFile, Path(path), large, patience))
        try:
            file = await asyncio.get_running_loop().run_in_executor(worker, make)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(file, worker)

    async def create(self, bank: str, embedder: str, dim: int, created: datetime) -> Bank:
        return await self._run(self._file.create, Bank(bank, embedder, dim, created))

    async def bank(self, bank: str) -> Bank:
        return (await self._run(self._file.find, bank))[1]

    async def banks(self) -> list[Bank]:
        return await self._run(self._file.banks)

    async def write(self, bank: str, write: Write, vectors: Vectors) -> Receipt:
        return await self._run(self._file.write, bank, write, vectors)

    async def memories(
        self, bank: str, ids: Sequence[str] | None = None, *, revision: int | None = None
    ) -> list[Memory]:
        return await self._run(self._file.memories, bank, ids, revision)

    async def all_memories(self, bank: str) -> list[Memory]:
        return await self._run(self._file.every, bank)

    async def turns(self, bank: str, ids: Sequence[str] | None = None) -> list[Turn]:
        return await self._run(self._file.turns, bank, ids)

    async def log(self, bank: str, since: int = 0) -> list[Revision]:
        return await self._run(self._file.log, bank, since)

    async def vectors(self, bank: str, ids: Sequence[str]) -> Vectors:
        return await self._run(self._file.vectors, bank, ids)

    async def candidates(self, bank: str, query: Query) -> Candidates:
        return await self._run(self._file.candidates, bank, query)

    async def search_vector(
        self, bank: str, query: Query, *, total: int = 60, per_speaker: int | None = 30
    ) -> list[Hit]:
        return (await self.search_vectors(bank, [query], total=total, per_speaker=per_speaker))[1][0]

    async def search_vectors(
        self, bank: str, queries: Sequence[Query], *, total: int = 60, per_speaker: int | None = 30
    ) -> tuple[Bank, list[list[Hit]]]:
        return await self._run(self._file.search, bank, queries, total, per_speaker)

    async def before(self, bank: str, embedder: Embedder, turn: Turn, recent: int) -> Before:
        check_bank_id(bank)
        new = Bank(bank, embedder.name, embedder.dim, turn.time)
        found = await self._run(self._file.before, new, turn.id, recent)
        check_embedder(found.bank, embedder)
        return found

    async def replace_vectors(
        self, bank: str, embedder: str, dim: int, vectors: Mapping[str, Vectors], revision: int
    ) -> Bank:
        return await self._run(self._file.replace_vectors, bank, (embedder, dim), vectors, revision)

    async def erase(self, bank: str, memories: Sequence[str], key: str, recorded: datetime) -> Revision:
        return await self._run(self._file.erase, bank, memories, (key, recorded))

    async def erase_bank(self, bank: str) -> None:
        await self._run(self._file.erase_bank, bank)

    async def erased(self) -> list[Erased]:
        return await self._run(self._file.erased)

    async def note_erased(self, records: Sequence[Erased]) -> None:
        await self._run(self._file.note_erased, records)

    async def load(self, source: Dump | Source, *, replace: bool = False) -> Bank:
        return await self._run(self._file.load, Source.of(source), replace)

    async def part(self, bank: str, *, turns: range = NONE, memories: range = NONE, log: range = NONE) -> Part:
        return await self._run(self._file.part, bank, turns, memories, log)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._worker, self._file.close)
            self._worker.shutdown()

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._closed:
            raise StoreUnavailableError(f"the store {str(self.path)!r} is closed")
        call = partial(_explained, self.path, partial(work, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._worker, call)


def _explained(path: Path, work: Callable[[], T]) -> T:
    with explained(path):
        return work()
