"""Back-ups of a real Neo4j server: to SQLite and back, exactly, while writers write."""

from __future__ import annotations

import asyncio
import gzip
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from memory_r1.memory.backup import back_up
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.restore import How, restore, verify
from memory_r1.memory.store import Store
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Add, Delete, Noop, Turn, Update, Write

pytestmark = [pytest.mark.neo4j, pytest.mark.parametrize("version", ["5.26", "2026"])]

EMBEDDER = HashedEmbedder(64)
START = datetime(2024, 1, 1)


async def say(store: Store, bank: str, number: int) -> None:
    """Write number 0, 1, … of a story that adds, updates, deletes and ignores."""
    said = Turn(
        f"t{number}", f"s{number // 10}", number % 10, "Ada", f"Łine {number}.", START + timedelta(hours=number)
    )
    made = number // 4 * 2
    operation = {
        0: Add(f"Ada has {number} books", "Ada", (said.id,), entities=("Ada",)),
        1: Update((f"m{made + 1}",), f"Ada has {number} books and a lamp", "Ada", (said.id,)),
        2: Noop((said.id,), said.text, reason="not-a-fact"),
        3: Delete((f"m{made + 2}",), (said.id,)),
    }[number % 4]
    texts = [operation.text] if isinstance(operation, Add | Update) else []
    await store.write(bank, Write(f"k{number}", said.time, (said,), (operation,)), EMBEDDER.vectors(texts))


async def tell(store: Store, bank: str, first: int, last: int) -> None:
    await store.open_bank(bank, EMBEDDER, START)
    for number in range(first, last):
        await say(store, bank, number)


@pytest.fixture(name="server")
def server_fixture(version, neo4j_servers):
    server = neo4j_servers(version)
    server.wipe()
    return server


async def test_banks_go_from_neo4j_to_sqlite_and_back_unchanged(server, tmp_path: Path) -> None:
    async with await server.open() as graph, await SqliteStore.open(tmp_path / "m.db") as file:
        await tell(graph, "ada", 0, 10)
        await tell(graph, "bob", 0, 6)
        await graph.undo("ada", 10, START)
        await graph.forget("ada", "m1", START)
        kept = [await graph.dump(bank) for bank in ("ada", "bob")]
        assert (await back_up(graph, tmp_path / "b")).written == 2
        assert (await back_up(graph, tmp_path / "b")).unchanged == 2
        verify(tmp_path / "b")
        assert (await restore(file, tmp_path / "b")).restored == 2
        assert [await file.dump(bank) for bank in ("ada", "bob")] == kept
        assert (await back_up(file, tmp_path / "c")).written == 2
        server.wipe()
        assert (await restore(graph, tmp_path / "c")).restored == 2
        assert (await restore(graph, tmp_path / "c")).there == 2
        assert [await graph.dump(bank) for bank in ("ada", "bob")] == kept
        for store in (graph, file):
            await tell(store, "bob", 6, 9)
        assert await graph.dump("bob") == await file.dump("bob")


async def test_a_bank_that_is_written_meanwhile_is_copied_at_one_revision(server, tmp_path: Path) -> None:
    async with await server.open() as graph, await server.open() as other:
        await tell(graph, "ada", 0, 20)
        writer = asyncio.ensure_future(tell(other, "ada", 20, 60))
        await back_up(graph, tmp_path / "b")
        await writer
        async with (
            await SqliteStore.open(tmp_path / "m.db") as copy,
            await SqliteStore.open(tmp_path / "w.db") as whole,
        ):
            await restore(copy, tmp_path / "b")
            reached = (await copy.bank("ada")).revision
            assert reached >= 20
            await tell(whole, "ada", 0, reached)
            assert await copy.dump("ada") == await whole.dump("ada")


async def test_what_neo4j_erased_does_not_come_back(server, tmp_path: Path) -> None:
    async with await server.open() as graph:
        await tell(graph, "ada", 0, 6)
        await tell(graph, "bob", 0, 6)
        before = await graph.dump("bob")
        await back_up(graph, tmp_path / "b")
        await graph.erase_bank("ada")
        await graph.forget("bob", "m3", START)
        with pytest.raises(Exception, match="another bank 'bob'"):
            await restore(graph, tmp_path / "b")
        done = await restore(graph, tmp_path / "b", how=How(replace=True))
        assert (done.erased, done.again) == (["ada"], 1)
        after = await graph.dump("bob")
        assert before.memories[2].text not in repr(after) and [bank.id for bank in await graph.banks()] == ["bob"]
        done = await back_up(graph, tmp_path / "b")
        assert (done.erased, done.written) == (1, 1)
        held = [gzip.decompress(path.read_bytes()).decode() for path in (tmp_path / "b" / "banks").glob("*/*")]
        assert len(held) == 1 and before.memories[2].text not in held[0]
