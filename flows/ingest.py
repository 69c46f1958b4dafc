"""Ingests a conversation: turn by turn through the `remember` graph, durable after each, resumed where it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from memory_r1.graphs import Agent, Remembered
from memory_r1.graphs.remember import unfinished
from memory_r1.memory.apply import contradicts
from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Turn


@dataclass
class Summary:
    """What an ingestion did so far. `turns` were read now, `known` had been stored before, of `total`.

    `operations` counts by kind, `failures` by role and kind, `calls` the model calls, `prompt_chars` what they sent.
    """

    bank: str
    total: int
    known: int = 0
    turns: int = 0
    operations: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[str] = field(default_factory=Counter[str])
    calls: int = 0
    prompt_chars: int = 0

    @property
    def done(self) -> int:
        """How many of the turns are stored."""
        return self.known + self.turns

    def count(self, result: Remembered) -> None:
        """Add what became of one turn."""
        if result.repeated:
            self.known += 1
            return
        self.turns += 1
        self.operations.update(operation.kind for operation in result.operations)
        self.failures.update(f"{failure.role}: {failure.kind}" for failure in result.failures)
        self.calls += result.usage.calls
        self.prompt_chars += result.usage.prompt_chars


OnTurn = Callable[[Summary], None]


async def ingest(agent: Agent, bank: str, turns: Sequence[Turn], on_turn: OnTurn | None = None) -> Summary:
    """Put the turns into the bank, which is made if need be, and return what happened.

    Turns that are stored already cost one look-up for all and no model call, so a second run resumes the first one's
    work, and the bank is the same as after a run in one go. `on_turn` is called before the first turn and after each.
    Raises InputError, before anything is written, when a turn is stored with other content; and what the graph
    raises, with all turns before that one stored.
    """
    summary = Summary(bank, len(turns))
    if not turns:
        return summary
    state = await agent.store.open_bank(bank, agent.embedder, turns[0].time)
    known = {turn.id: turn for turn in await agent.store.turns(bank)} if state.turns else {}
    fresh = _fresh(turns, known, bank)
    summary.known = len(turns) - len(fresh)
    report = on_turn or (lambda _: None)
    report(summary)
    for turn in fresh:
        summary.count(await agent.learn(turn, bank))
        report(summary)
    return summary


async def retry(agent: Agent, bank: str, on_turn: OnTurn | None = None) -> Summary:
    """Take the turns of a bank once more in which a model failed; what they gave already is not stored twice.

    Raises UnknownBankError, and what the graph raises, with all turns before that one stored.
    """
    tried = unfinished(await agent.store.log(bank))
    turns = [turn for turn in await agent.store.turns(bank, list(tried)) if turn.text or turn.caption]
    summary = Summary(bank, len(turns))
    report = on_turn or (lambda _: None)
    report(summary)
    for turn in turns:
        summary.count(await agent.learn(turn, bank, tried[turn.id]))
        report(summary)
    return summary


def _fresh(turns: Iterable[Turn], known: Mapping[str, Turn], bank: str) -> list[Turn]:
    """The turns that the bank lacks. One whose text was forgotten counts as known."""
    fresh: list[Turn] = []
    for turn in turns:
        stored = known.get(turn.id)
        if stored is None:
            fresh.append(turn)
        elif contradicts(stored, turn):
            raise InputError(
                f"bank {bank!r} holds another turn {turn.id!r} ({stored.speaker}: {stored.text[:60]!r}): "
                f"use a bank of its own for this conversation, or name its sessions differently",
                bank=bank, turn=turn.id,
            )  # fmt: skip
    return fresh
