"""How many bytes a memory takes on the disk, with its turn, its log entry, its vector and the indexes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.stores.open import open_store, redacted
from memory_r1.rl.bench.made import Table, made_bank

LOG = "transactions"
"""Where Neo4j keeps its transaction log, which has a size of its own: it is counted apart."""

SETTLED = 15.0
"""Seconds without change after which a server's files are taken as written."""

LONGEST = 180.0
"""Seconds that a server's files are waited for."""


async def size(store: str = "sqlite", banks: int = 100, memories: int = 300, folder: Path | None = None) -> Table:
    """Load `banks` banks of `memories` memories each, and weigh the files.

    `store`: "sqlite" (a temporary file), or a URL, whose banks are erased afterwards; then `folder` is the server's
    data folder, on this machine. Raises InputError without one.
    """
    if store == "sqlite":
        with TemporaryDirectory(prefix="memory-r1-bench-") as made:
            return await _measured(f"sqlite:///{Path(made) / 'bench.db'}", banks, memories, Path(made), 0.0)
    return await _measured(store, banks, memories, _given(folder), SETTLED)


def _given(folder: Path | None) -> Path:
    if folder is None or not folder.is_dir():
        raise InputError(f"--folder {str(folder or '')!r} is no folder: give the one where the server keeps its data")
    return folder


async def _measured(url: str, banks: int, memories: int, folder: Path, settled: float) -> Table:
    embedder = HashedEmbedder()
    names = [f"bench-size-{number}" for number in range(banks)]
    async with await open_store(url) as held:
        empty, _ = await _settled(folder, settled)
        chars, spent = 0, 0.0
        try:
            for number, name in enumerate(names):
                dump = await made_bank(name, memories, embedder, seed=number)
                chars += sum(len(memory.text) for memory in dump.memories)
                start = time.perf_counter()
                await held.load(dump)
                spent += time.perf_counter() - start
            if settled == 0.0:
                await held.close()
            full, log = await _settled(folder, settled)
        finally:
            if settled:
                for name in names:
                    await held.erase_bank(name)
    total = banks * memories
    kind = url.partition("://")[0]
    shown = "sqlite" if kind == "sqlite" else redacted(url)
    row = (shown, banks, memories, round((full - empty) / 1e6, 1), round((full - empty) / total), round(log / 1e6, 1))
    note = f"files after loading; texts of {chars / total:.0f} characters, vectors of {embedder.dim} numbers"
    columns = ("store", "banks", "memories_each", "MB", "bytes_a_memory", "log_MB", "loaded_a_second")
    return Table("size", note, columns, [(*row, round(total / spent))])


async def _settled(folder: Path, settled: float) -> tuple[int, int]:
    """What `weighed` says once it has said the same for `settled` seconds."""
    before, since, start = weighed(folder), time.monotonic(), time.monotonic()
    while time.monotonic() - since < settled and time.monotonic() - start < LONGEST:
        await asyncio.sleep(1.0)
        now = weighed(folder)
        if now != before:
            before, since = now, time.monotonic()
    return before


def weighed(folder: Path) -> tuple[int, int]:
    """Bytes that the files in `folder` take on the disk: all but the transaction log, and the log."""
    data = log = 0
    for path in folder.rglob("*"):
        try:
            taken = path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:
            continue
        if LOG in path.relative_to(folder).parts:
            log += taken
        else:
            data += taken
    return data, log
