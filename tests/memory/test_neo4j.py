"""What only the Neo4j store does: its graph, its indexes, its errors, its life beside other applications."""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import (
    ConflictError,
    CorruptStoreError,
    InputError,
    StoreUnavailableError,
    UnknownBankError,
)
from memory_r1.memory.ranking import Query
from memory_r1.memory.store import Dump
from memory_r1.memory.stores import neo4j_bulk as bulk
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j import Neo4jStore
from memory_r1.memory.stores.neo4j_schema import TERMS, vector_index
from memory_r1.memory.types import Add, Bank, Delete, Memory, Revision, Turn, Update, Write

pytestmark = [
    pytest.mark.neo4j,
    pytest.mark.parametrize("server", ["5.26", "2026"], indirect=True),
]

GRAPH = Path(__file__).resolve().parent.parent.parent / "memory" / "GRAPH.md"
EMBEDDER = HashedEmbedder(64)
NOW = datetime(2024, 3, 1, 9, 30)


@pytest.fixture
def server(request, neo4j_servers):
    """An empty server of each version."""
    found = neo4j_servers(request.param)
    found.wipe()
    return found


@pytest.fixture
async def store(server):
    async with await server.open() as opened:
        yield opened


def turn(number, session="S1", text="hello"):
    return Turn(f"{session}:{number}", session, number, "Ann", text, NOW + timedelta(minutes=number))


async def put(store, bank, number, *operations, **more):
    made = [op.text for op in operations if op.kind in ("add", "update")]
    turns = more.pop("turns", (turn(number),))
    return await store.write(bank, Write(f"turn:{number}", NOW, turns, operations), EMBEDDER.vectors(made))


async def story(store, bank="ann"):
    await store.open_bank(bank, EMBEDDER, NOW)
    await put(store, bank, 1, Add("Ann has a dog, Buddy", "Ann", ("S1:1",), entities=("Ann", "Buddy")))
    await put(store, bank, 2, Add("Bob plays chess", "Bob", ("S1:2",), entities=("Bob",)))
    await put(store, bank, 3, Update(("m1",), "Ann has two dogs", "Ann", ("S1:3",), entities=("Ann", "Bob")))
    await put(store, bank, 4, Delete(("m2",), ("S1:4",)))


def made_dump(bank, size, dim=64, seed=0):
    """A bank of `size` memories in random directions, one for each turn."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(size, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    turns = tuple(turn(n % 50, f"S{n // 50}") for n in range(size))
    memories = tuple(
        Memory(f"m{n}", f"fact {n} word{n % 97}", "Ann", (t.id,), t.session, t.index, t.time, 1)
        for n, t in enumerate(turns, 1)
    )
    operations = tuple(Add(m.text, "Ann", m.turns) for m in memories)
    log = Revision(1, "all", NOW, operations, tuple(m.id for m in memories), (), tuple(t.id for t in turns))
    state = Bank(bank, f"random/{dim}", dim, NOW, 1, size, size, size)
    return Dump(state, turns, memories, (log,), rows)


def count(server, query, **parameters):
    return server.query(f"{query} RETURN count(*) AS n", **parameters)[0]["n"]


def links(server):
    rows = server.query("MATCH (a)-[r]->(b) RETURN labels(a)[0] AS a, type(r) AS r, labels(b)[0] AS b, count(*) AS n")
    return {f"{row['a']} {row['r']} {row['b']}": row["n"] for row in rows}


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


async def test_a_loaded_bank_is_the_same_graph(server, store):
    await story(store)
    before = links(server)
    dump = await store.dump("ann")
    await store.erase_bank("ann")
    assert links(server) == {}
    await store.load(dump)
    assert links(server) == before


async def test_no_query_scans_other_banks(server, store):
    await story(store)
    for name, text in queries().items():
        for operator, details in plan(server, text.replace("{index}", vector_index("embedding_64"))):
            scan = operator.startswith(("AllNodes", "NodeByLabel", "DirectedRelationshipType"))
            assert not scan or ":Loading" in details or ":Discarded" in details, (name, operator, details)


def queries():
    """All statements on one bank, by name."""
    named = {name: text for name, text in vars(cypher).items() if name.isupper() and name[0] != "_"}
    for name in ("BANK", "MEMORY", "TURN", "ROW", "READ_BANKS"):
        del named[name]
    texts = {name: named.pop(name) for name in ("ERASE_UNUSED", "DELETE_SOME")}
    return named | {f"{name}[{at}]": part for name, parts in texts.items() for at, part in enumerate(parts)}


def plan(server, text):
    """The operators of a query's plan; () for what only a newer server can run."""
    import neo4j

    head = "CYPHER 25" if text.lstrip().startswith("CYPHER 25") else ""
    if head and server.version == "5.26":
        return ()
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth, notifications_min_severity="OFF") as driver:
        body = text.lstrip().removeprefix("CYPHER 25")
        parameters = dict.fromkeys(re.findall(r"\$(\w+)", body))
        summary = driver.execute_query(f"{head} EXPLAIN {body}", parameters, database_="neo4j").summary

    def walk(node):
        yield node["operatorType"], str(node["args"].get("Details"))
        for child in node.get("children", ()):
            yield from walk(child)

    return walk(summary.plan)


