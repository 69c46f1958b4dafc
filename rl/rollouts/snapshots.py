"""A row's bank as an immutable snapshot in memory: made once, forked by every rollout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from pydantic import TypeAdapter

from memory_r1.graphs.prompts import UNDATED
from memory_r1.memory.analysis import index_text
from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import InputError
from memory_r1.memory.store import Dump
from memory_r1.memory.stores.memory import InMemoryStore, Snapshot
from memory_r1.memory.types import Bank, Noop, Operation, Revision, Turn
from memory_r1.rl.rollouts.recent import Once, Recent
from memory_r1.rl.rollouts.types import BankState, Row

BANK = "row"
"""What the bank of a row is called in its store."""

_STATE = TypeAdapter(BankState)
_ID = re.compile(r"m[1-9]\d*")


@dataclass(frozen=True, slots=True)
class Place:
    """A state of a bank that rollouts start from. `digest`: of its memories; `held`: how many they are.

    `right`: whether it is the row's own, or one to which its right operations led.
    """

    snapshot: Snapshot
    digest: str
    held: int
    right: bool = True


class Snapshots:
    """The places where rows start: one for each content, whatever rows share it; the `size` used last are kept."""

    def __init__(self, embedder: Embedder, size: int = 512) -> None:
        self._embedder = embedder
        self._rows: Recent[str, tuple[BankState, str]] = Recent(4 * size)
        self._places: Once[str, Place] = Once(size)

    @property
    def made(self) -> int:
        """How many banks were built so far."""
        return self._places.made

    async def of(self, row: Row) -> Place:
        """Where `row` starts. Raises InputError for a bank that can't be, ModelUnavailableError by the embedder."""
        known = self._rows.get(row.id)
        if known is None or not (known[0] is row.bank or known[0] == row.bank):
            known = row.bank, blake2b(_STATE.dump_json(row.bank), digest_size=16).hexdigest()
            self._rows.put(row.id, known)
        return await self._places.get(known[1], lambda: self._build(row, known[1]))

    async def _build(self, row: Row, digest: str) -> Place:
        bank = row.bank
        _check(row)
        texts = [index_text(m.text, m.speaker, m.when, m.recorded) for m in bank.memories]
        vectors = await self._embedder.embed(texts)
        revision = max([len(bank.turns), *(memory.born for memory in bank.memories)])
        made = max([0, *(int(memory.id[1:]) for memory in bank.memories)])
        first = bank.turns[0].time if bank.turns else UNDATED
        counts = (revision, made, len(bank.memories), len(bank.turns))
        state = Bank(BANK, self._embedder.name, self._embedder.dim, first, *counts)
        store = InMemoryStore()
        memories = sorted(bank.memories, key=lambda memory: int(memory.id[1:]))
        order = {memory.id: at for at, memory in enumerate(bank.memories)}
        rows = vectors[[order[memory.id] for memory in memories]] if memories else vectors
        await store.load(Dump(state, bank.turns, tuple(memories), _log(bank.turns, revision), rows))
        return Place(store.snapshot(), digest, len(memories))


def follow(digest: str, turn: Turn, operations: Sequence[Operation]) -> str:
    """The digest of the bank that `operations` of `turn` make of the bank `digest`; what changes nothing keeps it.

    Equal digests mean equal memories, ids included. (Two ways to the same memories may have different digests.)
    """
    changes = [operation for operation in operations if not isinstance(operation, Noop)]
    if not changes:
        return digest
    return blake2b(repr((digest, turn, changes)).encode(), digest_size=16).hexdigest()


def _check(row: Row) -> None:
    ids = [memory.id for memory in row.bank.memories]
    wrong = next((id for id in ids if not _ID.fullmatch(id) or ids.count(id) > 1), "")
    ended = next((memory.id for memory in row.bank.memories if not memory.live), "")
    if wrong or ended:
        raise InputError(
            f"row {row.id!r} can't start: memory {wrong or ended!r} of its bank "
            + ("has ended; keep live ones only" if ended else "must be 'm1', 'm2', … and stand there once")
        )


def _log(turns: Sequence[Turn], revision: int) -> tuple[Revision, ...]:
    """A log in which the last revisions are those of `turns`, so that a turn finds those before it."""
    first = revision - len(turns)
    empty = [Revision(number, f"row:{number}", UNDATED, ()) for number in range(1, first + 1)]
    told = [
        Revision(number, f"row:{turn.id}", turn.time, (), turns=(turn.id,))
        for number, turn in enumerate(turns, first + 1)
    ]
    return (*empty, *told)
