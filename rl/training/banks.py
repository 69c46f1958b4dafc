"""Temporal banks: what the agent held before each turn of a conversation, and the facts that it took from it.

The compiled graph reads the conversation once, turn by turn, into a SQLite bank that keeps its history; so the bank of
any moment can be read afterwards. A run that was stopped goes on where it was: turns that are written cost nothing.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from memory_r1.graphs.build import Settings, build_agent
from memory_r1.graphs.models import ModelOptions, load_limits, load_roles
from memory_r1.graphs.policies.pinned import pinned
from memory_r1.graphs.remember import FAILED
from memory_r1.graphs.roles import Extractor, Roles
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Fact, Memory, Turn
from memory_r1.rl.evaluation.evaluate import held
from memory_r1.rl.evaluation.files import Journal, write_whole, written
from memory_r1.rl.evaluation.records import slug
from memory_r1.rl.rollouts.types import BankState
from memory_r1.rl.systems.ours import FILE, described
from memory_r1.rl.tasks.types import Conversation, Task
from memory_r1.rl.training.rows import bank_state
from memory_r1.rl.world.oracle import GoldExtractor

HOW = "how.json"
"""What the banks of a folder were built with."""


@dataclass(frozen=True, slots=True)
class Told:
    """The facts that were taken from one turn: a line of the journal beside the bank."""

    turn: str
    facts: tuple[Fact, ...]


TOLD: TypeAdapter[Told] = TypeAdapter(Told)
OnTurn = Callable[[str, int, int], None]
"""Told after each turn: the conversation's id, turns done, turns in all."""


@dataclass(frozen=True, slots=True)
class Builder:
    """How banks are built, and in which `folder`.

    `models`: the model string of each role. `gold`: the facts are the conversation's gold facts, not an extractor's.
    """

    folder: Path
    models: Mapping[str, str]
    embedder: Embedder
    options: ModelOptions = field(default_factory=ModelOptions)
    gold: bool = False

    def __post_init__(self) -> None:
        """Keep to the policy in use now. Raises SettingsError and PolicyError."""
        object.__setattr__(self, "models", pinned(self.models))

    def describe(self, task: Task) -> dict[str, str]:
        """What makes the banks what they are; no secret."""
        named = described(self.models, self.embedder)
        extractor = "gold facts" if self.gold else named["extractor"]
        limits = {name: str(value) for name, value in asdict(load_limits(self.models)).items()}
        return {"task": task.name, "sha256": task.sha256, **named, "extractor": extractor, **limits}


@dataclass(frozen=True, slots=True)
class Past:
    """All that a conversation's bank ever held. `facts`: by turn id. `failed`: what a model failed at, by reason."""

    conversation: Conversation
    memories: tuple[Memory, ...]
    revisions: Mapping[str, int]
    facts: Mapping[str, tuple[Fact, ...]]
    failed: Mapping[str, int]

    def before(self, number: int, window: int = 0) -> BankState:
        """The bank before turn `number` (from 0), or after all turns.

        `window`: only memories of which a source is one of the last so many turns; 0: all.
        """
        turns = self.conversation.turns
        at = self.revisions[turns[number].id] if number < len(turns) else max(self.revisions.values(), default=0) + 1
        near = {turn.id for turn in turns[max(0, number - window) if window else 0 : number]}
        live = (m for m in self.memories if m.born < at and (m.died is None or m.died >= at))
        return bank_state((m for m in live if not near.isdisjoint(m.turns)), turns[:number])


@contextmanager
def building(builder: Builder, task: Task, keep: bool) -> Iterator[None]:
    """Keep the builder's folder for this process, and delete it at a good end unless it is to be kept.

    Raises InputError when another process builds there, or when what lies there was built otherwise.
    """
    how = builder.folder / HOW
    with held(builder.folder):
        wanted = builder.describe(task)
        found = json.loads(how.read_bytes()) if how.exists() else wanted
        if found != wanted:
            changed = ", ".join(
                f"{name} {found.get(name)!r} → {wanted.get(name)!r}"
                for name in {**found, **wanted}
                if found.get(name) != wanted.get(name)
            )
            raise InputError(
                f"the banks in {str(builder.folder)!r} were built otherwise ({changed}): delete them first"
            )
        write_whole(how, json.dumps(wanted, ensure_ascii=False, indent=2).encode())
        yield
    if not keep:
        with written(builder.folder):
            shutil.rmtree(builder.folder)


async def pasts(builder: Builder, conversations: Sequence[Conversation], on_turn: OnTurn | None = None) -> list[Past]:
    """What the banks of `conversations` held, each built as far as it isn't yet.

    Raises what the graph raises; all turns before that one are then kept, and the same call goes on there.
    """
    roles = load_roles(builder.models, builder.options)
    try:
        return [await _past(builder, roles, conversation, on_turn) for conversation in conversations]
    finally:
        await roles.close()


async def _past(builder: Builder, roles: Roles, conversation: Conversation, on_turn: OnTurn | None) -> Past:
    folder = builder.folder / slug(conversation.id)
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    extractor = GoldExtractor(conversation.facts) if builder.gold else roles.extractor
    async with await SqliteStore.open(folder / FILE) as store:
        with Journal(folder / "facts.jsonl", TOLD, lambda told: told.turn) as journal:
            kept = _Kept(extractor, journal)
            agent = build_agent(
                store, builder.embedder, roles=replace(roles, extractor=kept),
                settings=Settings(load_limits(builder.models)),
            )  # fmt: skip
            for done, turn in enumerate(conversation.turns, 1):
                await agent.learn(turn, conversation.id)
                if on_turn is not None:
                    on_turn(conversation.id, done, len(conversation.turns))
            facts = {told.turn: told.facts for told in journal.rows.values()}
        log = await store.log(conversation.id) if conversation.turns else []
        memories = await store.all_memories(conversation.id) if conversation.turns else []
    revisions = {turn: entry.number for entry in log for turn in entry.turns}
    reasons = [op.reason for entry in log for op in entry.operations if op.kind == "noop"]
    failed = Counter(reason for reason in reasons if reason.startswith(FAILED))
    return Past(conversation, tuple(memories), revisions, facts, failed)


class _Kept:
    """An extractor whose facts are on the disk before the graph goes on with them."""

    def __init__(self, extractor: Extractor, journal: Journal[Told]) -> None:
        self._extractor = extractor
        self._journal = journal

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        """The extractor's facts of `turn`."""
        facts = await self._extractor.extract(turn, context)
        self._journal.append(Told(turn.id, tuple(facts)))
        return facts
