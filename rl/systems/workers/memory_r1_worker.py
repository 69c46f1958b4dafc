"""Memory-R1 as a worker of `base.py`, so that it is measured as the others are: from outside."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from memory_r1.graphs import Agent, ModelOptions, Settings, build_agent
from memory_r1.memory.embedders import Vectors
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.memory.types import Memory, Turn

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
        body = {"model": self.name, "input": list(texts), "encoding_format": "base64"}
        found: Any = await self.client.post("/embeddings", cast_to=object, body=body)
        return np.stack([np.frombuffer(b64decode(item["embedding"]), "<f4") for item in found["data"]])


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
        return {"items": [{**told(hit.memory), "score": hit.score} for hit in hits]}

    async def size(self) -> int:
        """How many memories the bank holds."""
        return (await self._store.bank(self._bank)).live

    async def memories(self) -> dict[str, Any]:
        """The bank's live memories."""
        return {"items": [told(memory) for memory in await self._store.memories(self._bank)]}

    async def close(self) -> None:
        """Close the model's connections and the file."""
        await self._agent.close()
        await self._embedder.client.close()
        await self._store.close()


def told(memory: Memory) -> dict[str, Any]:
    """A memory as the protocol has it."""
    return {
        "id": memory.id, "text": memory.text, "speaker": memory.speaker, "recorded": memory.recorded.isoformat(),
        "turns": list(memory.turns),
    }  # fmt: skip
