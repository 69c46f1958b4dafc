"""Whole banks in Neo4j, loaded, embedded anew, undone and erased: all or nothing."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from memory_r1.memory.errors import ConflictError, UnknownBankError
from memory_r1.memory.stores import neo4j_erasing as erasing
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_schema import TERMS, vector_index
from memory_r1.memory.types import Add, Bank, Noop, Update
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


async def test_a_bank_is_replaced_in_one_moment_and_nothing_of_the_old_one_is_left(server, store):
    await story(store)
    key = server.query("MATCH (b:Bank) RETURN b.bank_key AS key")[0]["key"]
    dump = await store.dump("ann")
    await put(store, "ann", 5, Add("Ann sails", "Ann", ("S1:5",)))
    assert await store.load(dump, replace=True) == dump.bank
    assert await store.dump("ann") == dump
    assert count(server, "MATCH (n) WHERE n.bank_key = $key", key=key) == 0
    broken = made_dump("ann", 520)
    broken = replace(broken, memories=(*broken.memories[:-1], broken.memories[0]))
    with pytest.raises(ConflictError):
        await store.load(broken, replace=True)
    assert await store.dump("ann") == dump


async def test_forgetting_reads_only_what_it_touches(server, store, monkeypatch):
    await story(store)
    said = turn(5, text="Ann has two dogs indeed.")
    await put(store, "ann", 5, Noop(("S1:5",), "Ann has two dogs", target="m3", reason="duplicate"), turns=(said,))
    await put(store, "ann", 6, Noop(("S1:5", "S1:6"), "indeed", reason="not-a-fact"))
    await put(store, "ann", 7, Noop(("S1:7",), "nothing", reason="not-a-fact"))
    monkeypatch.setattr(erasing, "_PAGE", 2)
    await store.forget("ann", "m3", NOW)
    log = await store.log("ann")
    assert [[getattr(op, "text", "") for op in entry.operations] for entry in log] == [
        [""], ["Bob plays chess"], [""], [""], [""], [""], ["nothing"], [""]]  # fmt: skip
    assert [t.text for t in await store.turns("ann")] == ["", "hello", "", "hello", "", "hello", "hello"]


async def test_two_that_load_one_bank_leave_one(server, store):
    dump = made_dump("a", 300)
    async with await server.open() as other:
        done = await asyncio.gather(store.load(dump), other.load(dump), return_exceptions=True)
    assert sorted(type(d).__name__ for d in done) == ["Bank", "ConflictError"]
    assert count(server, "MATCH (m:Memory)") == 300 and count(server, "MATCH (b:Bank)") == 1


def test_dead_loads_are_told_from_running_ones(server):
    server.query("CREATE (:Loading {bank: 'x', bank_key: '1', step: 0, since: timestamp()})")
    server.query(
        "CREATE (:Loading {bank: 'y', bank_key: '2', step: 0, since: timestamp() - $age})", age=erasing.ABANDONED + 1
    )

    async def connect():
        async with await server.open():
            return [row["bank"] for row in server.query("MATCH (n) WHERE n.bank_key IS NOT NULL RETURN n.bank AS bank")]

    assert asyncio.run(connect()) == ["x"]


async def test_a_loaded_bank_is_the_same_graph(server, store):
    await story(store)
    before = links(server)
    dump = await store.dump("ann")
    await store.erase_bank("ann")
    assert links(server) == {}
    await store.load(dump)
    assert links(server) == before
