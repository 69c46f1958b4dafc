"""What was forgotten is in no file of the SQLite store, whatever happens meanwhile."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fault_worker import EMBEDDER, START, put, step, turn
from processes import content, same, sound, start, traces, uninterrupted, uninterrupted_bank

from memory_r1.memory.errors import StoreUnavailableError
from memory_r1.memory.stores import sqlite_whole
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Add, Write

SECRET = "Zyxwquark"
"""A word that no index changes but for its case."""


async def keep_secret(store: SqliteStore, bank: str) -> bytes:
    """A bank of 40 steps and one secret; the bytes of the secret's vector."""
    await store.open_bank(bank, EMBEDDER, START)
    for number in range(40):
        await put(store, bank, step(number))
    said = replace(turn(40, f"My word is {SECRET}."), caption=f"{SECRET} on paper")
    add = Add(f"Ada's word is {SECRET}", "Ada", (said.id,), entities=(SECRET,))
    receipt = await put(store, bank, Write("secret", said.time, (said,), (add,)))
    await put(store, bank, step(44))
    return (await store.vectors(bank, [receipt.created[0].id])).tobytes()


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("whole_bank", [False, True])
async def test_nothing_of_what_was_forgotten_is_left_in_any_file(
    tmp_path: Path, whole_bank: bool, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.db"
    if large:
        monkeypatch.setattr(sqlite_whole, "IN_MEMORY", 0)
    async with await SqliteStore.open(path) as store:
        for bank in ("a", "b", "c"):
            await uninterrupted_bank(store, bank)
        vector = await keep_secret(store, "secret")
        assert traces(path, SECRET.encode())
        assert traces(path, vector)
        before = [await store.dump(bank) for bank in ("a", "b", "c")]
        if whole_bank:
            await store.erase_bank("secret")
        else:
            memory = next(m for m in await store.memories("secret") if SECRET in m.text)
            await store.forget("secret", memory.id, START)
        assert traces(path, SECRET.encode(), vector) == []  # while the store is open
        after = [await store.dump(bank) for bank in ("a", "b", "c")]
        assert all(map(same, before, after))
        assert len(await store.search("a", "Who met Ben?", EMBEDDER)) == 14
        if not whole_bank:
            assert len(await store.memories("secret")) == 21
            assert not any(SECRET in str(entry) for entry in await store.log("secret"))
    assert traces(path, SECRET.encode(), vector) == []
    assert sound(path)


async def test_forgetting_while_another_process_reads_says_that_it_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    async with await SqliteStore.open(path, patience=0.1) as store:
        vector = await keep_secret(store, "b")
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM memory").fetchall()
            memory = next(m for m in await store.memories("b") if SECRET in m.text)
            with pytest.raises(StoreUnavailableError, match="open the store again"):
                await store.forget("b", memory.id, START)
            assert not any(SECRET in m.text for m in await store.memories("b"))
            reader.execute("COMMIT")
    async with await SqliteStore.open(path):
        assert traces(path, SECRET.encode(), vector) == []


async def test_an_erasure_that_a_crash_cut_short_is_finished_at_the_next_opening(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    async with await SqliteStore.open(path) as store:
        vector = await keep_secret(store, "b")
        memory = next(m for m in await store.memories("b") if SECRET in m.text)
    with start(path, "forget-and-die", memory.id) as worker:
        assert worker.wait(timeout=60) == -9
    assert traces(path, SECRET.encode(), vector)
    async with await SqliteStore.open(path) as store:
        assert traces(path, SECRET.encode(), vector) == []
        assert [entry.key for entry in await store.log("b")][-1] == f"forget:{memory.id}"


async def test_forgetting_survives_kill_9(tmp_path: Path) -> None:
    for round in range(5):
        path = tmp_path / str(round) / "m.db"
        path.parent.mkdir()
        await uninterrupted(path, 40)
        with start(path, "forget", *(f"m{n}" for n in range(1, 30, 3))) as worker:
            assert worker.stdout is not None
            for _ in range(2 * round + 1):
                worker.stdout.readline()
            worker.kill()
        dump = await content(path)
        left = {m.id for m in dump.memories}
        for n in range(1, 30, 3):
            gone = f"Ada has {(n - 1) // 3 * 4} books"
            assert (f"m{n}" in left) == any(m.text == gone for m in dump.memories) == bool(traces(path, gone.encode()))
        assert len(left) + sum(entry.key.startswith("forget") for entry in dump.log) == 30
        assert sound(path)
