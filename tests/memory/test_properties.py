"""Whatever is written, in whatever order: the store agrees with a model that copies everything."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import EMBEDDER, START, Act, Story, act, acts, put, text, told, turn

from memory_r1.memory.apply import Change, plan, taken_back
from memory_r1.memory.errors import MemoryR1Error
from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Add, Bank, Delete, Memory, Write

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def replayed(story: Story, store: Store) -> Store:
    """A bank made from nothing but the log's operations and the turns."""
    await store.open_bank("b", EMBEDDER, START)
    turns = tuple(await story.store.turns("b"))
    for entry in await story.store.log("b"):
        said = tuple(one for one in turns if one.id in entry.turns)
        await put(store, Write(entry.key, entry.recorded, said, entry.operations, undoes=entry.undoes))
    return store


# --- properties ---------------------------------------------------------------------------------------------


@given(acts)
@settings(max_examples=300, derandomize=True)
def test_the_store_agrees_with_the_model(plot: list[Act]) -> None:
    run(told(InMemoryStore(), plot))


@given(acts)
@settings(max_examples=60, derandomize=True)
def test_replaying_the_log_on_an_empty_bank_gives_the_same_bank(plot: list[Act]) -> None:
    async def work() -> None:
        story = await told(InMemoryStore(), plot)
        again = await replayed(story, InMemoryStore())
        assert await Story(again).state() == await story.state()

    run(work())


@given(acts)
@settings(max_examples=60, derandomize=True)
def test_undoing_all_backwards_empties_the_bank_and_undoing_that_fills_it(plot: list[Act]) -> None:
    async def work() -> None:
        story = await told(InMemoryStore(), plot)
        texts = story.model.texts
        full, end = sorted(texts[-1].values()), len(texts)
        for number in range(end - 1, 0, -1):
            await undo(story, number)
        assert texts[-1] == {}
        for number in range(len(texts) - 1, end - 1, -1):
            await undo(story, number)
        assert sorted(texts[-1].values()) == full
        await story.check()

    async def undo(story: Story, number: int) -> None:
        entry, *later = await story.store.log("b", number - 1)
        if (entry.created or entry.ended) and not taken_back(number, later):
            assert await story._undo(Act("undo", picks=(len(story.model.texts) - 1 - number,)))

    run(work())


@given(acts)
@settings(max_examples=60, derandomize=True)
def test_a_loaded_dump_is_the_bank(plot: list[Act]) -> None:
    async def work() -> None:
        story = await told(InMemoryStore(), plot)
        copy = InMemoryStore()
        await copy.load(await story.store.dump("b"))
        assert await Story(copy).state() == await story.state()
        assert await found(copy) == await found(story.store)

    run(work())


async def found(store: Store) -> list[tuple[str, float]]:
    hits = await store.search("b", "Who moved to Lyon in May?", EMBEDDER)
    return [(hit.memory.id, round(hit.score, 4)) for hit in hits]


@given(acts)
@settings(max_examples=60, derandomize=True)
def test_a_search_sees_just_what_is_live(plot: list[Act]) -> None:
    async def work() -> None:
        story = await told(InMemoryStore(), plot)
        assert {id for id, _ in await found(story.store)} == story.model.texts[-1].keys()
        rebuilt = await replayed(story, InMemoryStore())
        assert await found(rebuilt) == await found(story.store)

    run(work())


@given(st.lists(act, max_size=12))
@settings(max_examples=15, derandomize=True)
def test_sqlite_and_memory_hold_the_same(tmp_path_factory: pytest.TempPathFactory, plot: list[Act]) -> None:
    async def work(path: Path) -> None:
        story = await told(InMemoryStore(), plot)
        async with await SqliteStore.open(path) as store:
            other = await told(store, plot)
            assert await other.state() == await story.state()
            assert await found(store) == await found(story.store)

    run(work(tmp_path_factory.mktemp("sqlite") / "m.db"))


@given(acts, st.integers(1, 40))
@settings(max_examples=60, derandomize=True)
def test_what_is_forgotten_leaves_the_rest_alone(plot: list[Act], pick: int) -> None:
    async def work() -> None:
        story = await told(InMemoryStore(), [*plot, Act("add", ("Ada moved",))])
        store = story.store
        before = {m.id: m for m in await store.all_memories("b")}
        chosen = f"m{(pick - 1) % len(before) + 1}"
        gone = {m.id for m in await store.history("b", chosen)}
        assert chosen in gone
        await store.forget("b", chosen, START)
        after = {m.id: m for m in await store.all_memories("b")}
        assert after == {id: m for id, m in before.items() if id not in gone}
        assert (await store.bank("b")).memories == len(before)
        added = await put(store, Write("later", START, (turn(31),), (Add("Ben", "Ben", ("t31",)),)))
        assert added.created[0].id == f"m{len(before) + 1}"
        copy = InMemoryStore()
        await copy.load(await store.dump("b"))
        assert await Story(copy).state() == await Story(store).state()

    run(work())


@given(st.lists(text, min_size=1, max_size=3), st.lists(st.sampled_from(["m1", "m2", "m3", "m9"]), max_size=3))
def test_planning_changes_nothing_it_was_given(texts: list[str], targets: list[str]) -> None:
    said = turn(0)
    held = {f"m{n}": Memory(f"m{n}", "x", "Ada", ("t0",), "s0", 0, START, born=1) for n in (1, 2, 3)}
    bank = Bank("b", EMBEDDER.name, EMBEDDER.dim, START, revision=1, memories=3, live=3, turns=1)
    given_memories, given_turns = dict(held), {"t0": said}
    ops = (*(Add(words, "Ada", ("t0",)) for words in texts), Delete(tuple(targets), ("t0",)))
    write = Write("k", START, (said,), ops)
    valid = bool(targets) and len(set(targets)) == len(targets) and "m9" not in targets
    outcome: Change | MemoryR1Error
    try:
        outcome = plan(bank, write, given_memories, given_turns)
    except MemoryR1Error as error:
        outcome = error
    assert (given_memories, given_turns) == (held, {"t0": said})
    assert isinstance(outcome, Change) == valid
    if isinstance(outcome, Change):
        assert outcome == plan(bank, write, held, {"t0": said})
        assert outcome.bank.live == 3 + len(texts) - len(targets)


async def test_an_undo_can_be_undone_any_number_of_times() -> None:
    story = await Story(InMemoryStore()).start()
    for do in (Act("add", ("Ada has a dog",)), Act("update", ("Ada has two dogs",))):
        await story.do(do)
    store = story.store
    for _ in range(3):
        assert [m.text for m in await store.memories("b")] == ["Ada has two dogs"]
        undone = await store.undo("b", 2, START)
        assert (await store.undo("b", 2, START)).repeated
        assert [m.text for m in await store.memories("b")] == ["Ada has a dog"]
        await store.undo("b", undone.revision.number, START)
    await store.undo("b", 2, START)
    await store.undo("b", 1, START)
    assert await store.memories("b") == []
    assert len(await store.history("b", "m1")) == len(await store.all_memories("b"))
