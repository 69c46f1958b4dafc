"""The SQLite store: several processes, kill -9, a full, a read-only or a damaged disk."""

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fault_worker import EMBEDDER, START, put, step, turn
from processes import content, finish, same, sound, start, uninterrupted, uninterrupted_bank

from memory_r1.memory.errors import CorruptStoreError, StoreUnavailableError, UnknownBankError
from memory_r1.memory.store import Dump
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Add, Write

# --- several processes ----------------------------------------------------------------------------------------


async def test_eight_processes_lose_no_update_of_one_bank(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    finish([start(path, "count", f"worker{i}", 12) for i in range(8)])  # they also make the file together
    dump = await content(path)
    live = [m.text for m in dump.memories if m.live]
    assert live == [f"The counter stands at {8 * 12}"]
    assert [entry.number for entry in dump.log] == list(range(1, 8 * 12 + 1))
    assert {entry.key for entry in dump.log} == {f"worker{i}-{n}" for i in range(8) for n in range(12)}
    assert [m.id for m in dump.memories] == [f"m{n}" for n in range(1, 8 * 12 + 1)]
    assert sound(path)


async def test_a_hundred_banks_at_once_lose_and_leak_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    finish([start(path, "fill", f"worker{i}", 100, 3) for i in range(3)])
    async with await SqliteStore.open(path) as store:
        assert len(await store.banks()) == 100
        for number in range(100):
            bank = f"bank-{number}"
            held = {m.text for m in await store.memories(bank)}
            assert held == {f"The password of {bank} is worker{i} {n}" for i in range(3) for n in range(3)}
            assert [entry.number for entry in await store.log(bank)] == list(range(1, 10))
            hits = await store.search(bank, f"What is the password of bank-{99 - number}?", EMBEDDER, per_speaker=None)
            assert {hit.memory.text for hit in hits} <= held
    assert sound(path)


async def test_a_writer_waits_for_another_and_then_gives_up_clearly(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    await uninterrupted(path, 4)
    async with await SqliteStore.open(path, patience=0.1) as store:
        with start(path, "hold", stdin=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(StoreUnavailableError, match="locked"):
                await put(store, "b", step(4))
            assert (await store.bank("b")).revision == 4  # reading goes on
            finish([holder])
        assert (await put(store, "b", step(4))).revision.number == 5


# --- kill -9 --------------------------------------------------------------------------------------------------


async def test_kill_9_twenty_times_loses_nothing_and_applies_nothing_twice(tmp_path: Path) -> None:
    path, chance, first = tmp_path / "m.db", random.Random(9), 0
    for _ in range(20):
        with start(path, "ingest", max(0, first - 2), 10_000) as worker:  # the last steps once more
            assert worker.stdout is not None
            for _ in range(chance.randint(1, 25)):
                first = max(first, int(worker.stdout.readline()) + 1)
            worker.kill()
            unread = worker.stdout.read().split("\n")[:-1]
            first = max([first, *(int(line) + 1 for line in unread)])
        async with await SqliteStore.open(path) as store:
            keys = [entry.key for entry in await store.log("b")]
        assert keys in ([f"step-{n}" for n in range(first)], [f"step-{n}" for n in range(first + 1)])
    finish([start(path, "ingest", 0, first + 5)])
    assert same(await content(path), await uninterrupted(tmp_path / "whole.db", first + 5))
    assert sound(path)


# --- damage ---------------------------------------------------------------------------------------------------


async def readable(path: Path) -> Dump:
    """Everything in bank "b", by every way of reading; raises what the store raises."""
    async with await SqliteStore.open(path) as store:
        await store.search("b", "Who met Ben?", EMBEDDER)
        await store.as_of("b", 20)
        return await store.dump("b")


async def test_a_truncated_store_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    await uninterrupted(path, 60)
    whole = path.read_bytes()
    for part in (0.01, 0.3, 0.5, 0.7, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(CorruptStoreError, match="restore it from"):
            await readable(path)


async def test_random_bytes_in_a_store_are_a_clear_error_or_change_nothing(tmp_path: Path) -> None:
    path, found = tmp_path / "m.db", 0
    before = await uninterrupted(path, 60)
    whole = path.read_bytes()
    for seed in range(100):
        chance = random.Random(seed)
        at, size = chance.randrange(len(whole)), chance.choice([1, 1, 16, 256, 4096])
        path.write_bytes((whole[:at] + chance.randbytes(size) + whole[at + size :])[: len(whole)])
        for beside in ("m.db-wal", "m.db-shm"):
            (tmp_path / beside).unlink(missing_ok=True)
        try:
            assert same(await readable(path), before)
        except (CorruptStoreError, UnknownBankError):
            found += 1
    assert found > 30


def other_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bank (id TEXT)")
        db.commit()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: p.write_text("Dear diary, " * 500),
        lambda p: p.write_bytes(b"SQLite format 3\0" * 300),
        other_application,
    ],
    ids=["text", "only a header", "another application"],
)
async def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "m.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(CorruptStoreError):
        await SqliteStore.open(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) in (["m.db"], ["m.db", "m.db.lock"])


async def test_a_place_where_no_file_can_be_is_unavailable(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "m.db"):
        with pytest.raises(StoreUnavailableError):
            await SqliteStore.open(path)
    assert list(tmp_path.iterdir()) == []


# --- no room, no permission -----------------------------------------------------------------------------------


async def test_a_full_disk_refuses_the_write_whole_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    await uninterrupted(path, 10)
    said = finish([start(path, "overflow", 10)])[0].splitlines()
    refused = int(said[0].split()[1])
    assert refused > 10
    assert "disk" in said[0]
    assert said[1:] == [f"revision {refused}", f"again {refused}"]
    assert same(await content(path), await uninterrupted(tmp_path / "whole.db", refused + 1))
    assert sound(path)


async def test_a_full_database_refuses_the_write_whole(tmp_path: Path) -> None:
    path, number = tmp_path / "m.db", 10
    before = await uninterrupted(path, number)
    async with await SqliteStore.open(path) as store:
        pages = store._file._rows("PRAGMA page_count")[0][0]
        store._file._rows(f"PRAGMA max_page_count = {pages}")  # SQLite's own word for a full disk
        long = turn(number, "much " * 50_000)
        with pytest.raises(StoreUnavailableError, match="the disk is full"):
            await put(store, "b", Write("long", long.time, (long,), (Add("Ada talks", "Ada", (long.id,)),)))
        assert same(await store.dump("b"), before)
        store._file._rows("PRAGMA max_page_count = 1000000")
        await put(store, "b", step(number))
    assert same(await content(path), await uninterrupted(tmp_path / "whole.db", number + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="root loses its rights by a Linux call")
@pytest.mark.parametrize("locked", ["file", "folder", "both"])
async def test_a_read_only_store_is_refused_and_stays_as_it_was(tmp_path: Path, locked: str) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    path = folder / "m.db"
    before = await uninterrupted(path, 10)
    files = [p for p in folder.iterdir() if locked != "folder"]
    folders = [folder] if locked != "file" else []
    for place in (*files, *folders):
        place.chmod(0o555 if place.is_dir() else 0o444)
    said = finish([start(path, "ingest-unprivileged", 10, 11)])[0]
    for place in (*folders, *files):
        place.chmod(0o755 if place.is_dir() else 0o644)
    assert said.startswith("unavailable the store"), said
    assert same(await content(path), before)


async def test_a_copy_of_the_files_of_a_running_store_opens(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    async with await SqliteStore.open(path) as store:
        await uninterrupted_bank(store, "b")
        before = await store.dump("b")
        (tmp_path / "copy").mkdir()
        for file in tmp_path.glob("m.db*"):
            shutil.copy(file, tmp_path / "copy")
    assert same(await content(tmp_path / "copy" / "m.db"), before)
    np.testing.assert_array_equal((await content(path)).vectors, before.vectors)


def test_many_tasks_share_one_store(tmp_path: Path) -> None:
    async def run() -> list[int]:
        async with await SqliteStore.open(tmp_path / "m.db") as store:
            await store.open_bank("b", EMBEDDER, START)
            said = turn(0)

            async def one(n: int) -> int:
                op = Add(f"Fact number {n}", "Ada", (said.id,))
                return (await put(store, "b", Write(f"k{n % 10}", START, (said,), (op,)))).revision.number

            return await asyncio.gather(*map(one, range(30)))

    numbers = asyncio.run(run())
    assert sorted(set(numbers)) == list(range(1, 11))
    assert numbers[:10] == numbers[10:20] == numbers[20:]
