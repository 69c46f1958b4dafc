"""A Neo4j server that dies and comes back, and many writers: nothing lost, nothing twice, nothing mixed."""

import asyncio
import random
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import ConflictError, StoreUnavailableError
from memory_r1.memory.types import Add, Noop, Turn, Update, Write
from tests.neo4j_server import own_server

pytestmark = pytest.mark.neo4j

EMBEDDER = HashedEmbedder(64)
START = datetime(2024, 1, 1)


def step(number):
    """Write 0, 1, … of an ingestion that adds, updates and ignores. Of every 4 steps the first 3 make a memory."""
    time = START + timedelta(hours=number)
    said = Turn(f"t{number}", f"s{number // 10}", number % 10, "Ada", f"Turn {number}.", time)
    made = number // 4 * 3 + number % 4
    operation = {
        0: Add(f"Ada has {number} books", "Ada", (said.id,), entities=("Ada",)),
        1: Add(f"Ada met Ben at mile {number}", "Ada", (said.id,)),
        2: Update((f"m{made}",), f"Ada met Ben and Eve at mile {number}", "Ada", (said.id,)),
        3: Noop((said.id,), said.text, reason="not-a-fact"),
    }[number % 4]
    return Write(f"step-{number}", said.time, (said,), (operation,))


async def put(store, bank, write):
    new = [op.text for op in write.operations if op.kind in ("add", "update")]
    return await store.write(bank, write, EMBEDDER.vectors(new))


async def ingest(store, bank, first, last, acknowledged=None):
    """Apply steps first … last - 1, noting each that the store acknowledged."""
    for number in range(first, last):
        await put(store, bank, step(number))
        if acknowledged is not None:
            acknowledged.append(number)


async def same(store, one, two):
    """Whether two banks hold the same, but for their ids."""
    a, b = await store.dump(one), await store.dump(two)
    assert (replace(a.bank, id="", created=START), a.turns, a.memories, a.log) == (
        replace(b.bank, id="", created=START), b.turns, b.memories, b.log)  # fmt: skip
    return np.array_equal(a.vectors, b.vectors)


@pytest.fixture
def mortal(request, tmp_path):
    """A server of this test alone, to stop and kill."""
    server = own_server(request.param, tmp_path / "neo4j")
    yield server
    server.stop()


async def until(done, condition):
    """Wait until `condition` holds, or the task `done` has ended."""
    while not condition() and not done.done():
        await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("mortal", "rounds"), [("5.26", 3), ("2026", 2)], indirect=["mortal"])
async def test_kill_9_loses_nothing_and_applies_nothing_twice(mortal, rounds):
    rng = random.Random(4)
    await mortal.start().ready()
    async with await mortal.open(patience=120) as store:
        await store.open_bank("b", EMBEDDER, START)
        acknowledged, first = [], 0
        for _ in range(rounds):
            goal = first + rng.randrange(15, 40)
            writer = asyncio.ensure_future(ingest(store, "b", first, first + 10_000, acknowledged))
            await until(writer, lambda goal=goal: acknowledged and acknowledged[-1] >= goal)
            await asyncio.sleep(rng.random() / 50)
            mortal.kill()
            writer.cancel()
            await asyncio.wait([writer])
            await mortal.start().ready()
            first = acknowledged[-1] + 1
            state = await store.bank("b")
            assert state.revision in (first, first + 1), "an acknowledged step was lost, or one was applied twice"
        last = first + 10
        await ingest(store, "b", first, last)
        await store.open_bank("whole", EMBEDDER, START)
        await ingest(store, "whole", 0, last)
        assert await same(store, "b", "whole")
        newest = (await store.memories("b"))[-1]
        assert newest.id in [h.memory.id for h in await store.search("b", newest.text, EMBEDDER)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mortal", ["5.26", "2026"], indirect=True)
async def test_a_restart_in_the_middle_is_waited_for_or_reported(mortal):
    await mortal.start().ready()
    async with await mortal.open(patience=200) as patient, await mortal.open(patience=10) as impatient:
        await patient.open_bank("b", EMBEDDER, START)
        acknowledged = []
        writer = asyncio.ensure_future(ingest(patient, "b", 0, 60, acknowledged))
        await until(writer, lambda: len(acknowledged) > 15)
        await asyncio.to_thread(mortal.stop)
        with pytest.raises(StoreUnavailableError, match=r"is not available|did not answer"):
            await put(impatient, "b", step(60))
        await mortal.start().ready()
        await writer
        await ingest(impatient, "b", 55, 64)
        await patient.open_bank("whole", EMBEDDER, START)
        await ingest(patient, "whole", 0, 64)
        assert await same(patient, "b", "whole")


@pytest.mark.parametrize("version", ["5.26", "2026"])
async def test_eight_connections_on_one_bank_lose_no_update(neo4j_servers, version):
    server = neo4j_servers(version)
    server.wipe()
    stores = await asyncio.gather(*(server.open() for _ in range(8)))
    await stores[0].open_bank("b", EMBEDDER, START)
    said = Turn("t", "s", 0, "Ada", "Count.", START)

    async def writer(name, store):
        done = 0
        while done < 3:
            state = await store.bank("b")
            live = await store.memories("b")
            value = int(live[0].text.split()[-1]) + 1 if live else 1
            text = f"The counter stands at {value}"
            operation = Update((live[0].id,), text, "Ada", ("t",)) if live else Add(text, "Ada", ("t",))
            try:
                await put(store, "b", Write(f"{name}-{done}", START, (said,), (operation,), expected=state.revision))
                done += 1
            except ConflictError:
                continue

    await asyncio.gather(*(writer(name, store) for name, store in enumerate(stores)))
    assert [m.text for m in await stores[0].memories("b")] == ["The counter stands at 24"]
    assert len(await stores[0].history("b", "m1")) == 24 and (await stores[0].bank("b")).revision == 24
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize("version", ["5.26", "2026"])
async def test_a_hundred_banks_over_several_connections_do_not_mix(neo4j_servers, version):
    server = neo4j_servers(version)
    server.wipe()
    stores = await asyncio.gather(*(server.open() for _ in range(3)))
    names = [f"{form}{n}" for n in range(34) for form in ("u-", "U-", "u-1-")]

    async def fill(name, store):
        await store.open_bank(name, EMBEDDER, START)
        for n in range(3):
            said = Turn(f"t{n}", "s", n, "Ada", "Hm.", START)
            operation = Add(f"The password of {name} is {n}", "Ada", (said.id,), entities=("Password",))
            await put(store, name, Write(f"k{n}", START, (said,), (operation,)))

    await asyncio.gather(*(fill(name, stores[n % 3]) for n, name in enumerate(names)))
    for name in names:
        hits = await stores[0].search(name, "What is the password?", EMBEDDER)
        assert sorted(h.memory.text for h in hits) == [f"The password of {name} is {n}" for n in range(3)]
    await asyncio.gather(*(store.close() for store in stores))
