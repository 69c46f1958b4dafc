"""What a rollout brings into the compiled graphs: its bank, its facts, and the policy that plays the trained role.

The graphs are compiled once for each process. Their store and their roles look up the rollout that is running in a
context variable, which the tasks of a graph inherit, so any number of rollouts runs at once.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from memory_r1.graphs.completers import Completer, Completion, Message
from memory_r1.graphs.roles import Answerer
from memory_r1.memory.erased import Erased
from memory_r1.memory.ranking import Candidates, Query
from memory_r1.memory.store import NONE, Dump, Part, Source, Store, Vectors
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Answer, Bank, Fact, Hit, Memory, Receipt, Revision, Turn, Write
from memory_r1.rl.rollouts.clocks import Clocks, Ledger
from memory_r1.rl.rollouts.floor import Floor


@dataclass(slots=True)
class Scene:
    """One run of a graph. `policy` plays `trained`."""

    store: InMemoryStore
    ledger: Ledger
    trained: Literal["manager", "answerer", ""] = ""
    policy: Completer | None = None
    facts: Sequence[Fact] = ()


_SCENE: ContextVar[Scene] = ContextVar("memory_r1_scene")


@contextmanager
def staged(scene: Scene) -> Generator[Scene]:
    """Play `scene` inside the block."""
    token = _SCENE.set(scene)
    try:
        yield scene
    finally:
        _SCENE.reset(token)


class Told:
    """The extractor: the facts that the row has of its turn."""

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        """The facts of the scene."""
        return list(_SCENE.get().facts)


class Voice:
    """The policy of the scene, as the trained role calls it."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        """The policy's reply."""
        policy = _SCENE.get().policy
        assert policy is not None, "only a scene with a policy has a trained role"
        return await policy.complete(messages)


@dataclass(frozen=True, slots=True)
class Timed:
    """`policy`, whose time is charged to `ledger` as generation; with its reply the rollout takes `floor` again."""

    policy: Completer
    clocks: Clocks
    floor: Floor
    ledger: Ledger

    async def complete(self, messages: Sequence[Message]) -> Completion:
        """The policy's reply."""
        said = await self.clocks.call("generation", self.ledger, self.policy.complete(messages))
        await self.floor.take()
        return said


class Cast:
    """The answerer: `trained` where the scene trains it, else `frozen`."""

    def __init__(self, trained: Answerer, frozen: Answerer, clocks: Clocks) -> None:
        self._trained = trained
        self._frozen = frozen
        self._clocks = clocks

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        """The answer of whoever plays."""
        scene = _SCENE.get()
        if scene.trained == "answerer":
            return await self._trained.answer(question, hits, asked)
        return await self._clocks.call("answering", scene.ledger, self._ask(question, hits, asked))

    async def _ask(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        return await self._frozen.answer(question, hits, asked)


class SceneStore(Store):
    """The store of the scene: each method is the fork's own (`memory.store` says what it does)."""

    async def create(self, bank: str, embedder: str, dim: int, created: datetime) -> Bank:  # noqa: D102
        return await _here().create(bank, embedder, dim, created)

    async def bank(self, bank: str) -> Bank:  # noqa: D102
        return await _here().bank(bank)

    async def banks(self) -> list[Bank]:  # noqa: D102
        return await _here().banks()

    async def write(self, bank: str, write: Write, vectors: Vectors) -> Receipt:  # noqa: D102
        return await _here().write(bank, write, vectors)

    async def memories(  # noqa: D102
        self, bank: str, ids: Sequence[str] | None = None, *, revision: int | None = None
    ) -> list[Memory]:
        return await _here().memories(bank, ids, revision=revision)

    async def all_memories(self, bank: str) -> list[Memory]:  # noqa: D102
        return await _here().all_memories(bank)

    async def turns(self, bank: str, ids: Sequence[str] | None = None) -> list[Turn]:  # noqa: D102
        return await _here().turns(bank, ids)

    async def log(self, bank: str, since: int = 0) -> list[Revision]:  # noqa: D102
        return await _here().log(bank, since)

    async def vectors(self, bank: str, ids: Sequence[str]) -> Vectors:  # noqa: D102
        return await _here().vectors(bank, ids)

    async def candidates(self, bank: str, query: Query) -> Candidates:  # noqa: D102
        return await _here().candidates(bank, query)

    async def chosen(self, bank: str, ids: Sequence[str]) -> list[Memory]:  # noqa: D102
        return await _here().chosen(bank, ids)

    async def replace_vectors(  # noqa: D102
        self, bank: str, embedder: str, dim: int, vectors: Mapping[str, Vectors], revision: int
    ) -> Bank:
        return await _here().replace_vectors(bank, embedder, dim, vectors, revision)

    async def erase(self, bank: str, memories: Sequence[str], key: str, recorded: datetime) -> Revision:  # noqa: D102
        return await _here().erase(bank, memories, key, recorded)

    async def erase_bank(self, bank: str) -> None:  # noqa: D102
        await _here().erase_bank(bank)

    async def erased(self) -> list[Erased]:  # noqa: D102
        return await _here().erased()

    async def note_erased(self, records: Sequence[Erased]) -> None:  # noqa: D102
        await _here().note_erased(records)

    async def load(self, source: Dump | Source, *, replace: bool = False) -> Bank:  # noqa: D102
        return await _here().load(source, replace=replace)

    async def part(  # noqa: D102
        self, bank: str, *, turns: range = NONE, memories: range = NONE, log: range = NONE
    ) -> Part:
        return await _here().part(bank, turns=turns, memories=memories, log=log)

    async def close(self) -> None:
        """Nothing to release."""


def _here() -> InMemoryStore:
    return _SCENE.get().store
