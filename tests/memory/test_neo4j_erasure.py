"""What was forgotten leaves the files of a Neo4j server that is set up for it, by the recipe of `memory/GRAPH.md`."""

import asyncio
import time
from datetime import datetime, timedelta

import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.stores.neo4j_schema import TERMS, vector_index
from memory_r1.memory.types import Add, Turn, Write
from tests.neo4j_server import own_server

pytestmark = [pytest.mark.neo4j, pytest.mark.slow]

EMBEDDER = HashedEmbedder(64)
START = datetime(2024, 1, 1)
SETTINGS = """
db.tx_log.rotation.retention_policy=keep_none
db.tx_log.rotation.size=128k
db.tx_log.preallocate=false
db.checkpoint.interval.time=5s
"""
SECRET = "zyxwquarkle"
STORY = f"{SECRET} was said about the quiet garden behind the old mill that night. " * 6
QUIET = "Nobody ever asked about the weather in the valley or in the town. " * 6
RECORD = 120
"""Bytes that a record of the string and array stores holds. What fills records to the end leaves nothing of the old."""
TEXT, ARRAY = 1_000 * RECORD, 1_000 * RECORD - 3
PATIENCE = 60
"""Seconds in which the checkpoints must have written and pruned what they will."""


@pytest.fixture
def careful(request, tmp_path):
    """A server that keeps as little as it can."""
    server = own_server(request.param, tmp_path / "neo4j", SETTINGS)
    server.start().wait()
    yield server
    server.stop()


async def say(store, bank, number, text):
    """Write one turn and one memory of it, with a vector that no other has; the vector."""
    said = Turn(f"t{number}", f"s{number // 20}", number % 20, "Ada", text, START + timedelta(minutes=number))
    write = Write(f"turn:{number}", said.time, (said,), (Add(f"Ada said: {text}", "Ada", (said.id,)),))
    vector = np.random.default_rng([number, len(bank)]).normal(size=(1, EMBEDDER.dim)).astype(np.float32)
    await store.write(bank, write, vector / np.linalg.norm(vector))
    return (vector / np.linalg.norm(vector))[0]


def pieces(vector):
    """Each four numbers in a row, in all forms: records and blocks cut a vector into parts."""
    rows = [vector.astype(form) for form in ("<f4", ">f4", "<f8", ">f8")]
    return [row[at : at + 4].tobytes() for row in rows for at in range(len(row) - 3)]


def traces(server, *marks):
    """The files of the server that hold one of `marks`, by name."""
    files = [path for path in (server.home / "data").rglob("*") if path.is_file()]
    return sorted({str(path.relative_to(server.home)) for path in files if _holds(path, marks)})


def _holds(path, marks):
    try:
        held = path.read_bytes()
    except FileNotFoundError:  # a log that was pruned just now
        return False
    return any(mark in held for mark in marks)


async def until(done):
    """Wait for checkpoints until `done()`; whether it came to that."""
    end = time.monotonic() + PATIENCE
    while not (came := done()) and time.monotonic() < end:
        await asyncio.sleep(1)
    return came


@pytest.mark.parametrize("careful", ["5.26", "2026"], indirect=True)
async def test_no_byte_of_what_was_forgotten_is_left_by_the_documented_recipe(careful):
    async with await careful.open() as store:
        await store.open_bank("ada", EMBEDDER, START)
        for number in range(10):
            await say(store, "ada", number, f"Day {number}. " + QUIET)
        vector = await say(store, "ada", 10, STORY)
        await say(store, "ada", 11, "Day 11. " + QUIET)
        text, numbers = [SECRET.encode(), SECRET.encode("utf-16-le"), SECRET.encode("utf-16-be")], pieces(vector)
        assert await until(lambda: any(at.endswith(".strings") for at in traces(careful, *text)))
        assert await until(lambda: any(at.endswith(".arrays") for at in traces(careful, *numbers)))
        await store.forget("ada", "m11", START)
        for _ in range(8):
            await asyncio.sleep(1.5)  # the server frees records once a second or so
            careful.query("CREATE (f:Filler {text: $words, numbers: $numbers})", words="x" * TEXT, numbers=bytes(ARRAY))
        careful.query("MATCH (f:Filler) DELETE f")
    for name in (TERMS, vector_index("embedding_64")):
        careful.query(f"DROP INDEX {name}")
    async with await careful.open() as store:
        await store.open_bank("next", EMBEDDER, START)
        await until(lambda: not traces(careful, *text, *numbers))
        assert traces(careful, *text, *numbers) == []
        assert len(await store.memories("ada")) == 11
