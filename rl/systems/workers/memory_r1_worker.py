"""Memory-R1 as a worker of `base.py`, so that it is measured as the others are: from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from memory_r1.graphs import Agent, ModelOptions, Settings, build_agent
from memory_r1.memory.embedders import Vectors
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Turn

LIBRARY = "memory-r1"


class LentEmbedder:
    """The embedder that was lent, by OpenAI's client as in the other workers, whose work is told from the library's."""

    def __init__(self, name: str, dim: int, base_url: str, api_key: str) -> None:
        self.name = name
        self.dim = dim
        self.client = AsyncOpenAI(base_url=base_url, api_key=api_key)

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The vectors of `texts`: (len(texts), dim) float32, unit norm."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        found = await self.client.embeddings.create(model=self.name, input=list(texts))
        return np.array([item.embedding for item in found.data], np.float32)


class Worker:
    """`build_agent` over one SQLite file, one bank for the conversation."""

    async def open(self, given: dict[str, Any]) -> None:
        """Open or make the file in the folder."""
        model, embedder = given["model"], given["embedder"]
        self._bank = "conversation"
        self._embedder = LentEmbedder(**embedder)
        self._store = await SqliteStore.open(Path(given["folder"]) / "store.db")
        self._agent: Agent = build_agent(
            self._store,
            self._embedder,
            models=f"openai:{model['name']}@{model['base_url']}",
            settings=Settings(options=ModelOptions(api_key=model["api_key"])),
        )

    async def learn(self, turn: dict[str, Any], again: bool) -> dict[str, Any]:
        """Let the agent learn the turn; one that it knows costs nothing."""
        said = {name: value for name, value in turn.items() if name != "line"}
        done = await self._agent.learn(Turn(**{**said, "time": datetime.fromisoformat(turn["time"])}), self._bank)
        operations: dict[str, int] = {}
        for operation in done.operations:
            operations[operation.kind] = operations.get(operation.kind, 0) + 1
        return {"operations": operations, "failures": [failure.detail for failure in done.failures]}

    async def search(self, query: str, limit: int) -> dict[str, Any]:
        """The store's search, as the agent's answers begin with it."""
        hits = await self._store.search(self._bank, query, self._embedder, total=limit)
        return {
            "items": [
                {
                    "id": hit.memory.id, "text": hit.memory.text, "speaker": hit.memory.speaker,
                    "recorded": hit.memory.recorded.isoformat(), "turns": list(hit.memory.turns), "score": hit.score,
                }
                for hit in hits
            ]
        }  # fmt: skip

    async def size(self) -> int:
        """How many memories the bank holds."""
        return (await self._store.bank(self._bank)).live

    async def close(self) -> None:
        """Close the model's connections and the file."""
        await self._agent.close()
        await self._embedder.client.close()
        await self._store.close()
