"""Starts workers on an SQLite store, and looks at what they leave."""

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import fault_worker
from fault_worker import EMBEDDER, START, put, step

from memory_r1.memory.store import Dump
from memory_r1.memory.stores.sqlite import SqliteStore

WORKER = Path(fault_worker.__file__)


def start(path: Path, job: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A worker process on the store at `path`."""
    command = [sys.executable, str(WORKER), str(path), job, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finish(workers: Sequence[subprocess.Popen[str]]) -> list[str]:
    """What workers said, once all have ended well."""
    said: list[str] = []
    for worker in workers:
        out, err = worker.communicate(timeout=240)
        assert worker.returncode == 0, err
        said.append(out)
    return said


async def content(path: Path, bank: str = "b") -> Dump:
    async with await SqliteStore.open(path) as store:
        return await store.dump(bank)


def same(one: Dump, other: Dump) -> bool:
    """Equal, but for the time when the bank was made."""
    bank = replace(other.bank, created=one.bank.created)
    return (one.bank, one.turns, one.memories, one.log) == (bank, other.turns, other.memories, other.log) and (
        one.vectors.tobytes() == other.vectors.tobytes()
    )


async def uninterrupted(path: Path, steps: int) -> Dump:
    """The bank after `steps` steps of one process."""
    async with await SqliteStore.open(path) as store:
        await store.open_bank("b", EMBEDDER, START)
        for number in range(steps):
            await put(store, "b", step(number))
        return await store.dump("b")


def sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file and its full-text index."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
        return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def uninterrupted_bank(store: SqliteStore, bank: str) -> None:
    """Make a bank of 28 steps."""
    await store.open_bank(bank, EMBEDDER, START)
    for number in range(28):
        await put(store, bank, step(number))


def traces(path: Path, *needles: bytes) -> list[str]:
    """The files beside and at `path` that hold one of `needles`, in upper or lower case."""
    found: list[str] = []
    for file in path.parent.iterdir():
        held = file.read_bytes()
        if any(needle in held or needle.lower() in held.lower() for needle in needles):
            found.append(file.name)
    return found
