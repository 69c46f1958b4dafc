"""Rows of the SQLite store to nouns and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from memory_r1.memory.analysis import analyze, index_text
from memory_r1.memory.codec import dump_revision, load_revision
from memory_r1.memory.errors import CorruptStoreError
from memory_r1.memory.types import Bank, Memory, Revision, Turn
from pydantic import TypeAdapter, ValidationError

BANK = "key, id, embedder, dim, created, revision, memories, live, turns"
TURN = "id, session, idx, speaker, text, time, caption"
MEMORY = "number, text, speaker, turns, session, idx, recorded, born, whenever, entities, supersedes, died, successor"

Row = tuple[Any, ...]
"""Columns as SQLite gives them."""

_NAMES = TypeAdapter(tuple[str, ...])


def read_bank(row: Sequence[Any]) -> tuple[int, Bank]:
    """A row of `BANK` as (its key, the bank)."""
    key, id, embedder, dim, created, revision, memories, live, turns = row
    bank = Bank(
        str(id), str(embedder), _int(dim), _time(created), _int(revision), _int(memories), _int(live), _int(turns)
    )
    return _int(key), bank


def bank_row(bank: Bank) -> Row:
    """The columns of `BANK` but its key."""
    created = bank.created.isoformat()
    return bank.id, bank.embedder, bank.dim, created, bank.revision, bank.memories, bank.live, bank.turns


def read_turn(row: Sequence[Any]) -> Turn:
    """A row of `TURN`."""
    id, session, index, speaker, text, time, caption = row
    return Turn(str(id), str(session), _int(index), str(speaker), str(text), _time(time), str(caption))


def turn_row(turn: Turn) -> Row:
    """The columns of `TURN`."""
    return turn.id, turn.session, turn.index, turn.speaker, turn.text, turn.time.isoformat(), turn.caption


def read_memory(row: Sequence[Any]) -> Memory:
    """A row of `MEMORY`."""
    number, text, speaker, turns, session, index, recorded, born, when, entities, supersedes, died, successor = row
    return Memory(
        _id(number), str(text), str(speaker), _names(turns), str(session), _int(index), _time(recorded), _int(born),
        str(when), _names(entities), _names(supersedes), None if died is None else _int(died), str(successor),
    )  # fmt: skip


def memory_row(memory: Memory, vector: bytes) -> Row:
    """The columns of `MEMORY`, then terms and vector."""
    terms = analyze(index_text(memory.text, memory.speaker, memory.when, memory.recorded))
    return (
        number(memory.id), memory.text, memory.speaker, json.dumps(memory.turns), memory.session, memory.index,
        memory.recorded.isoformat(), memory.born, memory.when, json.dumps(memory.entities),
        json.dumps(memory.supersedes), memory.died, memory.successor, " ".join(terms), vector,
    )  # fmt: skip


def read_revision(row: Sequence[Any]) -> Revision:
    """The log entry in a row of one column, its JSON body."""
    return load_revision(str(row[0]))


def revision_row(revision: Revision) -> Row:
    """number, key, body."""
    return revision.number, revision.key, dump_revision(revision)


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
