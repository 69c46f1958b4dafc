"""Whatever is written, in whatever order: the store agrees with a model that copies everything."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_r1.memory.apply import Change, plan, taken_back
from memory_r1.memory.embedders.hashing import HashedEmbedder
from memory_r1.memory.errors import ConflictError, InputError, MemoryR1Error, UnknownMemoryError
from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore, Snapshot
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Add, Bank, Delete, Memory, Noop, Operation, Receipt, Turn, Update, Write

T = TypeVar("T")

EMBEDDER = HashedEmbedder(32)
START = datetime(2024, 2, 28, 23)
WORDS = ("Ada", "Ben", "moved", "Lyon", "Oslo", "a", "dog", "painted", "boats", "in", "May", "北京", "naïve", "🙂")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


# --- what is done -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Act:
    """One step. `kind` says what; `picks` choose targets by position among the live memories, whatever they are."""

    kind: str
    texts: tuple[str, ...] = ("",)
    picks: tuple[int, ...] = (0,)
    turn: int = 0


text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
act = st.builds(
    Act,
    st.sampled_from(["add", "add", "update", "update", "delete", "noop", "mixed", "undo", "repeat", "fork", "wrong"]),
    st.lists(text, min_size=1, max_size=3).map(tuple),
    st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple),
    st.integers(0, 30),
)
acts = st.lists(act, max_size=25)


def turn(number: int) -> Turn:
    return Turn(f"t{number}", f"s{number // 7}", number % 7, "Ada", f"Turn {number}", START + timedelta(hours=number))


def operations(do: Act, live: Sequence[Memory]) -> tuple[Operation, ...]:
    """The operations of a step on a bank that holds `live`: adds where it holds too little."""
    said = (turn(do.turn).id,)
    chosen = tuple(dict.fromkeys(live[pick % len(live)].id for pick in do.picks)) if live else ()
    add = [Add(words, "Ada", said, when="2024-05", entities=("Ada",)) for words in do.texts]
    if do.kind == "noop":
        return (Noop(said, do.texts[0], reason="not-a-fact"),)
    if do.kind == "add" or not chosen:
        return tuple(add)
    if do.kind == "delete":
        return (Delete(chosen, said),)
    update = Update(chosen[:2], do.texts[0], "Ben", said)
    if do.kind == "mixed" and len(chosen) > 2:
        return (add[0], update, Noop(said), Delete(chosen[2:], said), *add[1:])
    return (update,)


async def put(store: Store, write: Write) -> Receipt:
    new = [op.text for op in write.operations if isinstance(op, Add | Update)]
    rows = EMBEDDER.vectors(new) if new else np.zeros((0, EMBEDDER.dim), np.float32)
    return await store.write("b", write, rows)


# --- the model ----------------------------------------------------------------------------------------------


@dataclass
class Model:
    """Keeps, for each revision, the texts that are live, and knows nothing else."""

    texts: list[dict[str, str]] = field(default_factory=lambda: [{}])
    made: int = 0

    def apply(self, done: Sequence[Operation]) -> None:
        now = dict(self.texts[-1])
        for op in done:
            if isinstance(op, Update | Delete):
                for target in op.targets:
                    del now[target]
            if isinstance(op, Add | Update):
                self.made += 1
                now[f"m{self.made}"] = op.text
        self.texts.append(now)


class Story:
    """A store and the model of it, step by step."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.model = Model()
        self.receipts: list[tuple[Write, Receipt]] = []
        self.left: list[tuple[Snapshot, list[Memory]]] = []

    async def start(self) -> "Story":
        await self.store.open_bank("b", EMBEDDER, START)
        return self

    async def do(self, do: Act) -> None:
        before = await self.state()
        step = getattr(self, f"_{do.kind}", self._write)
        if await step(do) is False:
            assert await self.state() == before

    async def _write(self, do: Act) -> None:
        live = await self.store.memories("b")
        said = turn(do.turn)
        number = (await self.store.bank("b")).revision
        write = Write(f"k{number}", said.time, (said,), operations(do, live), expected=number)
        self.receipts.append((write, await put(self.store, write)))
        self.model.apply(write.operations)

    async def _undo(self, do: Act) -> bool:
        number = len(self.model.texts) - 1 - do.picks[0]
        try:
            receipt = await self.store.undo("b", number, START)
        except (ConflictError, InputError):
            return False
        if receipt.repeated:
            return False
        before, undone = self.model.texts[number - 1], self.model.texts[number]
        expected = Counter(self.model.texts[-1].values())
        expected.subtract(undone[id] for id in undone.keys() - before.keys())
        expected.update(before[id] for id in before.keys() - undone.keys())
        self.model.apply(receipt.revision.operations)
        assert Counter(self.model.texts[-1].values()) == +expected
        return True

    async def _repeat(self, do: Act) -> bool:
        if self.receipts:
            write, first = self.receipts[do.picks[0] % len(self.receipts)]
            again = await put(self.store, write)
            assert again.repeated
            assert again.revision == first.revision
            assert [m.id for m in again.created] == [m.id for m in first.created]
        return False

    async def _wrong(self, do: Act) -> bool:
        said = turn(do.turn)
        ended = [m.id for m in await self.store.all_memories("b") if not m.live]
        never = f"m{self.model.made + 1}"
        lost = tuple(ended[:1]) or (never,)
        half = (*operations(replace(do, kind="add"), []), Add(" ", "A", (said.id,)))
        wrongs: list[tuple[type[MemoryR1Error], Write]] = [
            (UnknownMemoryError, Write("w", said.time, (said,), (Delete((never,), (said.id,)),))),
            (UnknownMemoryError, Write("w", said.time, (said,), (Update(lost, "x", "A", (said.id,)),))),
            (InputError, Write("w", said.time, (said,), half)),
            (InputError, Write("w", said.time, (said,), (Add("x", "A", ()),))),
            (InputError, Write("w", said.time, (), (Add("x", "A", ("t99",)),))),
            (ConflictError, Write("w", said.time, (said,), (), expected=len(self.model.texts))),
            (ConflictError, Write("w", said.time, (said, replace(said, text="Another")), ())),
        ]
        kind, write = wrongs[do.picks[0] % len(wrongs)]
        with pytest.raises(kind):
            await put(self.store, write)
        return False

    async def _fork(self, _: Act) -> bool:
        """Go on in a fork; what was left behind must stay as it is."""
        if isinstance(self.store, InMemoryStore):
            kept = self.store.snapshot()
            self.left.append((kept, await self.store.all_memories("b")))
            self.store = kept.fork()
        return False

    async def state(self) -> tuple[Any, ...]:
        dump = await self.store.dump("b")
        return dump.bank, dump.turns, dump.memories, dump.log, dump.vectors.tobytes()

    async def check(self) -> None:
        """All that must be true at any time."""
        state = await self.store.bank("b")
        every = await self.store.all_memories("b")
        log = await self.store.log("b")
        assert (
            [m.id for m in every]
            == [f"m{n}" for n in range(1, self.model.made + 1)]
            == [f"m{n + 1}" for n in range(state.memories)]
        )
        assert [entry.number for entry in log] == list(range(1, len(self.model.texts)))
        assert state.live == len(self.model.texts[-1])
        assert state.turns == len(await self.store.turns("b"))
        for number, texts in enumerate(self.model.texts):
            assert {m.id: m.text for m in await self.store.as_of("b", number)} == texts
        known = {said.id for said in await self.store.turns("b")}
        assert all(m.turns and set(m.turns) <= known for m in every)
        by_id = {m.id: m for m in every}
        assert all(m.id in by_id[m.successor].supersedes for m in every if m.successor)
        for kept, memories in self.left:
            assert await kept.fork().all_memories("b") == memories


