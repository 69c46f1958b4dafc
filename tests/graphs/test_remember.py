"""`remember`: which steps run, what is written, and that nothing is written twice or by halves."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from graph_fakes import Adds, Says, Sentences, bank, roles, said
from langgraph.checkpoint.memory import InMemorySaver

from memory_r1.graphs import Limits, Settings, build_agent
from memory_r1.graphs.remember import write_key
from memory_r1.memory.errors import (
    ConflictError,
    InputError,
    MalformedOutputError,
    ModelUnavailableError,
    StoreUnavailableError,
)
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Add, Delete, Fact, Noop, Update, Write


async def test_a_turn_becomes_one_revision_that_names_it():
    store = InMemoryStore()
    done = await build_agent(store, roles=roles()).learn(said("I have a dog. He is called Rex"), "ann")
    assert [op.text for op in done.operations if isinstance(op, Add)] == ["I have a dog.", "He is called Rex."]
    assert (done.revision, done.created, done.ended, done.repeated) == (1, ("m1", "m2"), (), False)
    assert [m.turns for m in await store.memories("ann")] == [("s1:0",), ("s1:0",)]
    assert (await store.log("ann"))[0].key == write_key(said("I have a dog. He is called Rex"))


async def test_a_known_turn_asks_nobody_and_writes_nothing():
    fakes = roles()
    agent = build_agent(InMemoryStore(), roles=fakes)
    await agent.learn(said("I have a dog"), "ann")
    again = await agent.learn(said("I have a dog"), "ann")
    assert again.repeated and again.operations == () and len(fakes.extractor.calls) == 1
    assert (await agent.store.bank("ann")).revision == 1


async def test_a_turn_id_with_other_content_is_refused_before_any_call():
    fakes = roles()
    agent = build_agent(InMemoryStore(), roles=fakes)
    await agent.learn(said("I have a dog"), "ann")
    with pytest.raises(ConflictError, match="other content"):
        await agent.learn(said("I have a cat"), "ann")
    assert len(fakes.extractor.calls) == 1


async def test_a_forgotten_turn_is_not_learnt_again():
    agent = build_agent(InMemoryStore(), roles=roles())
    await agent.learn(said("I have a dog"), "ann")
    await agent.store.forget("ann", "m1", said("").time)
    again = await agent.learn(said("I have a dog"), "ann")
    assert again.repeated and await agent.store.memories("ann") == []


async def test_a_turn_without_facts_is_stored_without_the_manager():
    fakes = roles()
    agent = build_agent(InMemoryStore(), roles=fakes)
    done = await agent.learn(said("Hi"), "ann")
    assert done.operations == () and done.revision == 1 and not fakes.manager.calls
    assert [t.id for t in await agent.store.turns("ann")] == ["s1:0"]


async def test_an_exact_repeat_is_a_noop_without_the_manager():
    fakes = roles()
    agent = build_agent(InMemoryStore(), roles=fakes)
    await agent.learn(said("I have a dog"), "ann")
    done = await agent.learn(said("i  HAVE a dog", 1), "ann")
    assert done.operations == (Noop(("s1:1",), "i  HAVE a dog.", "m1", "duplicate"),)
    assert len(fakes.manager.calls) == 1 and (await agent.store.bank("ann")).live == 1


async def test_a_fact_said_twice_in_a_turn_is_added_once():
    done = await build_agent(InMemoryStore(), roles=roles()).learn(said("I like tea. I like tea"), "ann")
    assert sorted(op.kind for op in done.operations) == ["add", "noop"]


async def test_another_day_or_speaker_makes_no_repeat():
    agent = build_agent(InMemoryStore(), roles=roles())
    await agent.learn(said("I ran a race"), "ann")
    assert (await agent.learn(said("I ran a race", 1, speaker="Bob"), "ann")).created == ("m2",)
    dated = Fact("I ran a race.", "Ann", ("s1:2",), when="2023-05-02")
    again = build_agent(agent.store, roles=roles(Says([dated])))
    assert (await again.learn(said("x", 2), "ann")).created == ("m3",)


async def test_the_extractor_sees_the_turns_before_it_in_its_session():
    fakes = roles()
    agent = build_agent(InMemoryStore(), roles=fakes, settings=Settings(limits=Limits(context=2)))
    for number in range(4):
        await agent.learn(said(f"Turn {number}", number), "ann")
    await agent.learn(said("Elsewhere", 0, session="s2"), "ann")
    assert [[t.id for t in context] for _, context in fakes.extractor.calls] == [
        [], ["s1:0"], ["s1:0", "s1:1"], ["s1:1", "s1:2"], [],
    ]  # fmt: skip


async def test_the_manager_sees_few_candidates_of_its_own_bank():
    fakes = roles()
    agent = build_agent(InMemoryStore(), roles=fakes)
    await agent.learn(said("I have a secret dog"), "bob")
    for number in range(8):
        await agent.learn(said(f"I have dog number {number}", number), "ann")
    facts, candidates = fakes.manager.calls[-1]
    assert len(facts) == len(candidates) == 1 and len(candidates[0]) == 5
    assert not any("secret" in hit.memory.text for hits in candidates for hit in hits)


async def test_a_malformed_extractor_is_a_visible_failure_and_the_turn_is_kept(caplog: pytest.LogCaptureFixture):
    agent = build_agent(InMemoryStore(), roles=roles(Says(MalformedOutputError("no JSON"))))
    with caplog.at_level(logging.WARNING):
        done = await agent.learn(said("I have a dog"), "ann")
    assert [(f.role, f.kind, f.detail) for f in done.failures] == [("extractor", "malformed", "no JSON")]
    assert done.operations == (Noop(("s1:0",), reason="failed: malformed extractor reply"),)
    assert (await agent.store.log("ann"))[0].operations == done.operations
    (line,) = [line for line in caplog.records if "extractor failed" in line.getMessage()]
    assert "no JSON" not in line.getMessage()
    assert line.__dict__["content"] == "no JSON"


UNFIT = [
    Fact(" ", "Ann", ("s1:0",)),
    Fact("x" * 9_000, "Ann", ("s1:0",)),
    Fact("a\0b", "Ann", ("s1:0",)),
    Fact("I ran.", "Ann", ("s1:0",), when="soon"),
    Fact("I ran.", "Ann", ("s9:9", "s1:0")),
    Fact("I ran.", "Ann", ()),
]


@pytest.mark.parametrize("unfit", UNFIT, ids=["blank", "long", "NUL", "when", "other turn", "no turn"])
async def test_a_fact_that_no_store_takes_is_a_visible_failure_and_the_others_are_kept(unfit: Fact):
    good = Fact("I have a dog.", "Ann", ("s1:0",))
    done = await build_agent(InMemoryStore(), roles=roles(Says([unfit, good]))).learn(said("x"), "ann")
    assert [op.kind for op in done.operations] == ["noop", "add"] and done.created == ("m1",)
    assert done.operations[0] == Noop(("s1:0",), reason="failed: a fact that can't be stored")
    assert [f.role for f in done.failures] == ["extractor"]


@pytest.mark.parametrize(
    "outcome",
    [
        MalformedOutputError("no JSON"),
        [Add("x" * 9_000, "Ann", ("s1:1",))],
        [Add("x", "Ann", ("s1:1",), when="soon")],
        [Delete(("m1",), ("s1:1",))],  # not among the candidates
        [Update(("m9",), "x", "Ann", ("s1:1",))],
        [Noop(("s1:1",), "", "m77")],
    ],
    ids=["malformed", "long", "when", "unseen delete", "unseen update", "unseen noop"],
)
async def test_a_failing_manager_changes_nothing_and_its_facts_stay_in_the_log(outcome: object):
    store = InMemoryStore()
    await build_agent(store, roles=roles()).learn(said("Zebras graze"), "ann")
    blind = Settings(limits=Limits(candidates=0))
    agent = build_agent(store, roles=roles(manager=Says(outcome)), settings=blind)
    done = await agent.learn(said("Cars drive. Boats float", 1), "ann")
    assert [(op.kind, op.text, op.reason) for op in done.operations if isinstance(op, Noop)] == [
        ("noop", "Cars drive.", "failed: malformed manager reply"),
        ("noop", "Boats float.", "failed: malformed manager reply"),
    ]
    assert [f.role for f in done.failures] == ["manager"] and (await store.bank("ann")).live == 1


@pytest.mark.parametrize("role", ["extractor", "manager"])
async def test_an_unavailable_model_leaves_the_turn_unwritten_so_that_it_can_be_tried_again(role: str):
    store = InMemoryStore()
    broken = build_agent(store, roles=roles(**{role: Says(ModelUnavailableError("down"))}))
    with pytest.raises(ModelUnavailableError):
        await broken.learn(said("I have a dog"), "ann")
    assert (await store.bank("ann")).revision == 0 and await store.turns("ann") == []
    assert (await build_agent(store, roles=roles()).learn(said("I have a dog"), "ann")).created == ("m1",)


class Meddling(Adds):
    """A manager during whose decision another writer adds to the bank, `times` times."""

    def __init__(self, store: InMemoryStore, text: str, times: int = 1) -> None:
        super().__init__()
        self.other = build_agent(store, roles=roles())
        self.text, self.times = text, times

    async def decide(self, facts, candidates):
        if self.times:
            self.times -= 1
            await self.other.learn(said(f"{self.text} {self.times}", 100 + self.times), "ann")
        return await super().decide(facts, candidates)


async def test_when_the_bank_moved_on_the_manager_decides_again_on_what_is_there():
    store = InMemoryStore()
    manager = Meddling(store, "I have a dog called Rex")
    done = await build_agent(store, roles=roles(manager=manager)).learn(said("I have a dog called Max"), "ann")
    assert [[len(hits) for hits in candidates] for _, candidates in manager.calls] == [[0], [1]]
    assert done.revision == 2 and done.created == ("m2",)


async def test_the_same_candidates_are_not_decided_twice():
    store = InMemoryStore()
    manager = Meddling(store, "no")  # two letters: the other writer stores a turn without facts
    manager.text = "Oh"
    done = await build_agent(store, roles=roles(manager=manager)).learn(said("I have a dog called Max"), "ann")
    assert len(manager.calls) == 1 and done.revision == 2


async def test_a_bank_that_never_rests_ends_in_a_conflict_and_nothing_written():
    store = InMemoryStore()
    manager = Meddling(store, "I have a dog called Rex", times=50)
    agent = build_agent(store, roles=roles(manager=manager), settings=Settings(limits=Limits(attempts=3)))
    with pytest.raises(ConflictError):
        await agent.learn(said("I have a dog called Max"), "ann")
    assert len(manager.calls) == 3 and "s1:0" not in [t.id for t in await store.turns("ann")]


async def test_eight_writers_on_one_bank_lose_nothing():
    store = InMemoryStore()
    turns = [said(f"Writer {w} has thing {n}", n, session=f"w{w}") for w in range(8) for n in range(5)]

    async def write(writer: int) -> None:
        agent = build_agent(store, roles=roles())
        for turn in turns[writer * 5 : writer * 5 + 5]:
            await agent.learn(turn, "ann")

    await asyncio.gather(*(write(w) for w in range(8)))
    assert {m.text for m in await store.memories("ann")} == {t.text + "." for t in turns}
    assert (await store.bank("ann")).revision == 40


async def test_eight_connections_to_one_file_lose_nothing(tmp_path: Path):
    turns = [said(f"Writer {w} has thing {n}", n, session=f"w{w}") for w in range(8) for n in range(3)]

    async def write(writer: int) -> None:
        async with await SqliteStore.open(tmp_path / "store.db") as store:
            agent = build_agent(store, roles=roles())
            for turn in turns[writer * 3 : writer * 3 + 3]:
                await agent.learn(turn, "ann")

    await asyncio.gather(*(write(w) for w in range(8)))
    async with await SqliteStore.open(tmp_path / "store.db") as store:
        assert {m.text for m in await store.memories("ann")} == {t.text + "." for t in turns}
        assert [r.number for r in await store.log("ann")] == list(range(1, 25))


async def test_a_hundred_banks_at_once_stay_apart():
    agent = build_agent(InMemoryStore(), roles=roles())
    await asyncio.gather(*(agent.learn(said(f"My number is {n}"), f"b{n}") for n in range(100)))
    for n in range(100):
        assert [m.text for m in await agent.store.memories(f"b{n}")] == [f"My number is {n}."]


async def test_a_write_that_happened_before_a_crash_is_not_repeated():
    """The write went through, but its step ran again: the key brings back the first receipt."""
    store, turn = InMemoryStore(), said("I have a dog")
    agent = build_agent(store, roles=roles())
    done = await agent.learn(turn, "ann")
    vectors = await agent.embedder.embed(["x"])
    receipt = await store.write("ann", Write(write_key(turn), turn.time, (turn,), done.operations, expected=0), vectors)
    assert receipt.repeated and (await store.bank("ann")).revision == 1


class Forgetful(InMemoryStore):
    """A store whose first write goes through, although its caller is told that it failed."""

    told = False

    async def write(self, *args):
        receipt = await super().write(*args)
        if not self.told:
            self.told = True
            raise StoreUnavailableError("the connection broke")
        return receipt


async def test_a_step_that_runs_again_after_its_write_applies_once():
    store = Forgetful()
    agent = build_agent(store, roles=roles())
    graph = agent.remember.copy(update={"checkpointer": InMemorySaver()})
    config = {"configurable": {"bank": "ann", "thread_id": "t"}}
    with pytest.raises(StoreUnavailableError):
        await graph.ainvoke({"turn": said("I have a dog")}, config)
    resumed = await graph.ainvoke(None, config)
    assert resumed["receipt"] == {"revision": 1, "created": ["m1"], "ended": [], "repeated": True}
    assert (await store.bank("ann")).live == 1
    assert (await agent.learn(said("I have a dog"), "ann")).repeated


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ({"id": "x"}, "session: Field required"),
        ("hello", "is no turn"),
        (said("a\0b"), "NUL"),
        (said("a\ud800b"), "surrogate"),
    ],
)
async def test_what_is_no_turn_is_refused(turn: object, message: str):
    fakes = roles()
    with pytest.raises(InputError, match=message):
        await build_agent(InMemoryStore(), roles=fakes).remember.ainvoke({"turn": turn}, bank())
    assert not fakes.extractor.calls


async def test_a_turn_may_come_as_json():
    agent = build_agent(InMemoryStore(), roles=roles())
    data = {"id": "t", "session": "s", "index": 0, "speaker": "Ann", "text": "I have a dog", "time": "2023-05-01T10:00"}
    out = await agent.remember.ainvoke({"turn": data}, bank())
    assert out["receipt"] == {"revision": 1, "created": ["m1"], "ended": [], "repeated": False}
    assert out["operations"][0]["text"] == "I have a dog."
    assert set(out) == {"operations", "receipt", "failures", "usage"}


async def test_the_digest_tells_turns_apart():
    turn = said("a")
    assert len({write_key(turn), write_key(replace(turn, text="b")), write_key(replace(turn, caption="c"))}) == 3


def test_sentences_is_a_fair_fake():
    assert asyncio.run(Sentences().extract(said("Hi. I have a dog."), []))[0].text == "I have a dog."
