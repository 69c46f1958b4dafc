"""One process that works on an SQLite store until it ends, fails or is killed. `processes.py` starts several.

    python tests/fault_worker.py FILE JOB [ARGUMENT ...]

It says on stdout, a line each and at once, what the store has acknowledged.
"""

import asyncio
import ctypes
import os
import resource
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from memory_r1.memory.embedders.hashing import HashedEmbedder
from memory_r1.memory.errors import ConflictError, StoreUnavailableError
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Add, Noop, Operation, Receipt, Turn, Update, Write

START = datetime(2024, 1, 1)
EMBEDDER = HashedEmbedder(64)


def say(*words: object) -> None:
    print(*words, flush=True)


def turn(number: int, text: str = "") -> Turn:
    return Turn(
        f"t{number}", f"s{number // 10}", number % 10, "Ada", text or f"Turn {number}.", START + timedelta(hours=number)
    )


async def put(store: SqliteStore, bank: str, write: Write) -> Receipt:
    """Write, each new text with its own vector."""
    new = [op.text for op in write.operations if isinstance(op, Add | Update)]
    rows = EMBEDDER.vectors(new) if new else np.zeros((0, EMBEDDER.dim), np.float32)
    return await store.write(bank, write, rows)


def step(number: int) -> Write:
    """Write number 0, 1, … of an ingestion that adds, updates and ignores; it depends on its number alone.

    Step n stores turn n. Steps 0, 1 and 2 of every 4 make a memory, so step n finds m{made + 1} as the next id.
    """
    said = turn(number)
    made = number // 4 * 3 + min(number % 4, 3)
    operations: dict[int, Operation] = {
        0: Add(f"Ada has {number} books", "Ada", (said.id,), entities=("Ada",)),
        1: Add(f"Ada met Ben at mile {number}", "Ada", (said.id,)),
        2: Update((f"m{made}",), f"Ada met Ben and Eve at mile {number}", "Ada", (said.id,)),
        3: Noop((said.id,), said.text, reason="not-a-fact"),
    }
    return Write(f"step-{number}", said.time, (said,), (operations[number % 4],))


async def ingest(store: SqliteStore, first: str, last: str) -> None:
    """Apply steps first … last - 1."""
    await store.open_bank("b", EMBEDDER, START)
    for number in range(int(first), int(last)):
        await put(store, "b", step(number))
        say(number)


async def count(store: SqliteStore, name: str, times: str) -> None:
    """Raise the bank's counter by one, `times` times, by compare-and-set."""
    await store.open_bank("b", EMBEDDER, START)
    done = 0
    while done < int(times):
        state = await store.bank("b")
        live = await store.memories("b")
        said = turn(0)
        if live:
            value = int(live[0].text.split()[-1]) + 1
            op: Operation = Update((live[0].id,), f"The counter stands at {value}", "Ada", (said.id,))
        else:
            op = Add("The counter stands at 1", "Ada", (said.id,))
        try:
            await put(store, "b", Write(f"{name}-{done}", START, (said,), (op,), expected=state.revision))
        except ConflictError:
            continue
        done += 1


async def fill(store: SqliteStore, name: str, banks: str, times: str) -> None:
    """Write `times` memories into each of `banks` banks, all banks at once."""

    async def one(bank: str) -> None:
        await store.open_bank(bank, EMBEDDER, START)
        for i in range(int(times)):
            said = turn(i)
            op = Add(f"The password of {bank} is {name} {i}", "Ada", (said.id,))
            await put(store, bank, Write(f"{name}-{i}", START, (said,), (op,)))

    await asyncio.gather(*(one(f"bank-{number}") for number in range(int(banks))))


async def forget(store: SqliteStore, *memories: str) -> None:
    """Forget memories one by one."""
    for memory in memories:
        say("begin", memory)
        await store.forget("b", memory, START)
        say("done", memory)


async def forget_and_die(store: SqliteStore, memory: str) -> None:
    """Forget a memory, and be killed before its bytes are cleared."""
    store._file.scrub = lambda: os.kill(os.getpid(), signal.SIGKILL)
    await store.forget("b", memory, START)


async def hold(store: SqliteStore) -> None:
    """Keep a write transaction open until stdin ends."""
    store._file._rows("BEGIN IMMEDIATE")
    say("held")
    sys.stdin.read()
    store._file._rows("ROLLBACK")


async def overflow(store: SqliteStore, first: str) -> None:
    """Write until no file may grow; then read, lift the limit and write the refused step again."""
    await store.open_bank("b", EMBEDDER, START)
    room = max(Path(name).stat().st_size for name in (store.path, f"{store.path}-wal")) + 100_000
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    number = int(first)
    while True:
        try:
            await put(store, "b", step(number))
        except StoreUnavailableError as error:
            say("refused", number, error)
            break
        number += 1
    say("revision", (await store.bank("b")).revision)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await put(store, "b", step(number))
    say("again", number)


async def main(path: str, job: str, *arguments: str) -> None:
    if job == "ingest-unprivileged":  # for root, permissions hold only without its capabilities
        job = "ingest"
        if os.geteuid() == 0:
            header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
            if ctypes.CDLL(None, use_errno=True).capset(header, data):
                raise OSError(ctypes.get_errno(), "capset")
    jobs = {
        "ingest": ingest, "count": count, "fill": fill, "forget": forget, "forget-and-die": forget_and_die,
        "hold": hold, "overflow": overflow,
    }  # fmt: skip
    try:
        async with await SqliteStore.open(path) as store:
            await jobs[job](store, *arguments)
    except StoreUnavailableError as error:
        say("unavailable", error)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