async def test_the_vector_index_finds_what_the_exact_search_finds(server, store):
    await store.load(made_dump("large", 1_200))
    await store.load(made_dump("small", 30, seed=1))
    await store.load(made_dump("other", 30, dim=32, seed=2))
    agreed = 0
    async with await server.open(large=100) as indexed:
        for seed in range(10):
            query = Query.of("", made_dump("q", 1, seed=100 + seed).vectors[0])
            exact = await store.search_vector("large", query, total=30, per_speaker=None)
            found = await indexed.search_vector("large", query, total=30, per_speaker=None)
            assert len(found) == 30
            agreed += len({h.memory.id for h in exact} & {h.memory.id for h in found})
        assert agreed >= 0.95 * 300
    async with await server.open(large=0) as indexed:
        for bank, dim in (("small", 64), ("other", 32)):
            query = Query.of("fact", made_dump("q", 1, dim=dim, seed=7).vectors[0])
            assert len(await indexed.search_vector(bank, query, total=60, per_speaker=None)) == 30


async def test_a_pool_brings_the_neighbours_and_exact_cosines(server, store):
    dump = made_dump("large", 1_100)
    await store.load(dump)
    found = await store.candidates("large", Query.of("word13", dump.vectors[720]))
    assert 200 <= len(found) < 1_100
    at = {int(id[1:]) - 1: dense for id, dense in zip(found.ids, found.dense, strict=True)}
    assert {718, 719, 720, 721, 722} <= set(at) and {n for n in range(1_100) if (n + 1) % 97 == 13} <= set(at)
    assert np.allclose([at[n] for n in at], dump.vectors[list(at)] @ dump.vectors[720], atol=1e-4)


async def test_a_vector_of_zeros_is_kept_and_found_by_words(store):
    await store.open_bank("ann", EMBEDDER, NOW)
    write = Write("k", NOW, (turn(1),), (Add("Ann sings", "Ann", ("S1:1",)),))
    await store.write("ann", write, np.zeros((1, 64), np.float32))
    assert not (await store.vectors("ann", ["m1"])).any()
    hits = await store.search("ann", "singing", EMBEDDER)
    assert [(h.memory.id, h.dense) for h in hits] == [("m1", 0.0)]


async def test_another_embedder_of_the_same_size_replaces_the_vectors(server, store):
    await store.load(made_dump("a", 520))
    fresh = made_dump("b", 520, seed=5).vectors
    rows = {f"m{n + 1}": row for n, row in enumerate(fresh)}
    state = await store.replace_vectors("a", "new/64", 64, rows, 1)
    assert (state.embedder, state.dim) == ("new/64", 64) and state == await store.bank("a")
    assert np.array_equal(await store.vectors("a", list(rows)), fresh)
    assert count(server, "MATCH (m:Memory) WHERE m.embedding_64 IS NOT NULL") == 0
    old = made_dump("a", 520).vectors
    await store.replace_vectors("a", "old/64", 64, dict(zip(rows, old, strict=True)), 1)
    assert np.array_equal(await store.vectors("a", list(rows)), old)
    assert count(server, "MATCH (m:Memory) WHERE m.embedding_64_b IS NOT NULL") == 0


async def test_two_that_reembed_one_bank_never_mix_their_vectors(server, store):
    await store.load(made_dump("a", 520))
    made = [made_dump("b", 520, seed=seed).vectors for seed in (5, 6)]
    every = [{f"m{n + 1}": row for n, row in enumerate(rows)} for rows in made]
    async with await server.open() as one, await server.open() as two:
        done = await asyncio.gather(
            *(s.replace_vectors("a", f"new-{n}/64", 64, every[n], 1) for n, s in enumerate((one, two))),
            return_exceptions=True,
        )
    assert all(isinstance(d, Bank | ConflictError) for d in done) and any(isinstance(d, Bank) for d in done)
    winner = int((await store.bank("a")).embedder[4])
    assert np.array_equal(await store.vectors("a", list(every[0])), made[winner])


