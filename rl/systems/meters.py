"""Measures what one step of a system in this process cost: wall time by phase, own processor time, texts embedded."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from memory_r1.graphs.roles import Answerer
from memory_r1.memory.embedders import Embedder, Vectors
from memory_r1.memory.types import Answer, Hit


@dataclass(slots=True, eq=False)
class Lap:
    """One step, measured. `wall`, `answering`: seconds in all, and in the answerer. `texts`: embedded.

    `cpu`: own processor seconds without the embedder; None where other work ran meanwhile or a model was asked.
    """

    wall: float = 0.0
    answering: float = 0.0
    cpu: float | None = None
    texts: int = 0
    embedding: float = 0.0
    alone: bool = True


_LAP: ContextVar[Lap | None] = ContextVar("memory_r1_lap", default=None)


class Stopwatch:
    """Takes the laps of one system. `counts_cpu`: whether its processor time is its own work alone, without a model."""

    def __init__(self, counts_cpu: bool) -> None:
        self._counts_cpu = counts_cpu
        self._running: set[Lap] = set()

    @contextmanager
    def lap(self) -> Generator[Lap]:
        """Measure what is done inside the block; the lap is complete after it."""
        lap = Lap(alone=not self._running)
        for other in self._running:
            other.alone = False
        self._running.add(lap)
        token = _LAP.set(lap)
        began, spent = time.perf_counter(), time.process_time()
        try:
            yield lap
        finally:
            lap.wall = time.perf_counter() - began
            if self._counts_cpu and lap.alone:
                lap.cpu = max(0.0, time.process_time() - spent - lap.embedding)
            _LAP.reset(token)
            self._running.discard(lap)


@dataclass(frozen=True, slots=True)
class MeteredEmbedder:
    """The embedder `inner`, with its texts and processor time put on the lap that runs."""

    inner: Embedder

    @property
    def name(self) -> str:
        """The inner embedder's name."""
        return self.inner.name

    @property
    def dim(self) -> int:
        """The inner embedder's dimension."""
        return self.inner.dim

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The inner embedder's vectors."""
        began = time.process_time()
        try:
            return await self.inner.embed(texts, query=query)
        finally:
            lap = _LAP.get()
            if lap is not None:
                lap.texts += len(texts)
                lap.embedding += time.process_time() - began


@dataclass(frozen=True, slots=True)
class TimedAnswerer:
    """The answerer `inner`, with its wall time put on the lap that runs."""

    inner: Answerer

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        """The inner answerer's answer."""
        began = time.perf_counter()
        try:
            return await self.inner.answer(question, hits, asked)
        finally:
            lap = _LAP.get()
            if lap is not None:
                lap.answering += time.perf_counter() - began
