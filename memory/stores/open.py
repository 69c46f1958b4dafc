"""Opens a store by its URL."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from memory_r1.memory.errors import SettingsError
from memory_r1.memory.store import Store

_URL = re.compile(r"(?:^|[,=@])([A-Za-z][A-Za-z0-9+.-]*)://")
KINDS = "sqlite:///path/to/file.db, neo4j://user:password@host:7687/database, or memory://"


async def open_store(url: str, *, password: str = "") -> Store:
    """The store at `url`: `sqlite:///relative.db` or `sqlite:////absolute.db`, `neo4j://` and `bolt://` (with
    `+s` or `+ssc` for TLS), or `memory://`.

    `password` is used where a Neo4j URL names none. Raises SettingsError for another URL, StoreUnavailableError
    when the store can't be opened, MissingExtraError when the driver is not installed.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory" and not rest:
        from memory_r1.memory.stores.memory import InMemoryStore

        return InMemoryStore()
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        from memory_r1.memory.stores.sqlite import SqliteStore

        return await SqliteStore.open(rest[1:])
    if scheme.split("+")[0] in ("neo4j", "bolt") and rest:
        return await _open_neo4j(url, password)
    raise SettingsError(f"{redacted(url)!r} is no store: give {KINDS}")


def redacted(text: str) -> str:
    """`text` without the passwords of the URLs in it, fit for a log or an error.

    It may be a URL, a model string ("openai:NAME@URL"), or several with commas between. A user's name is shown, but not
    that of an HTTP URL without a password, which may be a key, nor an HTTP URL's query.
    """
    starts = list(_URL.finditer(text))
    if not starts:
        user, mark, place = text.rpartition("@")
        return f"{user.partition(':')[0]}:***@{place}" if mark and ":" in user else text
    ends = [*(start.start() for start in starts[1:]), len(text)]
    shown = text[: starts[0].start()]
    for start, end in zip(starts, ends, strict=True):
        shown += start[0] + _shown(text[start.end() : end], start[1].lower().startswith("http"))
    return shown


def _shown(rest: str, http: bool) -> str:
    """What may be shown of a URL behind its scheme."""
    login, mark, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    login = f"{user}:***" if colon else "***" if http else user
    place = re.sub(r"\?[^,]*", "?***", place) if http else place
    return f"{login}{mark}{place}" if mark else place


def with_password(url: str, password: str) -> str:
    """The Neo4j URL with `password`, where it names none; another URL as it is."""
    scheme, _, rest = url.partition("://")
    login, _, place = rest.rpartition("@")
    if scheme.split("+")[0] not in ("neo4j", "bolt") or not password or ":" in login:
        return url
    return f"{scheme}://{login or 'neo4j'}:{quote(password, safe='')}@{place}"


async def _open_neo4j(url: str, password: str) -> Store:
    from memory_r1.memory.stores.neo4j import Neo4jStore

    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise SettingsError(f"{redacted(url)!r} is no store: {error}; give {KINDS}") from None
    server = f"{parts.scheme}://{parts.hostname or 'localhost'}{port}"
    user = unquote(parts.username or "neo4j")
    secret = unquote(parts.password or "") or password
    return await Neo4jStore.connect(server, user, secret, database=parts.path.strip("/") or "neo4j")
