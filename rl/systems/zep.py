"""What the row `zep` needs beside its library: a Neo4j server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from memory_r1.memory.embedders.base import Embedder
from memory_r1.memory.errors import SettingsError, StoreUnavailableError
from memory_r1.memory.stores.open import redacted
from memory_r1.rl.systems.host import Launch, Worker
from memory_r1.rl.systems.hosted import HostedSystem
from memory_r1.rl.systems.peers import find_peer, make_peer
from memory_r1.rl.systems.types import Reader

log = logging.getLogger(__name__)

GROUP = "group.json"
"""Names a conversation's graph, in its folder."""
NEEDED = "zep needs a Neo4j server: give neo4j://USER@HOST:7687 and MEMORY_R1_STORE_PASSWORD"
PATIENCE = 5.0
"""Seconds in which the server must take a connection."""


async def make_zep(
    url: str, password: str, model: str, embedder: Embedder, reader: Reader, *, api_key: str = ""
) -> HostedSystem:
    """The row `zep` with its graphs in the Neo4j server at `url`, each conversation a group of its own there.

    Raises SettingsError for no or another URL, StoreUnavailableError when nothing answers there, and what `make_peer`
    raises.
    """
    settings = neo4j_settings(url, password)
    await check_answers(url)
    return make_peer("zep", model, embedder, reader, api_key=api_key, settings=settings)


async def forget_graphs(banks: Sequence[Path], url: str, password: str) -> None:
    """Delete from the Neo4j server at `url` the graphs of the conversations whose folders are `banks`.

    Raises SettingsError for no or another URL, StoreUnavailableError when the server is away or refuses,
    MissingExtraError when the library isn't installed.
    """
    folders = [str(bank.absolute()) for bank in banks if (bank / GROUP).exists()]
    if not folders:
        return
    settings = neo4j_settings(url, password)
    await check_answers(url)
    peer = find_peer("zep")
    worker = await Worker.start(Launch(peer.environment.need(), peer.worker, Path(folders[0]), peer.name))
    try:
        done = await worker.request("forget", folders=folders, settings=dict(settings))
    finally:
        await worker.kill()
    log.info("deleted %d nodes of %d graphs from Neo4j", done["deleted"], len(folders))


def neo4j_settings(url: str, password: str) -> Mapping[str, str]:
    """What the worker is told of the server at `url`: uri, user, password, database. Raises SettingsError."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise SettingsError(f"{redacted(url)!r} is no Neo4j server ({error}). {NEEDED}") from None
    if not url or parts.scheme.split("+")[0] not in ("neo4j", "bolt"):
        raise SettingsError(f"{redacted(url)!r} is no Neo4j server. {NEEDED}" if url else NEEDED)
    host = parts.hostname or "localhost"
    return {
        "uri": f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}",
        "user": unquote(parts.username or "neo4j"),
        "password": unquote(parts.password or "") or password,
        "database": parts.path.strip("/") or "neo4j",
    }


async def check_answers(url: str) -> None:
    """Raise StoreUnavailableError unless something takes connections at `url`."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname or "localhost", parts.port or 7687)
    except (OSError, TimeoutError) as error:
        raise StoreUnavailableError(
            f"no Neo4j server answers at {redacted(url)!r} ({type(error).__name__}). {NEEDED}"
        ) from error
    writer.close()
    await writer.wait_closed()
