"""What only the Neo4j store does: its graph, its errors, its life beside other applications."""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memory_r1.memory.errors import CorruptStoreError, InputError, StoreUnavailableError
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j import Neo4jStore
from memory_r1.memory.stores.neo4j_schema import TERMS
from memory_r1.memory.types import Add
from tests.neo4j_banks import (  # noqa: F401  fixtures
    EMBEDDER,
    NOW,
    count,
    links,
    made_dump,
    put,
    server_fixture,
    store_fixture,
    story,
    turn,
)

pytestmark = [
    pytest.mark.neo4j,
    pytest.mark.parametrize("server", ["5.26", "2026"], indirect=True),
]

GRAPH = Path(__file__).resolve().parent.parent.parent / "memory" / "GRAPH.md"
COMMIT = b"\x00\x02\xb0\x12\x00\x00"
"""Bolt's message, at the end of what the driver sends."""


async def test_the_graph_is_as_documented(server, store):
    await story(store)
    assert links(server) == {
        "Bank HAS_SESSION Session": 1, "Session HAS_TURN Turn": 4, "Turn NEXT Turn": 3, "Bank LOGGED Revision": 4,
        "Memory FROM Turn": 4, "Memory SUPERSEDES Memory": 1, "Memory MENTIONS Entity": 5, "Memory ABOUT Speaker": 3,
        "Revision CREATED Memory": 3, "Revision ENDED Memory": 2,
    }  # fmt: skip
    text = GRAPH.read_text()
    for link in links(server):
        assert re.search(rf"{link.split()[1]}\b", text), link
    keys = server.query("MATCH (n) UNWIND keys(n) AS key RETURN DISTINCT labels(n)[0] AS label, key")
    for label, key in keys:
        assert f"`{key}`" in text, (label, key)


