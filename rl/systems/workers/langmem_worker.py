"""LangMem as a worker of `base.py`: its memory store manager over LangGraph's in-memory store, kept in a file.

LangGraph's SQLite store searches vectors by an extension that many Pythons are built without, so the in-memory store
is written to `memories.db` after each turn, whole turns only, and read back when the worker starts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore
from langmem import create_memory_store_manager  # pyright: ignore

LIBRARY = "langmem"
SPACE = ("memories",)
SCHEMA = """
CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT, speaker TEXT, recorded TEXT, turns TEXT);
CREATE TABLE IF NOT EXISTS turn (id TEXT PRIMARY KEY, operations TEXT)
"""


class WatchedStore(InMemoryStore):
    """Notes what is put and deleted (None): `changes`, by key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.changes: dict[str, Mapping[str, Any] | None] = {}

    async def abatch(self, ops: Iterable[Any]) -> list[Any]:
        """Do as the store does."""
        ops = list(ops)
        done = await super().abatch(ops)
        self.changes.update((op.key, op.value) for op in ops if isinstance(op, PutOp))
        return done


class Worker:
    """`create_memory_store_manager` with its defaults; one message is one turn."""

    async def open(self, given: dict[str, Any]) -> None:
        """Read what the folder holds."""
        self._model, self._embedder = given["model"], given["embedder"]
        self._db = sqlite3.connect(Path(given["folder"]) / "memories.db")
        self._db.executescript(SCHEMA)
        await self._load()

    async def learn(self, turn: dict[str, Any], again: bool) -> dict[str, Any]:
        """Give the turn to the manager and keep what it did. A turn that the file has is learned already."""
        known = self._db.execute("SELECT operations FROM turn WHERE id = ?", (turn["id"],)).fetchone()
        if known:
            return {"operations": json.loads(known[0])}
        message = {"role": "user", "content": f"[{turn['time']}] {turn['line']}"}
        try:
            await self._manager.ainvoke({"messages": [message]})
            return {"operations": self._keep(turn)}
        except BaseException:
            await self._load()  # what was half done is gone again
            raise

    async def search(self, query: str, limit: int) -> dict[str, Any]:
        """The manager's search, each memory with the turns at which it was written."""
        found = await self._manager.asearch(query=query, limit=limit)
        return {"items": [self._item(memory) for memory in found]}

    def size(self) -> int:
        """How many memories the file holds."""
        return self._db.execute("SELECT count(*) FROM memory").fetchone()[0]

    def memories(self) -> dict[str, Any]:
        """All that the file holds."""
        rows = self._db.execute("SELECT key, value FROM memory ORDER BY rowid").fetchall()
        return {"items": [self._told(key, json.loads(value)["content"]["content"]) for key, value in rows]}

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    async def _load(self) -> None:
        embedder = OpenAIEmbeddings(
            model=self._embedder["name"], base_url=self._embedder["base_url"], api_key=self._embedder["api_key"],
            check_embedding_ctx_length=False,
        )  # fmt: skip
        store = WatchedStore(index={"dims": self._embedder["dim"], "embed": embedder})
        rows = self._db.execute("SELECT key, value FROM memory ORDER BY rowid").fetchall()
        if rows:
            await store.abatch([PutOp(SPACE, key, json.loads(value)) for key, value in rows])
        store.changes.clear()
        model = ChatOpenAI(
            model=self._model["name"], base_url=self._model["base_url"], api_key=self._model["api_key"], temperature=0.0
        )
        self._store = store
        self._manager: Any = create_memory_store_manager(model, namespace=SPACE, store=store)

    def _keep(self, turn: dict[str, Any]) -> dict[str, int]:
        operations = {"add": 0, "update": 0, "delete": 0}
        with self._db:
            for key, value in self._store.changes.items():
                operations[self._write(turn, key, value)] += 1
            told = {kind: count for kind, count in operations.items() if count}
            self._db.execute("INSERT INTO turn VALUES (?, ?)", (turn["id"], json.dumps(told)))
        self._store.changes.clear()
        return told

    def _write(self, turn: dict[str, Any], key: str, value: Mapping[str, Any] | None) -> str:
        """Write one change; says of which kind it is."""
        if value is None:
            self._db.execute("DELETE FROM memory WHERE key = ?", (key,))
            return "delete"
        old = self._db.execute("SELECT speaker, turns FROM memory WHERE key = ?", (key,)).fetchone()
        if old is None:
            row = (key, json.dumps(value), turn["speaker"], turn["time"], json.dumps([turn["id"]]))
            self._db.execute("INSERT INTO memory VALUES (?, ?, ?, ?, ?)", row)
            return "add"
        speaker = turn["speaker"] if turn["speaker"] == old[0] else ""
        turns = json.dumps([*json.loads(old[1]), turn["id"]])
        row = (json.dumps(value), speaker, turn["time"], turns, key)
        self._db.execute("UPDATE memory SET value = ?, speaker = ?, recorded = ?, turns = ? WHERE key = ?", row)
        return "update"

    def _item(self, memory: Any) -> dict[str, Any]:
        return {**self._told(memory.key, memory.value.content), "score": memory.score or 0.0}

    def _told(self, key: str, text: str) -> dict[str, Any]:
        """The memory `key` with the turns at which it was written."""
        row = self._db.execute("SELECT speaker, recorded, turns FROM memory WHERE key = ?", (key,)).fetchone()
        return {"id": key, "text": text, "speaker": row[0], "recorded": row[1], "turns": json.loads(row[2])}
