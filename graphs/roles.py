"""The three roles that a policy plays, and what they report: their shapes, failures and costs.

Whatever satisfies a Protocol here can drive the graphs: a chat model (`chat_roles`), rules without any model
(`rules`), or a policy in training. A role raises MalformedOutputError when its model's reply can't be used, which
becomes a counted `Failure`; ModelUnavailableError passes through, and the turn stays unwritten.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from memory_r1.memory.types import Answer, Fact, Hit, Operation, Turn

Role = Literal["extractor", "manager", "answerer"]


class Extractor(Protocol):
    """Takes the facts worth keeping from one turn."""

    async def extract(self, turn: Turn, context: Sequence[Turn]) -> list[Fact]:
        """The facts of `turn`, each naming it in `turns`. `context`: the turns before it in its session, in order."""
        ...


class Manager(Protocol):
    """Decides what each fact does to the bank (paper, section 3.1)."""

    async def decide(self, facts: Sequence[Fact], candidates: Sequence[Sequence[Hit]]) -> list[Operation]:
        """The operations for `facts`; `candidates[i]` are the memories like `facts[i]`, the only ones it may name."""
        ...


class Answerer(Protocol):
    """Selects the memories that matter and answers from them, in one go (paper, algorithm 4)."""

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        """The answer to `question`, asked at `asked`; `selected` names memories among `hits` only."""
        ...


@runtime_checkable
class Closable(Protocol):
    """A connection, or a model in memory."""

    async def aclose(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True, slots=True)
class Roles:
    """Who plays which role. `owned`: connections that were opened for them and end with `close`."""

    extractor: Extractor
    manager: Manager
    answerer: Answerer
    owned: tuple[Closable, ...] = ()

    async def close(self) -> None:
        """Close the connections that were opened for these roles."""
        for connection in self.owned:
            await connection.aclose()


@dataclass(frozen=True, slots=True)
class Failure:
    """One visible failure of a role. `kind`: "malformed" or "truncated"; `detail` quotes what went wrong."""

    role: Role
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the models were asked. `prompt_chars`: characters of the messages sent; tokens as the server counts them."""

    calls: int = 0
    prompt_chars: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """The sum, field by field."""
        return Usage(
            self.calls + other.calls,
            self.prompt_chars + other.prompt_chars,
            self.prompt_tokens + other.prompt_tokens,
            self.reply_tokens + other.reply_tokens,
        )


@dataclass(slots=True)
class Meter:
    """Collects what one step of a graph used and where it failed."""

    usage: Usage = field(default_factory=Usage)
    failures: list[Failure] = field(default_factory=list[Failure])


_METER: ContextVar[Meter | None] = ContextVar("memory_r1_meter", default=None)


@contextmanager
def metered() -> Generator[Meter]:
    """Collect what the roles called inside the block report by `spend` and `fail`."""
    meter = Meter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


def spend(usage: Usage) -> None:
    """Report model calls to the surrounding `metered` block, if there is one."""
    meter = _METER.get()
    if meter is not None:
        meter.usage += usage


def fail(failure: Failure) -> None:
    """Report a failure that the role got over to the surrounding `metered` block, if there is one."""
    meter = _METER.get()
    if meter is not None:
        meter.failures.append(failure)
