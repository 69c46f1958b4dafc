"""Stories: random steps on a store, beside a model that copies everything and so can't be wrong in the same way."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from memory_r1.memory.embedders.hashing import HashedEmbedder
from memory_r1.memory.errors import ConflictError, InputError, MemoryR1Error, UnknownMemoryError
from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore, Snapshot
from memory_r1.memory.types import Add, Delete, Memory, Noop, Operation, Receipt, Turn, Update, Write

EMBEDDER = HashedEmbedder(32)
START = datetime(2024, 2, 28, 23)
WORDS = ("Ada", "Ben", "moved", "Lyon", "Oslo", "a", "dog", "painted", "boats", "in", "May", "北京", "naïve", "🙂")


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
