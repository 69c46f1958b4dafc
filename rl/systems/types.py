"""What a row of a benchmark's table is: a system learns a conversation turn by turn, then answers questions about it.

    System ─ open → Learner ─ learn → Learned
                            └ ask   → Asked

A system that isn't ours brings only its memory: what it finds is answered by the shared answerer (`Reader`), so that
rows differ in what they remember, not in how they are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from memory_r1.graphs.roles import Failure, Usage
from memory_r1.memory.types import Turn
from memory_r1.rl.metrics.operations import Fates
from memory_r1.rl.tasks.types import Conversation, Question


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a system found for a question, the best first.

    `turns`: ids of the turns that it comes from, () where the system doesn't tell. `recorded`: when it was said.
    `when`: when it happened, as `Fact.when` has it. `score`: orders the items of one search; 0 where not told.
    """

    id: str
    text: str
    speaker: str = ""
    recorded: datetime | None = None
    turns: tuple[str, ...] = ()
    when: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of one turn. `operations`: counts by kind ("add", "update", "delete", "noop").

    `seconds`: wall time by phase, "learn" being the whole; `cpu`: processor seconds of the system's own process without
    model and embedding, None where it isn't known. `embedded`: texts embedded.
    """

    operations: Mapping[str, int]
    seconds: Mapping[str, float]
    usage: Usage = field(default_factory=Usage)
    failures: tuple[Failure, ...] = ()
    cpu: float | None = None
    embedded: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to one question, with all that was looked at.

    `items`: what was found, the best first; `selected`: ids of those that the answer rests on. `seconds`: wall time by
    phase, "search" and "answer". `tells_turns`: whether the items name their turns, so that recall can be measured.
    """

    text: str
    items: tuple[Item, ...]
    selected: tuple[str, ...]
    seconds: Mapping[str, float]
    usage: Usage = field(default_factory=Usage)
    failures: tuple[Failure, ...] = ()
    tells_turns: bool = True
    cpu: float | None = None
    embedded: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a system holds, the oldest first. `fates`: what became of all that it ever held, None if not told."""

    items: tuple[Item, ...]
    fates: Fates | None = None


class Learner(Protocol):
    """A system's memory of one conversation. Durable in the folder that it was opened with."""

    async def learn(self, turn: Turn) -> Learned:
        """Take in one turn; turns come in order. A turn learned before may come again after a crash.

        Raises MemoryR1Error: the turn is then not learned.
        """
        ...

    async def ask(self, question: Question) -> Asked:
        """Answer a question. Several may be asked at once; nothing is learned from them. Raises MemoryR1Error."""
        ...

    async def size(self) -> int:
        """How many memories it holds."""
        ...

    async def memories(self) -> Kept | None:
        """The memories that `size` counts; None for a system that has none, as it reads the conversation itself.

        Raises MemoryR1Error.
        """
        ...

    async def close(self) -> None:
        """Release it. A second call does nothing."""
        ...


class System(Protocol):
    """One row of the table."""

    @property
    def name(self) -> str:
        """The row's name, as "mem0"."""
        ...

    def describe(self) -> Mapping[str, str]:
        """What makes its figures: versions, models, settings; no secret. A change makes results incomparable."""
        ...

    async def open(self, conversation: Conversation, folder: Path) -> Learner:
        """Its memory of `conversation`, kept in `folder`, which exists; what an earlier run put there is found again.

        Raises MemoryR1Error.
        """
        ...

    async def close(self) -> None:
        """Release what all conversations share."""
        ...


class Reader(Protocol):
    """Answers from what any system found."""

    async def read(self, question: Question, items: Sequence[Item]) -> tuple[str, tuple[str, ...], Read]:
        """The answer's text, the ids of the items that it rests on, and what it cost. Raises ModelUnavailableError."""
        ...

    async def close(self) -> None:
        """Close the connections to its model."""
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """What one answer cost. A reply that can't be used is a failure and an empty answer."""

    seconds: float
    usage: Usage = field(default_factory=Usage)
    failures: tuple[Failure, ...] = ()
