"""Forgets, purely: which memories, turns and log entries must lose their text so that none of it is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from memory_r1.memory.errors import UnknownMemoryError
from memory_r1.memory.types import Add, Bank, Delete, Memory, Noop, Operation, Revision, Turn, Update

FORGOTTEN = "forgotten"
"""The reason of a Noop whose text was erased."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What forgetting changes: the bank after it, its log entry, memories to remove, turns and log entries without
    the erased text.
    """

    bank: Bank
    revision: Revision
    memories: tuple[str, ...]
    turns: tuple[Turn, ...]
    log: tuple[Revision, ...]


def plan_erasure(
    bank: Bank, memories: Sequence[Memory], log: Iterable[Revision], turns: Iterable[Turn],
    entry: tuple[str, datetime], also: AbstractSet[str] = frozenset(),
) -> Erasure:  # fmt: skip
    """Forget `memories`, given the bank's whole log and all its turns; `entry` is the new revision's (key, recorded).

    The text of every turn that a forgotten memory comes from, or that only repeated it, goes too, and that of the turns
    `also`; the turn itself stays, so that reading the conversation again doesn't bring the memory back. `log` is read
    twice, `turns` once.
    Raises UnknownMemoryError when `memories` and `also` are empty.
    """
    if not memories and not also:
        raise UnknownMemoryError(f"bank {bank.id!r} has none of these memories, so there is nothing to forget")
    ids = {memory.id for memory in memories}
    repeats = {turn for past in log for op in past.operations if _repeats(op, ids) for turn in op.turns}
    bare = {turn for memory in memories for turn in memory.turns} | repeats | also
    live = tuple(memory.id for memory in memories if memory.live)
    sources = tuple(dict.fromkeys(turn for memory in memories for turn in memory.turns))
    operations = (Delete(targets=live, turns=sources),) if live else ()
    number = bank.revision + 1
    return Erasure(
        bank=replace(bank, revision=number, live=bank.live - len(live)),
        revision=Revision(number, entry[0], entry[1], operations, ended=live),
        memories=tuple(memory.id for memory in memories),
        turns=tuple(replace(turn, text="", caption="") for turn in turns if turn.id in bare),
        log=tuple(clean for past in log if (clean := redact(past, ids, bare)) != past),
    )


def redact(revision: Revision, ids: AbstractSet[str], bare: AbstractSet[str]) -> Revision:
    """`revision` without the text of memories `ids` and of the turns `bare`; its numbers, kinds and ids stay."""
    made = iter(revision.created)
    operations = tuple(
        _redacted(op, next(made) if isinstance(op, Add | Update) else "", ids, bare) for op in revision.operations
    )
    return replace(revision, operations=operations)


def _redacted(op: Operation, created: str, ids: AbstractSet[str], bare: AbstractSet[str]) -> Operation:
    if isinstance(op, Delete):
        return op
    if isinstance(op, Noop):
        return replace(op, text="", reason=FORGOTTEN) if _repeats(op, ids) or bare & set(op.turns) else op
    return replace(op, text="", speaker="", when="", entities=()) if created in ids else op


def _repeats(op: Operation, ids: AbstractSet[str]) -> bool:
    return isinstance(op, Noop) and op.target in ids
