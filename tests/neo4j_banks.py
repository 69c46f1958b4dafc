"""Banks and fixtures for the tests of the Neo4j store."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.store import Dump
from memory_r1.memory.types import Add, Bank, Delete, Memory, Revision, Turn, Update, Write

EMBEDDER = HashedEmbedder(64)
NOW = datetime(2024, 3, 1, 9, 30)


@pytest.fixture(name="server")
def server_fixture(request, neo4j_servers):
    """An empty server of each version."""
    found = neo4j_servers(request.param)
    found.wipe()
    return found


@pytest.fixture(name="store")
async def store_fixture(server):
    """An open store on it."""
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