async def told(store: Store, plot: Sequence[Act]) -> Story:
    story = await Story(store).start()
    for do in plot:
        await story.do(do)
    await story.check()
    return story


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
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_store_agrees_with_the_model(plot: list[Act]) -> None:
    run(told(InMemoryStore(), plot))


@given(acts)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_replaying_the_log_on_an_empty_bank_gives_the_same_bank(plot: list[Act]) -> None:
    async def work() -> None:
        story = await told(InMemoryStore(), plot)
        again = await replayed(story, InMemoryStore())
        assert await Story(again).state() == await story.state()

    run(work())


@given(acts)
@settings(max_examples=60, deadline=None, derandomize=True)
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
@settings(max_examples=60, deadline=None, derandomize=True)
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
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_search_sees_just_what_is_live(plot: list[Act]) -> None:
    async def work() -> None:
        story = await told(InMemoryStore(), plot)
        assert {id for id, _ in await found(story.store)} == story.model.texts[-1].keys()
        rebuilt = await replayed(story, InMemoryStore())
        assert await found(rebuilt) == await found(story.store)

    run(work())


@given(st.lists(act, max_size=12))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_sqlite_and_memory_hold_the_same(tmp_path_factory: pytest.TempPathFactory, plot: list[Act]) -> None:
    async def work(path: Path) -> None:
        story = await told(InMemoryStore(), plot)
        async with await SqliteStore.open(path) as store:
            other = await told(store, plot)
            assert await other.state() == await story.state()
            assert await found(store) == await found(story.store)

    run(work(tmp_path_factory.mktemp("sqlite") / "m.db"))


@given(acts, st.integers(1, 40))
@settings(max_examples=60, deadline=None, derandomize=True)
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