async def test_a_refused_reembedding_leaves_nothing_behind(server, store):
    await store.load(made_dump("a", 20))
    before = await store.dump("a")
    with pytest.raises(ConflictError, match="run it again"):
        await store.replace_vectors("a", "x", 32, {f"m{n}": np.ones(32, np.float32) for n in range(1, 20)}, 1)
    after = await store.dump("a")
    assert after.bank == before.bank and np.array_equal(after.vectors, before.vectors)
    assert count(server, "MATCH (m:Memory) WHERE m.embedding_32 IS NOT NULL") == 0


async def test_a_long_story_of_undoing_has_a_history(store):
    await store.open_bank("ann", EMBEDDER, NOW)
    await put(store, "ann", 1, Add("Ann has a dog", "Ann", ("S1:1",)), Add("Ann has a cat", "Ann", ("S1:1",)))
    for n in range(2, 12):
        live = tuple(m.id for m in await store.memories("ann"))
        merged = await put(store, "ann", n, Update(live, "Ann has pets", "Ann", (f"S1:{n}",)))
        await store.undo("ann", merged.revision.number, NOW)
    every = await store.all_memories("ann")
    assert await store.history("ann", "m1") == every and len(every) == 2 + 10 * 3


async def test_what_was_forgotten_is_in_no_node_and_no_index(server, store):
    await story(store)
    await story(store, "bob")
    await put(store, "ann", 5, Add("Ann hides Zanzibar", "Zoe", ("S1:5",), entities=("Zanzibar",)),
              turns=(turn(5, text="Zanzibar!"),))  # fmt: skip
    assert count(server, "MATCH (n) WHERE any(k IN keys(n) WHERE toStringOrNull(n[k]) CONTAINS 'anzibar')") > 2
    await store.forget("ann", "m4", NOW)
    everything = server.query("MATCH (n) RETURN properties(n) AS p")
    assert not [row for row in everything if "anzibar" in repr(row["p"])]
    assert count(server, "MATCH (p:Speaker {name: 'Zoe'})") == 0
    raw = "CALL db.index.fulltext.queryNodes($index, 'zanzibar') YIELD node"
    assert count(server, raw, index=TERMS) == 0
    near = "CALL db.index.vector.queryNodes($index, 50, $vector) YIELD node"
    vector = EMBEDDER.vectors(["Ann hides Zanzibar"])[0].tolist()
    assert count(server, near, index=vector_index("embedding_64"), vector=vector) == 6


async def test_a_killed_erasure_is_finished_by_the_next_connection(server, store):
    await store.load(made_dump("gone", 600))
    await story(store)
    server.query(cypher.DISCARD_BANK, bank="gone")
    with pytest.raises(UnknownBankError):
        await store.bank("gone")
    assert [b.id for b in await store.banks()] == ["ann"]
    assert count(server, "MATCH (n {bank: 'gone'})") > 1_200
    before = await store.dump("ann")
    async with await server.open() as fresh:
        assert count(server, "MATCH (n {bank: 'gone'})") == 0
        assert (await fresh.dump("ann")).memories == before.memories


async def test_a_failed_load_leaves_nothing_and_can_be_repeated(server, store):
    dump = made_dump("a", 520)
    broken = replace(dump, memories=(*dump.memories[:-1], dump.memories[0]))
    with pytest.raises(ConflictError):
        await store.load(broken)
    assert count(server, "MATCH (n)") == 0
    await store.load(dump)
    assert (await store.dump("a")).memories == dump.memories


async def test_two_that_load_one_bank_leave_one(server, store):
    dump = made_dump("a", 300)
    async with await server.open() as other:
        done = await asyncio.gather(store.load(dump), other.load(dump), return_exceptions=True)
    assert sorted(type(d).__name__ for d in done) == ["Bank", "ConflictError"]
    assert count(server, "MATCH (m:Memory)") == 300 and count(server, "MATCH (b:Bank)") == 1


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
    assert [e.key for e in (await store.log("ann"))[4:]] == ["turn:5", "forget:m2"]
    assert (await store.bank("ann")).memories == 4 and (await store.bank("b")).live == 20


COMMIT = b"\x00\x02\xb0\x12\x00\x00"
"""Bolt's message, at the end of what the driver sends."""


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


def test_dead_loads_are_told_from_running_ones(server):
    server.query("CREATE (:Loading {bank: 'x', bank_key: '1', step: 0, since: timestamp()})")
    server.query(
        "CREATE (:Loading {bank: 'y', bank_key: '2', step: 0, since: timestamp() - $age})", age=bulk.ABANDONED + 1
    )

    async def connect():
        async with await server.open():
            return [row["bank"] for row in server.query("MATCH (n) WHERE n.bank_key IS NOT NULL RETURN n.bank AS bank")]

    assert asyncio.run(connect()) == ["x"]
