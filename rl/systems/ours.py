"""Our own rows: one graph, played by rules or by a model, untrained or trained. A row is its models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from memory_r1 import __version__
from memory_r1.graphs.build import Agent, Settings, build_agent
from memory_r1.graphs.models import RULES, ModelOptions, load_limits, load_roles
from memory_r1.graphs.policies.pinned import pinned
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.errors import SettingsError, UnknownBankError
from memory_r1.memory.store import Store
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Hit, Memory, Revision, Turn
from memory_r1.rl.judge.judge import public_name
from memory_r1.rl.metrics.operations import fates
from memory_r1.rl.systems.meters import MeteredEmbedder, Stopwatch, TimedAnswerer
from memory_r1.rl.systems.types import Asked, Item, Kept, Learned
from memory_r1.rl.tasks.types import Conversation, Question

FILE = "memory.db"
"""The SQLite file of a conversation's bank, in its folder."""
GOLD = "gold"
"""Stands for the extractor's model where the facts that a task gives with its turns are taken: so a row shows what its
manager and answerer do."""


class GraphSystem:
    """The agent of `graphs.build` over a SQLite file for each conversation.

    `models`: the model string of each role; the extractor's may be `GOLD`. Raises SettingsError and MissingExtraError.
    """

    def __init__(self, name: str, models: Mapping[str, str], embedder: Embedder, options: ModelOptions) -> None:
        self._name = name
        models = pinned(models)
        self._models = dict(models)
        self._embedder = MeteredEmbedder(embedder)
        self._gold = models.get("extractor") == GOLD
        roles = load_roles({**models, "extractor": RULES} if self._gold else models, options)
        self._roles = replace(roles, answerer=TimedAnswerer(roles.answerer))
        self._limits = load_limits(models)
        self._watch = Stopwatch(counts_cpu=set(models.values()) == {RULES})

    @property
    def name(self) -> str:
        """The row's name."""
        return self._name

    def describe(self) -> Mapping[str, str]:
        """The model of each role, the embedder and the limits."""
        limits = {name: str(value) for name, value in asdict(self._limits).items()}
        return {**described(self._models, self._embedder), **limits}

    async def open(self, conversation: Conversation, folder: Path) -> AgentLearner:
        """The bank of `conversation` in `folder`. Raises StoreError, and SettingsError where gold facts are missing."""
        roles = self._roles
        if self._gold:
            from memory_r1.rl.world.oracle import GoldExtractor

            if not conversation.facts:
                raise SettingsError(f"{self._name}.extractor=gold: conversation {conversation.id!r} has no gold facts")
            roles = replace(roles, extractor=GoldExtractor(conversation.facts))
        store = await SqliteStore.open(folder / FILE)
        agent = build_agent(store, self._embedder, roles=roles, settings=Settings(self._limits))
        return AgentLearner(agent, conversation.id, self._watch)

    async def close(self) -> None:
        """Close the connections to the models."""
        await self._roles.close()


class AgentLearner:
    """One conversation's bank, kept and asked by the agent."""

    def __init__(self, agent: Agent, bank: str, watch: Stopwatch) -> None:
        self._agent = agent
        self._bank = bank
        self._watch = watch

    async def learn(self, turn: Turn) -> Learned:
        """Remember one turn; a turn that the bank knows already costs nothing. Raises ModelError and StoreError."""
        with self._watch.lap() as lap:
            done = await self._agent.learn(turn, self._bank)
        kinds = Counter(operation.kind for operation in done.operations)
        return Learned(dict(kinds), {"learn": lap.wall}, done.usage, done.failures, lap.cpu, lap.texts)

    async def ask(self, question: Question) -> Asked:
        """Search the bank and answer. Raises ModelUnavailableError and StoreError."""
        with self._watch.lap() as lap:
            found = await self._agent.ask(question.text, self._bank, question.asked)
        seconds = {"search": lap.wall - lap.answering, "answer": lap.answering}
        return Asked(
            found.answer.text, tuple(map(as_item, found.hits)), found.answer.selected, seconds, found.usage,
            found.failures, True, lap.cpu, lap.texts,
        )  # fmt: skip

    async def size(self) -> int:
        """The live memories of the bank."""
        return await live(self._agent.store, self._bank)

    async def memories(self) -> Kept:
        """The live memories of the bank, and what became of all. Raises StoreError."""
        return await kept(self._agent.store, self._bank)

    async def close(self) -> None:
        """Close the store."""
        await self._agent.store.close()


def described(models: Mapping[str, str], embedder: Embedder) -> dict[str, str]:
    """What every row of this process is made of: our version, the model of each role, the embedder; no password."""
    roles = {role: public_name(model) for role, model in models.items()}
    return {"version": f"memory-r1 {__version__}", **roles, "embedder": embedder.name}


def as_item(hit: Hit) -> Item:
    """What a search of our store found, as the readers and the rows of results take it."""
    return _item(hit.memory, hit.score)


def _item(memory: Memory, score: float = 0.0) -> Item:
    return Item(memory.id, memory.text, memory.speaker, memory.recorded, memory.turns, memory.when, score)


async def live(store: Store, bank: str) -> int:
    """How many memories `bank` holds; 0 before its first turn."""
    with suppress(UnknownBankError):
        return (await store.bank(bank)).live
    return 0


async def kept(store: Store, bank: str) -> Kept:
    """What `bank` holds, and what became of all that it ever held; nothing before its first turn."""
    memories: list[Memory] = []
    log: list[Revision] = []
    with suppress(UnknownBankError):
        memories, log = await store.all_memories(bank), await store.log(bank)
    return Kept(tuple(_item(memory) for memory in memories if memory.live), fates(memories, log))
