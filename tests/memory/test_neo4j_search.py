"""How the Neo4j store searches: by its indexes, or by an index that follows the bank."""

import asyncio
import re

import numpy as np
import pytest

from memory_r1.memory.errors import UnknownBankError
from memory_r1.memory.ranking import Query
from memory_r1.memory.stores import neo4j_queries as cypher
from memory_r1.memory.stores.neo4j_schema import vector_index
from memory_r1.memory.types import Add, Delete, Update, Write
from tests.neo4j_banks import (  # noqa: F401  fixtures
    EMBEDDER,
    NOW,
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


async def found(store, words="dog chess pets", bank="ann"):
    """The texts that a search finds, sorted."""
    return sorted(hit.memory.text for hit in await store.search(bank, words, EMBEDDER))


async def test_an_index_follows_what_other_processes_write(server, store):
    await store.open_bank("ann", EMBEDDER, NOW)
    assert await found(store) == []
    async with await server.open() as other:
        await put(other, "ann", 1, Add("Ann has a dog", "Ann", ("S1:1",)), Add("Ann plays chess", "Ann", ("S1:1",)))
        assert await found(store) == ["Ann has a dog", "Ann plays chess"]
        await put(other, "ann", 2, Update(("m1",), "Ann has two dogs", "Ann", ("S1:2",)))
        await put(other, "ann", 3, Add("Ann has pets", "Ann", ("S1:3",)))
        await put(other, "ann", 4, Delete(("m4",), ("S1:4",)))
        assert await found(store) == ["Ann has two dogs", "Ann plays chess"]
        await other.undo("ann", 4, NOW)
        assert await found(store) == ["Ann has pets", "Ann has two dogs", "Ann plays chess"]
        await other.forget("ann", "m2", NOW)
        assert await found(store) == ["Ann has pets", "Ann has two dogs"]
        await other.erase_bank("ann")
        with pytest.raises(UnknownBankError):
            await found(store)
        await story(other)
        assert await found(store) == ["Ann has two dogs"]


async def test_an_index_is_read_anew_with_another_embedder(server, store):
    await store.load(made_dump("a", 60))
    fresh = made_dump("b", 60, seed=5).vectors
    query = Query.of("", fresh[7])
    await store.search_vector("a", query)
    async with await server.open() as other:
        rows = {f"m{n + 1}": row for n, row in enumerate(fresh)}
        await other.replace_vectors("a", "new/64", 64, rows, 1)
    best = max(await store.search_vector("a", query), key=lambda hit: hit.dense)
    assert best.memory.id == "m8" and best.dense == pytest.approx(1.0, abs=1e-5)


async def test_searches_beside_writes_never_miss_what_was_acknowledged(server, store):
    await store.open_bank("ann", EMBEDDER, NOW)
    done = []

    async def write(other):
        for number in range(1, 31):
            ended = (f"m{number - 1}",) if number > 1 else ()
            new = (Update(ended, f"Ann has {number} dogs", "Ann", (f"S1:{number}",)) if ended
                   else Add("Ann has 1 dogs", "Ann", ("S1:1",)))  # fmt: skip
            await put(other, "ann", number, new)
            done.append(number)

    async def search():
        while len(done) < 30:
            least = len(done)
            for hit in await store.search("ann", "dogs", EMBEDDER):
                assert int(hit.memory.text.split()[2]) >= least
            await asyncio.sleep(0)

    async with await server.open() as other:
        await asyncio.gather(write(other), search(), search())
    assert await found(store, "dogs") == ["Ann has 30 dogs"]


async def test_the_servers_indexes_and_a_followed_index_agree(server, store):
    await store.load(made_dump("a", 700))
    query = Query.of("word13 word14", made_dump("q", 1, seed=9).vectors[0])
    first = await store.search_vector("a", query)
    await store.search_vector("a", query)
    again = await store.search_vector("a", query)
    assert [hit.memory for hit in first] == [hit.memory for hit in again]
    assert np.allclose([hit.score for hit in first], [hit.score for hit in again], atol=1e-4)
