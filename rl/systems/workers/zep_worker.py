"""Zep's open-source library (graphiti-core) as a worker of `base.py`: a graph of its own in a Neo4j database.

The folder holds the name of the conversation's group (`group.json`), made at the first opening, so that no run finds
another's graph, and nothing outside the group is read or changed, but for the indexes that the library makes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from graphiti_core import Graphiti  # pyright: ignore
from graphiti_core.cross_encoder.client import CrossEncoderClient  # pyright: ignore
from graphiti_core.driver.neo4j_driver import Neo4jDriver  # pyright: ignore
from graphiti_core.edges import EntityEdge  # pyright: ignore
from graphiti_core.embedder.openai import OpenAIEmbedder, OpenAIEmbedderConfig  # pyright: ignore
from graphiti_core.errors import GroupsEdgesNotFoundError  # pyright: ignore
from graphiti_core.llm_client.config import LLMConfig  # pyright: ignore
from graphiti_core.llm_client.openai_generic_client import OpenAIGenericClient  # pyright: ignore
from graphiti_core.nodes import EpisodeType  # pyright: ignore

LIBRARY = "graphiti-core"
GROUP = "group.json"
SOURCE = "a message of a conversation"
"""What an episode is said to be."""

_TRIES = 5
_AWAY = {"ServiceUnavailable", "SessionExpired", "TransientError", "AuthError", "ConfigurationError"}
"""What Neo4j's driver raises, or calls its parent, when the server is not to be had."""


class StoreUnavailableError(Exception):
    """Neo4j is not to be had, or has lost the graph. By its name the other side stops instead of counting a failure."""


