"""Records and properties of the Neo4j graph to nouns and back. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.codec import dump_revision, load_revision
from memory_r1.memory.errors import CorruptStoreError
from memory_r1.memory.index import IndexRow
from memory_r1.memory.types import Bank, Memory, Revision, Turn

_MEMORY = re.compile(r"m[1-9][0-9]{0,17}")

Properties = dict[str, Any]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Held:
    """A bank as the graph holds it: its state, the key of all its nodes, the property of its vectors."""

    bank: Bank
    key: str
    slot: str

    @property
    def memories(self) -> range:
        """The numbers that its memories may have."""
        return range(1, self.bank.memories + 1)

    @property
    def turns(self) -> range:
        """The numbers of its turns."""
        return range(1, self.bank.turns + 1)

    def log(self, since: int = 0) -> range:
        """The numbers of its revisions after `since`."""
        return range(since + 1, self.bank.revision + 1)


def read_bank(row: Sequence[Any]) -> Held:
    """The columns `BANK`. Raises CorruptStoreError when one is missing."""
    id, embedder, dim, created, revision, memories, live, turns, key, slot = row[:10]
    if any(value is None for value in row[:10]):
        raise CorruptStoreError(f"the node of bank {id!r} lacks a property: restore the bank from an export")
    return Held(Bank(id, embedder, dim, _time(created), revision, memories, live, turns), key, slot)


def bank_state(bank: Bank) -> Properties:
    """The properties of a bank that writes change."""
    return {
        "embedder": bank.embedder, "dim": bank.dim, "created": bank.created.isoformat(), "revision": bank.revision,
        "memories": bank.memories, "live": bank.live, "turns": bank.turns,
    }  # fmt: skip


def bank_key(bank: str, nonce: str) -> str:
    """Eighteen digits that name one life of one bank: safe in any query language, and never used again."""
    digest = blake2b(f"{bank}\0{nonce}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return str(10**17 + int.from_bytes(digest, "big") % (9 * 10**17))


def number(memory: str) -> int:
    """The number in a memory's id; -1 for what is no id of ours, which no node has."""
    return int(memory[1:]) if _MEMORY.fullmatch(memory) else -1


def read_memory(row: Sequence[Any]) -> Memory:
    """The columns `MEMORY`."""
    at, text, speaker, turns, session, index, recorded, born, when, entities, supersedes, died, successor = row[:13]
    return Memory(
        f"m{at}", text, speaker, tuple(turns), session, index, _time(recorded), born, when, tuple(entities),
        tuple(supersedes), died, successor,
    )  # fmt: skip


def read_memories(rows: Iterable[Sequence[Any]]) -> list[Memory]:
    """Memories by number."""
    return [read_memory(row) for row in sorted(rows, key=lambda row: row[0])]


def memory_row(memory: Memory, vector: Vectors, held: Held) -> Properties:
    """A row of `$memories`: the node, its vector (None for one of zeros, whose cosine is undefined), its links."""
    node: Properties = {
        "bank": held.bank.id, "bank_key": held.key, "id": memory.id, "number": number(memory.id), "text": memory.text,
        "speaker": memory.speaker, "turns": list(memory.turns), "session": memory.session, "index": memory.index,
        "recorded": memory.recorded.isoformat(), "born": memory.born, "when": memory.when,
        "entities": list(memory.entities), "supersedes": list(memory.supersedes), "died": memory.died,
        "successor": memory.successor, "live": memory.live, "asks": memory.text.rstrip().endswith("?"),
    }  # fmt: skip
    if memory.live:
        node["terms"] = " ".join(IndexRow.of(memory).terms)
    return {"node": node, "vector": sent(vector), "supersedes": [number(old) for old in memory.supersedes]}


def ended_row(memory: Memory) -> Properties:
    """A row of `$ended`."""
    return {"number": number(memory.id), "died": memory.died, "successor": memory.successor}


def read_turn(row: Sequence[Any]) -> Turn:
    """The columns `TURN`."""
    id, session, index, speaker, text, time, caption = row[:7]
    return Turn(id, session, index, speaker, text, _time(time), caption)


def turn_row(turn: Turn, number: int, held: Held) -> Properties:
    """A row of `$turns`; `number` is its place in the order of recording."""
    return {
        "bank": held.bank.id, "bank_key": held.key, "id": turn.id, "number": number, "session": turn.session,
        "index": turn.index, "speaker": turn.speaker, "text": turn.text, "time": turn.time.isoformat(),
        "caption": turn.caption,
    }  # fmt: skip


def revision_row(revision: Revision, held: Held) -> Properties:
    """A row of `$log`: `body` is the exact entry, the rest is for reading and looking up."""
    return {
        "bank": held.bank.id, "bank_key": held.key, "number": revision.number, "key": revision.key,
        "recorded": revision.recorded.isoformat(), "kinds": [op.kind for op in revision.operations],
        "body": dump_revision(revision),
    }  # fmt: skip


def read_revisions(bodies: Iterable[str]) -> list[Revision]:
    """The values of `r.body`, in the order given."""
    return [load_revision(body) for body in bodies]


def sent(vector: Vectors) -> list[float] | None:
    """A vector as the driver sends it; None for one of zeros, which Neo4j can't compare."""
    return vector.tolist() if vector.any() else None


def read_vectors(rows: Iterable[Sequence[Any]], ids: Sequence[str], dim: int) -> tuple[Vectors, list[str]]:
    """The rows (number, vector) in the order of `ids`, and those ids that have no row."""
    by_number = {row[0]: row[1] for row in rows}
    out = np.zeros((len(ids), dim), dtype=np.float32)
    missing: list[str] = []
    for line, id in zip(out, ids, strict=True):
        if number(id) not in by_number:
            missing.append(id)
        else:
            read_vector(line, by_number[number(id)], id)
    return out, missing


def read_vector(line: Vectors, vector: Sequence[float] | None, id: str) -> None:
    """Fill `line`, (dim,), with the stored vector of the memory `id`; None stands for zeros."""
    if vector is not None:
        if len(vector) != len(line):
            raise CorruptStoreError(
                f"the vector of {id!r} has {len(vector)} numbers, not {len(line)}: reembed the bank"
            )
        line[:] = vector


def read_index(row: Sequence[Any]) -> tuple[IndexRow, float]:
    """The columns `ROW` and the similarity (1 + cos) / 2, as (row of the index, cosine)."""
    at, speaker, session, index, terms, asks, near = row
    split = tuple(str(terms or "").split())
    made = IndexRow(f"m{at}", speaker, session, index, split, bool(asks), counts=Counter(split))
    return made, 0.0 if near is None else 2.0 * near - 1.0


def _time(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise CorruptStoreError(f"a time in the graph reads {text!r}, which is no ISO 8601 time") from None