async def test_the_example_queries_of_the_documentation_run(server, store):
    await story(store, "conv-26")
    examples = re.findall(r"```cypher\n(.*?)```", GRAPH.read_text(), re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        assert server.query(example), example


async def test_another_application_in_the_database_is_left_alone(server, store):
    server.query("MATCH (n:Memory|Turn|Session|Entity) WHERE n.bank_key IS NULL DELETE n")
    for label in ("Memory", "Turn", "Session", "Entity"):
        server.query(f"CREATE (:{label} {{id: 'mine', name: 'mine', text: 'a dog', live: true, index: 1}})")
    try:
        await story(store)
        assert {h.memory.id for h in await store.search("ann", "dog mine", EMBEDDER)} == {"m3"}
        await store.forget("ann", "m3", NOW)
        await store.erase_bank("ann")
        assert count(server, "MATCH (n) WHERE n.name = 'mine'") == 4
    finally:
        server.query("MATCH (n) WHERE n.name = 'mine' DELETE n")


async def test_connecting_many_times_at_once_makes_one_schema(server):
    for row in server.query("SHOW CONSTRAINTS YIELD name WHERE name STARTS WITH 'memory_r1' RETURN name"):
        server.query(f"DROP CONSTRAINT {row['name']}")
    for row in server.query("SHOW INDEXES YIELD name WHERE name STARTS WITH 'memory_r1' RETURN name"):
        server.query(f"DROP INDEX {row['name']}")
    stores = await asyncio.gather(*(server.open() for _ in range(4)))
    await story(stores[0])
    for opened in stores:
        assert [h.memory.id for h in await opened.search("ann", "dogs", EMBEDDER)] == ["m3"]
        await opened.close()
        await opened.close()


async def test_a_foreign_full_text_index_is_refused(server):
    server.query(f"DROP INDEX {TERMS} IF EXISTS")
    server.query(f"CREATE FULLTEXT INDEX {TERMS} FOR (m:Memory) ON EACH [m.terms, m.bank_key]")
    try:
        with pytest.raises(CorruptStoreError, match="drop it"):
            await server.open()
    finally:
        server.query(f"DROP INDEX {TERMS}")


async def test_wrong_settings_say_what_to_do(server):
    with pytest.raises(InputError, match="user or the password"):
        await Neo4jStore.connect(server.uri, "neo4j", "not the password")
    with pytest.raises(InputError, match="no database 'nope'"):
        await server.open(database="nope")
    for address in ("file:///tmp/x", "localhost", "bolt://"):
        with pytest.raises((InputError, StoreUnavailableError)):
            await Neo4jStore.connect(address, "neo4j", "x", patience=2)


async def test_a_server_that_is_away_or_silent_is_an_error_in_time(server):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(StoreUnavailableError, match="start it"):
            await Neo4jStore.connect(f"bolt://127.0.0.1:{closed.getsockname()[1]}", "neo4j", "x", patience=5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(StoreUnavailableError, match="did not answer"):
            await Neo4jStore.connect(f"bolt://127.0.0.1:{silent.getsockname()[1]}", "neo4j", "x", patience=1)


async def test_a_bank_that_another_process_holds_is_an_error_in_time(server, store):
    import neo4j

    await story(store)
    before = await store.dump("ann")
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth) as driver, driver.session() as session:
        held = session.begin_transaction()
        held.run(cypher.LOCK_BANK, bank="ann").consume()
        async with await server.open(patience=2) as impatient:
            with pytest.raises(StoreUnavailableError, match="did not answer"):
                await put(impatient, "ann", 5)
        held.rollback()
    assert (await store.dump("ann")).bank == before.bank
    assert not (await put(store, "ann", 5)).repeated


def test_a_store_stays_in_its_event_loop(server):
    with asyncio.Runner() as runner:
        store = runner.run(server.open())
        with pytest.raises(InputError, match="another event loop"):
            on_a_thread(store.banks())
        runner.run(store.close())


def on_a_thread(coroutine):
    """The result of `coroutine` in an event loop of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, coroutine).result()


async def test_a_value_that_no_index_takes_is_refused_whole(store):
    await store.open_bank("ann", EMBEDDER, NOW)
    with pytest.raises(InputError, match="can't keep"):
        await put(store, "ann", 1, Add("x", "Ann", ("S1:1",), entities=("e" * 50_000,)))
    assert (await store.bank("ann")).revision == 0
    with pytest.raises(InputError, match="1 to 4096"):
        await store.create("big", "x", 5_000, NOW)


async def test_a_commit_whose_answer_is_lost_counts_once(server, store):
    await story(store)
    async with lossy(server.uri) as (address, lost), await Neo4jStore.connect(address, *server.auth) as cut:
        lost.set()
        receipt = await put(cut, "ann", 5, Add("Ann sails", "Ann", ("S1:5",)))
        assert not lost.is_set() and not receipt.repeated
        lost.set()
        entry = await cut.erase("ann", ["m2"], "forget:m2", NOW)
        assert not lost.is_set() and entry.number == 6
        lost.set()
        await cut.load(made_dump("b", 20))
        await cut.load(made_dump("c", 20))
        lost.set()
        await cut.erase_bank("c")
        assert not lost.is_set() and [bank.id for bank in await cut.banks()] == ["ann", "b"]
    assert [e.key for e in (await store.log("ann"))[4:]] == ["turn:5", "forget:m2"]
    assert (await store.bank("ann")).memories == 4 and (await store.bank("b")).live == 20


@contextlib.asynccontextmanager
async def lossy(uri):
    """A proxy to `uri` that, once its event is set, breaks one connection between a commit and its answer."""
    port, lost = int(uri.rsplit(":", 1)[1]), asyncio.Event()

    async def serve(reader, writer):
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        cut = asyncio.Event()

        async def pump(source, sink, down):
            while data := await source.read(65536):
                if lost.is_set() and not down and data.endswith(COMMIT):
                    lost.clear()
                    cut.set()
                elif cut.is_set() and down:
                    return
                sink.write(data)
                await sink.drain()

        ways = [pump(reader, up_writer, False), pump(up_reader, writer, True)]
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        up_writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"bolt://127.0.0.1:{listener.sockets[0].getsockname()[1]}", lost


def test_without_the_driver_the_error_names_the_extra(server):
    code = "import sys; sys.modules['neo4j'] = None\nimport memory_r1.memory.stores.neo4j"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtraError" in done.stderr and "pip install 'memory-r1[neo4j]'" in done.stderr
