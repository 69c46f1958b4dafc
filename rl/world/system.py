"""The rows of the table that only the synthetic world has: `oracle`, `always-add`, `always-noop`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from memory_r1.graphs.build import Settings, build_agent
from memory_r1.graphs.remember import Limits
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.rl.systems.meters import MeteredEmbedder, Stopwatch, TimedAnswerer
from memory_r1.rl.systems.ours import FILE, AgentLearner, described
from memory_r1.rl.tasks.types import Conversation
from memory_r1.rl.world import oracle
from memory_r1.rl.world.language import read_event

LIMITS = Limits(candidates=60)
"""All memories of a world (`proposals.MOST`), so that a score says what the manager decided, not what search missed."""


class OracleSystem:
    """Our graph, played by the oracle's extractor and answerer, and by a manager that is right, or never is."""

    def __init__(self, name: str, embedder: Embedder) -> None:
        self._name = name
        self._manager = oracle.manager_of(name)
        self._embedder = MeteredEmbedder(embedder)
        self._watch = Stopwatch(counts_cpu=True)

    @property
    def name(self) -> str:
        """The row's name."""
        return self._name

    def describe(self) -> Mapping[str, str]:
        """Who plays which role."""
        return described({"extractor": "gold facts", "manager": self._name, "answerer": "oracle"}, self._embedder)

    async def open(self, conversation: Conversation, folder: Path) -> AgentLearner:
        """The bank of `conversation` in `folder`. Raises StoreError, and InputError for one of another task."""
        if not conversation.facts or any(read_event(fact.text) is None for fact in conversation.facts):
            raise InputError(
                f"{self._name} knows only the synthetic world, and {conversation.id!r} is none of it: give --task world"
            )
        roles = oracle.roles(conversation.facts, self._manager)
        timed = type(roles)(roles.extractor, roles.manager, TimedAnswerer(roles.answerer))
        store = await SqliteStore.open(folder / FILE)
        agent = build_agent(store, self._embedder, roles=timed, settings=Settings(LIMITS))
        return AgentLearner(agent, conversation.id, self._watch)

    async def close(self) -> None:
        """Nothing is shared."""
