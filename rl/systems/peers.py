"""Other people's libraries that can be rows of the table, each as its makers publish it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import InputError
from memory_r1.rl.systems.bridge import endpoint
from memory_r1.rl.systems.environments import Environment
from memory_r1.rl.systems.hosted import HostedSystem, Hosting
from memory_r1.rl.systems.types import Reader

WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True, slots=True)
class Peer:
    """One library. `package`: the one that pip installs first. `notes`: what a reader of the table must know."""

    name: str
    title: str
    package: str
    notes: str
    needs: str = "a model"
    tells_turns: bool = True

    @property
    def worker(self) -> Path:
        """The file that speaks for it."""
        return WORKERS / f"{self.name}_worker.py"

    @property
    def environment(self) -> Environment:
        """Where it is installed."""
        return Environment(self.name, WORKERS / f"{self.name}.txt")

    @property
    def version(self) -> str:
        """The version that is pinned."""
        return self.environment.versions[self.package]


PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "mem0",
            "Mem0's open-source library",
            "mem0ai",
            "with local Qdrant and its own least score of a hit; without its optional spaCy and fastembed parts, which "
            "download models; a turn's time is told by its per-call prompt, as the library takes none for a message",
        ),
        Peer(
            "langmem",
            "LangMem, memory for LangGraph",
            "langmem",
            "its memory store manager, each turn as one message that tells speaker and time; its in-memory store, "
            "written to a file after each turn, as its SQLite store's vector search needs an extension that many "
            "Pythons can't load; a memory's turns are those at which it was written",
        ),
        Peer(
            "zep",
            "Zep's open-source library",
            "graphiti-core",
            "on Neo4j, each turn as an episode; its search for facts fused by reciprocal ranks, without the reranker "
            "that would ask a model; a conversation's graph stays in the database, as the group that its folder names",
            needs="a model and a Neo4j server",
        ),
    )
}


def find_peer(name: str) -> Peer:
    """The library `name`. Raises InputError."""
    if name not in PEERS:
        raise InputError(f"there is no library {name!r}: choose one of {', '.join(PEERS)}")
    return PEERS[name]


def make_peer(
    name: str, model: str, embedder: Embedder, reader: Reader, *, api_key: str = "",
    settings: Mapping[str, Any] | None = None,
) -> HostedSystem:  # fmt: skip
    """The row of the library `name`, remembering with `model` (a model string) and `embedder`, read by `reader`.

    `settings`: for the worker alone, secrets among them. Raises InputError, SettingsError for a model that isn't an
    OpenAI-compatible endpoint, MissingExtraError when the library isn't installed.
    """
    peer = find_peer(name)
    lent = endpoint(model, api_key)
    environment = peer.environment
    about = {
        "system": peer.title,
        "library": f"{peer.package} {peer.version}",
        "environment": environment.folder.name,
        "notes": peer.notes,
    }
    hosting = Hosting(name, environment.need(), peer.worker, about, dict(settings or {}), peer.tells_turns)
    return HostedSystem(hosting, lent, embedder, reader)
