"""Whole banks: in one piece, as something to read piece by piece, and the pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from memory_r1.memory.types import Bank, Memory, Revision, Turn

T = TypeVar("T")

Vectors = NDArray[np.float32]
"""One unit-norm row for each text: (n, dim) float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Dump:
    """Everything a bank holds, history and all: what `export` writes and `import` reads.

    `vectors` has one row for each of `memories`, in that order.
    """

    bank: Bank
    turns: tuple[Turn, ...]
    memories: tuple[Memory, ...]
    log: tuple[Revision, ...]
    vectors: Vectors

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __eq__(self, other: object) -> bool:
        """Whether everything is equal, vectors included."""
        if not isinstance(other, Dump):
            return NotImplemented
        told = (self.bank, self.turns, self.memories, self.log) == (other.bank, other.turns, other.memories, other.log)
        return told and np.array_equal(self.vectors, other.vectors)


@dataclass(frozen=True, slots=True)
class Source:
    """Everything a bank holds, to be read piece by piece: each iterable may be begun anew any number of times.

    `memories` gives each with its vector, (dim,) float32; all stand in the order of their numbers.
    """

    bank: Bank
    turns: Iterable[Turn]
    memories: Iterable[tuple[Memory, Vectors]]
    log: Iterable[Revision]

    @classmethod
    def of(cls, dump: Dump | Source) -> Source:
        """`dump` as a source."""
        if isinstance(dump, Source):
            return dump
        rows = Anew(lambda: zip(dump.memories, dump.vectors, strict=True))
        return cls(dump.bank, dump.turns, rows, dump.log)


@dataclass(frozen=True, slots=True)
class Anew(Generic[T]):
    """An iterable that calls `begin` whenever it is begun."""

    begin: Callable[[], Iterator[T]]

    def __iter__(self) -> Iterator[T]:
        return self.begin()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a bank: turns, memories with `vectors` (a row for each), log entries; each by number."""

    turns: tuple[Turn, ...]
    memories: tuple[Memory, ...]
    vectors: Vectors
    log: tuple[Revision, ...]
