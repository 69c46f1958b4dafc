"""The row `rag`: each turn is stored as it was said, and the turns most like the question are read by the answerer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from memory_r1.graphs.models import RULES
from memory_r1.memory.embedders import Embedder
from memory_r1.memory.store import Store
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Turn
from memory_r1.rl.bench.recall import turns_write
from memory_r1.rl.systems.meters import MeteredEmbedder, Stopwatch
from memory_r1.rl.systems.ours import FILE, as_item, described, kept, live
from memory_r1.rl.systems.types import Asked, Kept, Learned, Reader
from memory_r1.rl.tasks.types import Conversation, Question

TOP = 60
"""Turns that a question is answered from: as many as our own rows look at."""


class RagSystem:
    """Retrieval over turns as chunks (as LoCoMo's "dialog" chunks) in our own store, with the shared answerer.

    `answerer`: the model that `reader` asks. `top`: turns read for a question.
    """

    def __init__(self, embedder: Embedder, reader: Reader, answerer: str, top: int = TOP) -> None:
        self.embedder = MeteredEmbedder(embedder)
        self.reader = reader
        self.answerer = answerer
        self.top = top
        self.watch = Stopwatch(counts_cpu=answerer == RULES)

    @property
    def name(self) -> str:
        """The row's name."""
        return "rag"

    def describe(self) -> Mapping[str, str]:
        """The answerer, the embedder, and how many turns are read."""
        return {
            **described({"answerer": self.answerer}, self.embedder),
            "chunk": "a turn, its picture's caption included", "top": str(self.top),
        }  # fmt: skip

    async def open(self, conversation: Conversation, folder: Path) -> RagLearner:
        """The turns of `conversation` in `folder`. Raises StoreError."""
        store = await SqliteStore.open(folder / FILE)
        if conversation.turns:
            await store.open_bank(conversation.id, self.embedder, conversation.turns[0].time)
        return RagLearner(store, conversation.id, self)

    async def close(self) -> None:
        """Close the connections to the reader's model."""
        await self.reader.close()


class RagLearner:
    """One conversation's turns, in a bank of `store`."""

    def __init__(self, store: Store, bank: str, system: RagSystem) -> None:
        self._store = store
        self._bank = bank
        self._system = system

    async def learn(self, turn: Turn) -> Learned:
        """Store one turn, once. Raises StoreError, and ModelUnavailableError when the embedder can't be reached."""
        with self._system.watch.lap() as lap:
            write, vectors = await turns_write(f"turn:{turn.id}", [turn], self._system.embedder)
            receipt = await self._store.write(self._bank, write, vectors)
        return Learned({"add": len(receipt.revision.created)}, {"learn": lap.wall}, cpu=lap.cpu, embedded=lap.texts)

    async def ask(self, question: Question) -> Asked:
        """Answer from the turns most like the question. Raises ModelUnavailableError and StoreError."""
        system = self._system
        with system.watch.lap() as lap:
            hits = await self._store.search(
                self._bank, question.text, system.embedder, total=system.top, per_speaker=None
            )
            items = tuple(map(as_item, hits))
            text, selected, read = await system.reader.read(question, items)
        seconds = {"search": lap.wall - read.seconds, "answer": read.seconds}
        return Asked(text, items, selected, seconds, read.usage, read.failures, True, lap.cpu, lap.texts)

    async def size(self) -> int:
        """The turns stored."""
        return await live(self._store, self._bank)

    async def memories(self) -> Kept:
        """The turns stored. Raises StoreError."""
        return await kept(self._store, self._bank)

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()
