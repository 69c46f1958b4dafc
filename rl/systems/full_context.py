"""The row `full-context`: the answerer reads the whole conversation, so nothing is remembered and nothing searched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from memory_r1 import __version__
from memory_r1.memory.types import Turn
from memory_r1.rl.bench.recall import said
from memory_r1.rl.judge.judge import public_name
from memory_r1.rl.systems.types import Asked, Item, Learned, Reader
from memory_r1.rl.tasks.types import Conversation, Question


class FullContextSystem:
    """Puts the conversation, turn by turn, before `reader` with every question.

    `answerer`: the model that `reader` asks, for the row's description. Of the turns shown, a row of results keeps
    those that the answer cites; their order is not a ranking, so there is no recall.
    """

    def __init__(self, reader: Reader, answerer: str) -> None:
        self._reader = reader
        self._answerer = answerer

    @property
    def name(self) -> str:
        """The row's name."""
        return "full-context"

    def describe(self) -> Mapping[str, str]:
        """The answerer."""
        return {"version": f"memory-r1 {__version__}", "answerer": public_name(self._answerer)}

    async def open(self, conversation: Conversation, folder: Path) -> FullContextLearner:
        """The conversation itself; `folder` stays empty."""
        return FullContextLearner(conversation, self._reader)

    async def close(self) -> None:
        """Close the connections to the reader's model."""
        await self._reader.close()


class FullContextLearner:
    """One conversation, shown whole."""

    def __init__(self, conversation: Conversation, reader: Reader) -> None:
        self._items = tuple(
            Item(turn.id, said(turn), turn.speaker, turn.time, (turn.id,)) for turn in conversation.turns
        )
        self._reader = reader

    async def learn(self, turn: Turn) -> Learned:
        """Do nothing: the conversation is at hand."""
        return Learned({}, {"learn": 0.0})

    async def ask(self, question: Question) -> Asked:
        """Answer from the whole conversation. Raises ModelUnavailableError."""
        text, selected, read = await self._reader.read(question, self._items)
        cited = tuple(item for item in self._items if item.id in set(selected))
        return Asked(text, cited, selected, {"answer": read.seconds}, read.usage, read.failures, tells_turns=False)

    async def size(self) -> int:
        """The turns shown."""
        return len(self._items)

    async def memories(self) -> None:
        """It has none."""

    async def close(self) -> None:
        """Do nothing."""
