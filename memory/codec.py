"""Nouns to JSON and back, exactly; reading is strict. Stores and files use these and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from memory_r1.memory.errors import CorruptStoreError
from memory_r1.memory.types import Bank, Memory, Operation, Revision, Turn

OPERATIONS: TypeAdapter[tuple[Operation, ...]] = TypeAdapter(tuple[Operation, ...])
BANK: TypeAdapter[Bank] = TypeAdapter(Bank)
TURN: TypeAdapter[Turn] = TypeAdapter(Turn)
MEMORY: TypeAdapter[Memory] = TypeAdapter(Memory)
REVISION: TypeAdapter[Revision] = TypeAdapter(Revision)


def dump_operations(operations: Sequence[Operation]) -> str:
    """The operations as one JSON array."""
    return OPERATIONS.dump_json(tuple(operations)).decode()


def load_operations(text: str) -> tuple[Operation, ...]:
    """The operations of `dump_operations`. Raises CorruptStoreError for anything else."""
    return _load(OPERATIONS, text, "the operations of a revision")


def dump_revision(revision: Revision) -> str:
    """A log entry as one JSON object."""
    return REVISION.dump_json(revision).decode()


def load_revision(text: str) -> Revision:
    """The log entry of `dump_revision`. Raises CorruptStoreError for anything else."""
    return _load(REVISION, text, "a revision")


def pack(vector: NDArray[np.float32]) -> bytes:
    """One vector as little-endian float32 bytes."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def unpack(rows: Sequence[object], dim: int) -> NDArray[np.float32]:
    """The vectors of `pack`, stacked: (len(rows), dim) float32. Raises CorruptStoreError for a wrong length."""
    good = [row for row in rows if isinstance(row, bytes) and len(row) == 4 * dim]
    if len(good) != len(rows):
        raise CorruptStoreError(f"a stored vector has not {dim} numbers: restore the bank from an export")
    return np.frombuffer(b"".join(good), dtype="<f4").astype(np.float32, copy=False).reshape(len(good), dim)


def _load(adapter: TypeAdapter[Any], text: str, what: str) -> Any:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CorruptStoreError(f"{what} can't be read at {first['loc']!r}: {first['msg']}") from error
