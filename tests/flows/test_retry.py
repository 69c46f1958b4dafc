"""Turns in which a model failed are taken once more, at their place, and nothing is stored twice."""

from graph_fakes import Says, roles, said

from memory_r1.flows.ingest import ingest, retry
from memory_r1.graphs import build_agent
from memory_r1.graphs.remember import unfinished
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Fact

TURNS = (said("I have a dog", 0), said("I have a boat. I have a car", 1), said("I like tea", 2))


async def bank_with_a_failure(broken) -> InMemoryStore:
    store = InMemoryStore()
    await ingest(build_agent(store, roles=roles()), "ann", TURNS[:1])
    summary = await ingest(build_agent(store, roles=broken), "ann", TURNS[:2])
    assert summary.turns == 1 and sum(summary.failures.values()) == 1
    await ingest(build_agent(store, roles=roles()), "ann", TURNS)
    return store


async def texts(store: InMemoryStore) -> list[str]:
    return [memory.text for memory in await store.memories("ann")]


async def test_a_failed_turn_is_taken_again_with_the_turns_before_it():
    store = await bank_with_a_failure(roles(Says(MalformedOutputError("no JSON"))))
    assert unfinished(await store.log("ann")) == {"s1:1": 1}
    fakes = roles()
    summary = await retry(build_agent(store, roles=fakes), "ann")
    assert (summary.turns, summary.operations) == (1, {"add": 2})
    assert [t.id for t in fakes.extractor.calls[0][1]] == ["s1:0"]
    assert await texts(store) == ["I have a dog.", "I like tea.", "I have a boat.", "I have a car."]
    assert [(m.session, m.index) for m in await store.memories("ann", ["m3"])] == [("s1", 1)]
    assert unfinished(await store.log("ann")) == {}
    assert (await retry(build_agent(store, roles=fakes), "ann")).total == 0


async def test_a_turn_that_fails_again_can_be_taken_again():
    broken = roles(manager=Says(MalformedOutputError("no JSON")))
    store = await bank_with_a_failure(broken)
    for tried in (2, 3):
        summary = await retry(build_agent(store, roles=broken), "ann")
        assert sum(summary.failures.values()) == 1
        assert unfinished(await store.log("ann")) == {"s1:1": tried}
    await retry(build_agent(store, roles=roles()), "ann")
    assert len(await texts(store)) == 4


async def test_an_interrupted_retry_applies_once():
    store = await bank_with_a_failure(roles(Says(MalformedOutputError("no JSON"))))
    agent = build_agent(store, roles=roles())
    await agent.learn(TURNS[1], "ann", 1)
    assert (await agent.learn(TURNS[1], "ann", 1)).repeated
    assert len(await texts(store)) == 4


async def test_a_forgotten_turn_is_not_taken_again():
    store = InMemoryStore()
    facts = [Fact("Ann has a boat.", "Ann", ("s1:0",)), Fact("x" * 9_000, "Ann", ("s1:0",))]
    await build_agent(store, roles=roles(Says(facts))).learn(said("I have a boat"), "ann")
    assert unfinished(await store.log("ann")) == {"s1:0": 1}
    await store.forget("ann", "m1", TURNS[0].time)
    assert (await retry(build_agent(store, roles=roles()), "ann")).total == 0
    assert await texts(store) == []
