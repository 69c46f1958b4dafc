"""Records of what was erased: enough to erase it again from an old copy, and no word of it.

A record names its bank and its turns by digests only. Whoever knows a name can tell whether a record is about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.dumps import Anew, Source, Vectors
from memory_r1.memory.erasure import Erasure, plan_erasure
from memory_r1.memory.errors import CorruptStoreError
from memory_r1.memory.types import Memory, Revision, Turn


@dataclass(frozen=True, slots=True)
class Erased:
    """One erasure. `id` is its own; `bank` and `turns` are digests. Without memories and turns: the whole bank."""

    id: str
    bank: str
    memories: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()

    @classmethod
    def of_bank(cls, id: str, bank: str) -> Erased:
        """The record of a whole bank's erasure."""
        return cls(id, digest(bank))

    @classmethod
    def of(cls, id: str, erasure: Erasure) -> Erased:
        """The record of `erasure`."""
        bank = erasure.bank.id
        return cls(id, digest(bank), erasure.memories, tuple(digest(bank, turn.id) for turn in erasure.turns))

    @property
    def whole(self) -> bool:
        """Whether the bank itself was erased."""
        return not self.memories and not self.turns


_ERASED = TypeAdapter(Erased)


def digest(bank: str, turn: str | None = None) -> str:
    """32 hexadecimal digits that stand for a bank, or for a turn of it."""
    named = bank if turn is None else f"{bank}\0{turn}"
    return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=16, person=b"erased").hexdigest()


def dump_erased(record: Erased) -> str:
    """The record as one JSON object."""
    return _ERASED.dump_json(record).decode()


def load_erased(text: str | bytes) -> Erased:
    """The record of `dump_erased`. Raises CorruptStoreError for anything else."""
    try:
        return _ERASED.validate_json(text)
    except ValidationError as error:
        raise CorruptStoreError(f"{text[:80]!r} is no record of an erasure: {error.errors()[0]['msg']}") from None


def erased_again(source: Source, records: Sequence[Erased], recorded: datetime) -> Source:
    """`source` without what `records` erased from it; itself when it holds nothing of that.

    Like any erasure it makes a revision of the bank. Holds what is erased, never the whole bank.
    """
    ids = {id for record in records for id in record.memories}
    digests = {turn for record in records for turn in record.turns}
    bank = source.bank
    gone = [memory for memory, _ in source.memories if memory.id in ids]
    bare = {turn.id for turn in source.turns if (turn.text or turn.caption) and digest(bank.id, turn.id) in digests}
    if not gone and not bare:
        return source
    erasure = plan_erasure(bank, gone, source.log, source.turns, (f"forget:{records[-1].id}", recorded), bare)
    return _without(source, erasure)


def _without(source: Source, erasure: Erasure) -> Source:
    gone, bare = set(erasure.memories), {turn.id: turn for turn in erasure.turns}
    log = {entry.number: entry for entry in erasure.log}

    def turns() -> Iterator[Turn]:
        return (bare.get(turn.id, turn) for turn in source.turns)

    def memories() -> Iterator[tuple[Memory, Vectors]]:
        return ((memory, row) for memory, row in source.memories if memory.id not in gone)

    def entries() -> Iterator[Revision]:
        yield from (log.get(entry.number, entry) for entry in source.log)
        yield erasure.revision

    return Source(erasure.bank, Anew(turns), Anew(memories), Anew(entries))


__all__ = ["Erased", "digest", "dump_erased", "erased_again", "load_erased"]