def watched(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`work`, with errors of the database told from those of the library."""

    @wraps(work)
    async def told(*args: Any, **given: Any) -> Any:
        try:
            return await work(*args, **given)
        except Exception as error:
            if _AWAY & {kind.__name__ for kind in type(error).__mro__}:
                raise StoreUnavailableError(f"Neo4j: {type(error).__name__}: {error}") from error
            raise

    return told


class InOrder(CrossEncoderClient):  # pyright: ignore
    """Keeps the order: the library wants a reranker to be made, which its search by reciprocal ranks never calls."""

    async def rank(self, query: str, passages: list[str]) -> list[tuple[str, float]]:
        """`passages` as they come."""
        return [(passage, 1.0) for passage in passages]


class Worker:
    """`Graphiti`, one group for the conversation, each turn an episode."""

    @watched
    async def open(self, given: dict[str, Any]) -> None:
        """Connect, and make the library's indexes."""
        self._path = Path(given["folder"]) / GROUP
        self._kept = read_group(self._path, given["conversation"])
        self._group: str = self._kept["group"]
        logging.getLogger("neo4j.notifications").setLevel(logging.ERROR)  # pages of them for a database that is new
        self._graphiti: Any = await asyncio.to_thread(connect, given)  # on the loop it would make indexes unwatched
        await self._graphiti.driver.client.verify_connectivity()
        await indexes(self._graphiti)
        await self._read()
        if self._kept["begun"] and not self._turns:
            raise StoreUnavailableError(
                f"the graph {self._group!r} is gone from Neo4j: delete {str(self._path.parent)!r}"
            )

    @watched
    async def learn(self, turn: dict[str, Any], again: bool) -> dict[str, Any]:
        """Add the turn as an episode, unless a broken-off attempt has: the library would add it once more."""
        if again:
            await self._read()
            if turn["id"] in self._turns.values():
                return {"operations": {}}
        done = await self._graphiti.add_episode(
            name=turn["id"],
            episode_body=turn["line"],
            source=EpisodeType.message,
            source_description=SOURCE,
            reference_time=in_utc(turn["time"]),
            group_id=self._group,
        )
        self._turns[done.episode.uuid] = turn["id"]
        if not self._kept["begun"]:
            self._kept["begun"] = True
            write_group(self._path, self._kept)
        return {"operations": operations(done.edges, done.episode.uuid)}

    @watched
    async def search(self, query: str, limit: int) -> dict[str, Any]:
        """The library's own hybrid search for facts, fused by reciprocal ranks."""
        edges = await self._graphiti.search(query, group_ids=[self._group], num_results=limit)
        found: dict[str, Any] = {}
        for item in map(self._item, edges):
            found.setdefault(item["id"], item)
        return {"items": list(found.values())}

    @watched
    async def size(self) -> int:
        """How many facts the group has, those that no longer hold included."""
        rows = await self._rows("MATCH ()-[e:RELATES_TO {group_id: $group}]->() RETURN count(e) AS facts")
        return int(rows[0]["facts"])

    @watched
    async def memories(self) -> dict[str, Any]:
        """The facts of the group; those that no longer hold tell until when they did."""
        try:
            edges = await EntityEdge.get_by_group_ids(self._graphiti.driver, [self._group])
        except GroupsEdgesNotFoundError:
            edges = []
        edges.sort(key=lambda edge: (edge.created_at, edge.uuid))
        return {"items": [self._item(edge) for edge in edges]}

    async def close(self) -> None:
        """Close the connection."""
        await self._graphiti.close()

    @watched
    async def forget(self, folders: Sequence[str], settings: dict[str, str]) -> dict[str, Any]:
        """Delete the groups that `folders` name; `deleted`: how many nodes that were."""
        kept = [Path(folder) / GROUP for folder in folders]
        groups = [json.loads(path.read_text(encoding="utf-8"))["group"] for path in kept if path.exists()]
        driver: Any = await asyncio.to_thread(connected, settings)
        deleted = 0
        try:
            for group in groups:
                query = "MATCH (n {group_id: $group}) DETACH DELETE n RETURN count(*) AS nodes"
                deleted += (await driver.execute_query(query, params={"group": group})).records[0]["nodes"]
        finally:
            await driver.close()
        return {"deleted": deleted}

    async def _read(self) -> None:
        """Learn which turn each episode of the group is."""
        rows = await self._rows("MATCH (e:Episodic {group_id: $group}) RETURN e.uuid AS uuid, e.name AS turn")
        self._turns: dict[str, str] = {row["uuid"]: row["turn"] for row in rows}

    async def _rows(self, query: str) -> list[Any]:
        return (await self._graphiti.driver.execute_query(query, params={"group": self._group})).records

    def _item(self, edge: Any) -> dict[str, Any]:
        turns = [self._turns[uuid] for uuid in edge.episodes if uuid in self._turns]
        text = fact(edge)
        return {
            "id": sha256(json.dumps([edge.name, text, turns[:1]]).encode()).hexdigest()[:12],
            "text": text,
            "recorded": edge.reference_time.isoformat() if edge.reference_time else None,
            "turns": turns,
        }


def connect(given: dict[str, Any]) -> Any:
    """The library over the database of `settings`, both models at their addresses."""
    model, embedder, neo4j = given["model"], given["embedder"], given["settings"]
    told = LLMConfig(
        api_key=model["api_key"],
        base_url=model["base_url"],
        model=model["name"],
        small_model=model["name"],
        temperature=0.0,
    )
    embedding = OpenAIEmbedderConfig(
        api_key=embedder["api_key"],
        base_url=embedder["base_url"],
        embedding_model=embedder["name"],
        embedding_dim=embedder["dim"],
    )
    return Graphiti(
        graph_driver=connected(neo4j),
        llm_client=OpenAIGenericClient(told),
        embedder=OpenAIEmbedder(embedding),
        cross_encoder=InOrder(),
    )


def connected(settings: dict[str, str]) -> Any:
    """The library's driver of the database; not made on an event loop, where it would begin to make indexes."""
    return Neo4jDriver(settings["uri"], settings["user"], settings["password"], settings["database"])


async def indexes(graphiti: Any) -> None:
    """Make the library's indexes and wait for them. Others may be making the same ones, so it is tried again."""
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            await graphiti.build_indices_and_constraints()
            break
        except Exception as error:
            if last or "TransientError" not in str(getattr(error, "code", "")):
                raise
            await asyncio.sleep(0.5)
    await graphiti.driver.execute_query("CALL db.awaitIndexes(120)")


def operations(edges: Sequence[Any], episode: str) -> dict[str, int]:
    """What adding `episode` did to facts: new ones, those said before, and those that it ended."""
    kinds = [
        ("add" if edge.episodes == [episode] else "noop") if episode in edge.episodes else "delete" for edge in edges
    ]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def fact(edge: Any) -> str:
    """The fact, and from when to when it holds where that is not just since it was said."""
    said = edge.reference_time.date() if edge.reference_time else None
    begins = f"from {edge.valid_at.date()}" if edge.valid_at and edge.valid_at.date() != said else ""
    ends = f"until {edge.invalid_at.date()}" if edge.invalid_at else ""
    holds = " ".join(filter(None, (begins, ends)))
    return f"{edge.fact} ({holds})" if holds else edge.fact


def in_utc(time: str) -> datetime:
    """An ISO 8601 time; one without a zone counts as UTC."""
    read = datetime.fromisoformat(time)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def read_group(path: Path, conversation: str) -> dict[str, Any]:
    """The group that the folder names, and whether it has begun to fill; a new one in a new folder."""
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    plain = re.sub(r"[^A-Za-z0-9]+", "_", conversation)[:40]
    kept = {"group": f"mr1_{plain}_{uuid4().hex}", "begun": False}
    write_group(path, kept)
    return kept


def write_group(path: Path, kept: dict[str, Any]) -> None:
    """Keep the group, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(kept), encoding="utf-8")
    part.replace(path)
