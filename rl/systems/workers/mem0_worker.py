"""Mem0's open-source library (mem0ai) as a worker of `base.py`: local Qdrant and its history in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mem0 import Memory  # pyright: ignore

LIBRARY = "mem0ai"
WHEN = "The new messages were said on {time}. Take this as the observation date and the current date."
"""What `Memory.add` is told beside a message: it has no parameter for the time at which it was said."""

_EVERY = 1_000_000


class Worker:
    """`Memory.from_config`, one user for the conversation."""

    def open(self, given: dict[str, Any]) -> None:
        """Open or make the memory in the folder."""
        folder = Path(given["folder"])
        self._user = given["conversation"]
        self._memory: Any = Memory.from_config(configuration(folder, given["model"], given["embedder"]))

    def learn(self, turn: dict[str, Any], again: bool) -> dict[str, Any]:
        """Add the turn as one message; what a broken-off attempt added of it goes first."""
        if again:
            self._forget(turn["id"])
        role = turn["speaker"] if turn["speaker"] in ("user", "assistant") else "user"
        done = self._memory.add(
            [{"role": role, "content": turn["line"]}],
            user_id=self._user,
            metadata={"turn": turn["id"], "speaker": turn["speaker"], "time": turn["time"]},
            prompt=WHEN.format(time=turn["time"]),
        )
        operations: dict[str, int] = {}
        for result in done["results"]:
            kind = result["event"].lower()
            operations[kind] = operations.get(kind, 0) + 1
        return {"operations": operations}

    def search(self, query: str, limit: int) -> dict[str, Any]:
        """The library's own hybrid search."""
        found = self._memory.search(query, filters={"user_id": self._user}, top_k=limit)["results"]
        return {"items": [item(memory) for memory in found]}

    def size(self) -> int:
        """How many memories the user has."""
        return len(self._all({}))

    def memories(self) -> dict[str, Any]:
        """All memories of the user."""
        found = sorted(self._all({}), key=lambda memory: (memory.get("created_at") or "", memory["id"]))
        return {"items": [item(memory) for memory in found]}

    def close(self) -> None:
        """Close the history's and Qdrant's files."""
        self._memory.vector_store.client.close()
        self._memory.close()

    def _all(self, more: dict[str, Any]) -> list[dict[str, Any]]:
        return self._memory.get_all(filters={"user_id": self._user, **more}, top_k=_EVERY)["results"]

    def _forget(self, turn: str) -> None:
        for memory in self._all({"turn": turn}):
            self._memory.delete(memory["id"])


def configuration(folder: Path, model: dict[str, Any], embedder: dict[str, Any]) -> dict[str, Any]:
    """Mem0's configuration: everything in `folder`, both models at their addresses."""
    return {
        "llm": {
            "provider": "openai",
            "config": {
                "model": model["name"],
                "openai_base_url": model["base_url"],
                "api_key": model["api_key"],
                "temperature": 0.0,
            },
        },
        "embedder": {
            "provider": "openai",
            "config": {
                "model": embedder["name"],
                "openai_base_url": embedder["base_url"],
                "api_key": embedder["api_key"],
                "embedding_dims": embedder["dim"],
            },
        },
        "vector_store": {
            "provider": "qdrant",
            "config": {
                "path": str(folder / "qdrant"),
                "collection_name": "memories",
                "embedding_model_dims": embedder["dim"],
                "on_disk": True,
            },
        },
        "history_db_path": str(folder / "history.db"),
    }


def item(memory: dict[str, Any]) -> dict[str, Any]:
    """One result of a search as the protocol has it."""
    told: dict[str, Any] = memory.get("metadata") or {}
    return {
        "id": memory["id"],
        "text": memory["memory"],
        "speaker": told.get("speaker", ""),
        "recorded": told.get("time"),
        "turns": [told["turn"]] if "turn" in told else [],
        "score": memory.get("score") or 0.0,
    }
