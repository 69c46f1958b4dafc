"""Builds the agent: a store, an embedder and three roles in; compiled graphs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from memory_r1.graphs.agent import Conversing, build_chat
from memory_r1.graphs.answer import Answering, build_answer
from memory_r1.graphs.models import RULES, ModelOptions, Models, by_role, load_limits, load_roles
from memory_r1.graphs.remember import Limits, Remember, build_remember
from memory_r1.graphs.roles import Failure, Roles, Usage
from memory_r1.graphs.state import FAILURES, HITS, OPERATIONS, USAGE, Json
from memory_r1.graphs.steps import Graph
from memory_r1.graphs.telemetry import Telemetry, from_environment
from memory_r1.graphs.telemetry.calls import WatchedEmbedder
from memory_r1.graphs.telemetry.graph import WatchedGraph
from memory_r1.graphs.telemetry.stores import watch_store
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.store import Store
from memory_r1.memory.types import Answer, Hit, Operation, Turn


@dataclass(frozen=True, slots=True)
class Remembered:
    """What `Agent.learn` did. `repeated`: the bank knew the turn, so nothing was asked or written."""

    operations: tuple[Operation, ...]
    revision: int
    created: tuple[str, ...]
    ended: tuple[str, ...]
    repeated: bool
    failures: tuple[Failure, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Answered:
    """What `Agent.ask` found: the answer, the turns that it rests on, all hits looked at, failures and costs."""

    answer: Answer
    turns: tuple[str, ...]
    hits: tuple[Hit, ...]
    failures: tuple[Failure, ...]
    usage: Usage


@dataclass(frozen=True, slots=True, eq=False)
class Agent:
    """The compiled graphs over one store. Each serves invoke, ainvoke and streaming, and embeds as a subgraph.

    `remember`: `{"turn": …}` → operations, receipt, failures, usage. `answer`: `{"question": …, "asked": …}` → answer,
    hits, failures, usage. `agent`: `{"messages": […]}`. The bank comes with the run:
    `config={"configurable": {"bank": "anna"}}`.
    """

    remember: Graph
    answer: Graph
    agent: Graph
    store: Store
    embedder: Embedder
    roles: Roles

    async def learn(self, turn: Turn, bank: str, attempt: int = 0) -> Remembered:
        """Run `remember` on one turn, values in and out. `attempt`: see `remember.unfinished`."""
        given = {"turn": turn, "attempt": attempt}
        out: Json = await cast(Any, self.remember).ainvoke(given, {"configurable": {"bank": bank}})
        receipt: Json = out["receipt"]
        return Remembered(
            tuple(OPERATIONS.validate_python(out["operations"])),
            receipt["revision"], tuple(receipt["created"]), tuple(receipt["ended"]), receipt["repeated"],
            tuple(FAILURES.validate_python(out["failures"])), USAGE.validate_python(out["usage"]),
        )  # fmt: skip

    async def close(self) -> None:
        """Close the connections to the models that `build_agent` loaded. The store is the caller's to close."""
        await self.roles.close()

    async def ask(self, question: str, bank: str, asked: datetime | None = None) -> Answered:
        """Run `answer` on one question, values in and out."""
        given = {"question": question, "asked": asked.isoformat() if asked else None}
        out: Json = await cast(Any, self.answer).ainvoke(given, {"configurable": {"bank": bank}})
        found: Json = out["answer"]
        return Answered(
            Answer(found["question"], found["text"], tuple(found["selected"])), tuple(found["turns"]),
            tuple(HITS.validate_python(out["hits"])),
            tuple(FAILURES.validate_python(out["failures"])), USAGE.validate_python(out["usage"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """How the agent works: what it looks at, how models are called, and the clock that dates chat messages.

    `telemetry`: where its spans and metrics go; by default what `MEMORY_R1_TELEMETRY` says (`graphs.telemetry`).
    A model's folder may state limits (`graphs.local.folder`), which go before these.
    """

    limits: Limits = field(default_factory=Limits)
    options: ModelOptions = field(default_factory=ModelOptions)
    clock: Callable[[], datetime] = lambda: datetime.now().replace(microsecond=0)
    telemetry: Telemetry | None = None


def build_agent(
    store: Store,
    embedder: Embedder | None = None,
    models: Models | None = None,
    roles: Roles | None = None,
    settings: Settings = Settings(),
) -> Agent:
    """Compile the graphs over `store`, which stays the caller's to close.

    `models`: a model string (`graphs.models`), LangChain chat model or completer for all roles, or one per role; by
    default "rules", which needs none. Or `roles`: anything that keeps the protocols of `graphs.roles`. The embedder
    defaults to the built-in one. Raises InputError, SettingsError and MissingExtraError.
    """
    if roles is not None and models is not None:
        raise InputError("give models or roles, not both")
    embedder = embedder or HashedEmbedder()
    models = by_role(models) if models is not None else None
    limits = settings.limits if models is None else load_limits(models, settings.limits)
    roles = roles or load_roles(models if models is not None else RULES, settings.options)
    told = settings.telemetry or from_environment()
    seen = (watch_store(store, told), WatchedEmbedder(embedder, told)) if told else (store, embedder)
    remember = WatchedGraph.of(build_remember(Remember(*seen, roles, limits)), told)
    answer = WatchedGraph.of(build_answer(Answering(*seen, roles, limits)), told)
    agent = WatchedGraph.of(build_chat(Conversing(*seen, settings.clock), remember, answer), told)
    return Agent(remember, answer, agent, store, embedder, roles)
