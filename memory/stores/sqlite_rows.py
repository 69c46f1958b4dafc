"""Rows of the SQLite store to nouns and back.

SQLite doesn't notice a byte that changed inside a value. So each row ends in a seal, the CRC-32 of its columns, and
each vector in its own: what is read is what was written, or CorruptStoreError.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.analysis import analyze, index_text
from memory_r1.memory.codec import dump_revision, load_revision, pack, unpack
from memory_r1.memory.errors import CorruptStoreError
from memory_r1.memory.types import Bank, Memory, Revision, Turn

BANK = "key, id, embedder, dim, created, revision, memories, live, turns, seal"
TURN = "id, session, idx, speaker, text, time, caption, seal"
MEMORY = (
    "number, text, speaker, turns, session, idx, recorded, born, whenever, entities, supersedes, died, successor, seal"
)

Row = tuple[Any, ...]
"""Columns as SQLite gives them."""

_NAMES = TypeAdapter(tuple[str, ...])


def read_bank(row: Sequence[Any]) -> tuple[int, Bank]:
    """A row of `BANK` as (its key, the bank)."""
    key = row[0]
    id, embedder, dim, created, revision, memories, live, turns = _unsealed(row[1:], "a bank")
    bank = Bank(
        str(id), str(embedder), _int(dim), _time(created), _int(revision), _int(memories), _int(live), _int(turns)
    )
    return _int(key), bank


def bank_row(bank: Bank) -> Row:
    """The columns of `BANK` but its key."""
    created = bank.created.isoformat()
    return _sealed(bank.id, bank.embedder, bank.dim, created, bank.revision, bank.memories, bank.live, bank.turns)


def read_turn(row: Sequence[Any]) -> Turn:
    """A row of `TURN`."""
    id, session, index, speaker, text, time, caption = _unsealed(row, "a turn")
    return Turn(str(id), str(session), _int(index), str(speaker), str(text), _time(time), str(caption))


def turn_row(turn: Turn) -> Row:
    """The columns of `TURN`."""
    return _sealed(turn.id, turn.session, turn.index, turn.speaker, turn.text, turn.time.isoformat(), turn.caption)


def read_memory(row: Sequence[Any]) -> Memory:
    """A row of `MEMORY`."""
    (
        number, text, speaker, turns, session, index, recorded, born, when, entities, supersedes, died, successor,
    ) = _unsealed(row, "a memory")  # fmt: skip
    return Memory(
        _id(number), str(text), str(speaker), _names(turns), str(session), _int(index), _time(recorded), _int(born),
        str(when), _names(entities), _names(supersedes), None if died is None else _int(died), str(successor),
    )  # fmt: skip


def memory_row(memory: Memory) -> Row:
    """The columns of `MEMORY`."""
    return _sealed(
        number(memory.id), memory.text, memory.speaker, json.dumps(memory.turns), memory.session, memory.index,
        memory.recorded.isoformat(), memory.born, memory.when, json.dumps(memory.entities),
        json.dumps(memory.supersedes), memory.died, memory.successor,
    )  # fmt: skip


def terms(memory: Memory) -> str:
    """What the full-text index holds of a memory."""
    return " ".join(analyze(index_text(memory.text, memory.speaker, memory.when, memory.recorded)))


def read_revision(row: Sequence[Any]) -> Revision:
    """The log entry in a row of its JSON body and seal."""
    return load_revision(str(_unsealed(row, "a revision")[0]))


def revision_row(revision: Revision) -> Row:
    """number, key, body, seal."""
    return revision.number, revision.key, *_sealed(dump_revision(revision))


def seal_vector(vector: NDArray[np.float32]) -> bytes:
    """The column of a vector: its numbers, then their CRC-32."""
    packed = pack(vector)
    return packed + zlib.crc32(packed).to_bytes(4, "little")


def read_vectors(columns: Sequence[object], dim: int) -> NDArray[np.float32]:
    """The vectors of `seal_vector`, stacked: (len(columns), dim) float32."""
    whole = [c for c in columns if isinstance(c, bytes) and zlib.crc32(c[:-4]).to_bytes(4, "little") == c[-4:]]
    if len(whole) != len(columns):
        raise _damaged("a vector")
    return unpack([column[:-4] for column in whole], dim)


def _sealed(*columns: Any) -> Row:
    return *columns, _seal(columns)


def _unsealed(row: Sequence[Any], what: str) -> Sequence[Any]:
    columns = tuple(row[:-1])
    if _seal(columns) != row[-1]:
        raise _damaged(what)
    return columns


def _seal(columns: Row) -> int:
    try:
        return zlib.crc32(json.dumps(columns).encode())
    except TypeError:  # a column of bytes, which none of ours is
        return -1


def _damaged(what: str) -> CorruptStoreError:
    return CorruptStoreError(f"{what} in the store is not what was written: restore the file from a copy or an export")


def number(memory: str) -> int:
    """The number in a memory's id; -1 for what is no id of ours, which no row has."""
    return int(memory[1:]) if memory[:1] == "m" and memory[1:].isdecimal() and len(memory) < 18 else -1


def owner(key: int) -> str:
    """The word by which the full-text index tells the bank with this key from the others."""
    return f"bank{key}"


def _id(column: object) -> str:
    if _int(column) < 1:
        raise CorruptStoreError(f"a memory has number {column!r}")
    return f"m{column}"


def _names(column: object) -> tuple[str, ...]:
    try:
        return _NAMES.validate_json(str(column))
    except ValidationError:
        raise CorruptStoreError(f"a column of names holds {column!r}") from None


def _time(column: object) -> datetime:
    try:
        return datetime.fromisoformat(str(column))
    except ValueError:
        raise CorruptStoreError(f"a time column holds {column!r}") from None


def _int(column: object) -> int:
    if not isinstance(column, int):
        raise CorruptStoreError(f"a number column holds {column!r}")
    return column


def fetch(run: Callable[..., list[Row]], query: str, keys: Sequence[object]) -> list[Row]:
    """The rows of `query` (which ends in a column's name) whose column is one of `keys`, in no order."""
    found: list[Row] = []
    distinct = list(dict.fromkeys(keys))
    for start in range(0, len(distinct), 500):
        part = distinct[start : start + 500]
        found += run(f"{query} IN ({','.join('?' * len(part))})", *part)
    return found


def fetch_memories(run: Callable[..., list[Row]], key: int, ids: Sequence[str]) -> list[Memory]:
    """Those memories of `ids` that the bank with this key holds, by number."""
    found = fetch(run, f"SELECT {MEMORY} FROM memory WHERE bank = {key} AND number", [number(id) for id in ids])
    return [read_memory(row) for row in sorted(found, key=lambda row: _int(row[0]))]


def fetch_turns(run: Callable[..., list[Row]], key: int, ids: Sequence[str]) -> list[Turn]:
    """Those turns of `ids` that the bank with this key holds, in the order in which they were recorded."""
    found = fetch(run, f"SELECT {TURN}, seq FROM turn WHERE bank = {key} AND id", ids)
    return [read_turn(row[:-1]) for row in sorted(found, key=lambda row: row[-1])]
