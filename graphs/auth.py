# pyright: reportMissingTypeStubs=false
"""Who may do what on the agent server: LangGraph's authentication and authorization, and the gate before all of it.

With a file of tokens (`graphs.tokens`, named by MEMORY_R1_TOKENS_FILE) a caller is who his token says: he sees his own
threads, runs, assistants, crons and stored items alone, and his runs open his own banks alone. Without one, whoever
works on this machine may do everything, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from langgraph_sdk import Auth

from memory_r1.graphs.tokens import VARIABLE, Keys

Json = dict[str, Any]
Scope = Mapping[str, Any]
Headers = Mapping[str, str]

STUDIO = frozenset({"https://smith.langchain.com", "https://eu.smith.langchain.com"})
"""Pages of other machines that may talk to a server without tokens: LangGraph Studio."""

USER = "memory_r1.user"
"""Where the gate leaves the caller in the request's scope."""

LOCAL = "local"
"""Who calls a server without tokens."""

_UNKNOWN = "a valid token is needed: send the header Authorization: Bearer TOKEN (or x-api-key: TOKEN)"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")

auth = Auth()


class Refused(Exception):
    """The caller is not let in. `status`: 401 or 403."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def keys_in_force() -> Keys | None:
    """The tokens that the environment names; None when it names none."""
    path = os.environ.get(VARIABLE, "")
    return _keys(Path(path)) if path else None


@lru_cache(maxsize=8)
def _keys(path: Path) -> Keys:
    return Keys(path)


async def caller(scope: Scope) -> Json:
    """Who makes the request: `identity`, and with tokens `banks`. Raises Refused."""
    headers = _headers(scope)
    keys = keys_in_force()
    if keys is None:
        why = stranger(scope, headers)
        if why:
            raise Refused(403, why)
        return {"identity": LOCAL}
    text = _given(headers)
    token = await asyncio.to_thread(keys.find, text) if text else None
    if token is None:
        raise Refused(401, _UNKNOWN)
    return {"identity": token.identity, "banks": list(token.banks)}


def stranger(scope: Scope, headers: Headers) -> str:
    """Why a request without a token is not one of this machine's; "" if it is.

    A browser sends what other people's pages ask for: the names in Host and Origin must be this machine's, too.
    """
    client = scope.get("client")
    if not client or not _loopback(str(client[0])) or any(name in headers for name in _FORWARDED):
        return (
            "this server has no tokens and so serves its own machine alone: make one by `memory-r1 token add NAME`, "
            "and start it by `memory-r1 serve --tokens FILE`"
        )
    if not _loopback(urlsplit(f"//{headers.get('host', '')}").hostname or ""):
        return "this server has no tokens and so answers to names of its own machine alone: call it 127.0.0.1"
    origin = headers.get("origin", "")
    if origin and origin not in STUDIO and not _loopback(urlsplit(origin).hostname or ""):
        return "this server has no tokens and so serves no pages of other machines, but for LangGraph Studio's"
    return ""


def _loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _headers(scope: Scope) -> dict[str, str]:
    pairs = cast("list[tuple[bytes, bytes]]", scope.get("headers", []))
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _given(headers: Headers) -> str:
    """The token that the request brings; "" if none. `Authorization` goes before `x-api-key`, which the SDK sends."""
    if "authorization" in headers:
        scheme, _, text = headers["authorization"].strip().partition(" ")
        return text.strip() if scheme.lower() == "bearer" else ""
    return headers.get("x-api-key", "").strip()


@auth.authenticate
async def authenticate(scope: Json) -> Any:
    """The caller, for LangGraph's server. Refuses as `caller` does, also where no gate stands before it."""
    try:
        return scope.get(USER) or await caller(scope)
    except Refused as refused:
        raise Auth.exceptions.HTTPException(status_code=refused.status, detail=refused.why) from None


@auth.on
async def authorize(ctx: Auth.types.AuthContext, value: Any) -> Any:
    """What the caller may do: anything without tokens; with them as `RULES` say, and nothing that they don't name."""
    keys = keys_in_force()
    if keys is None:
        return None
    rule = RULES.get((ctx.resource, ctx.action))
    if rule is None:
        return False
    banks = await asyncio.to_thread(keys.banks, ctx.user.identity)
    if not banks:  # the token has been revoked since: a cron, or a stream that is still open
        return False
    return rule(ctx.user.identity, banks, value)


def _own(me: str, _: tuple[str, ...], value: Json) -> Json:
    """What is mine. Whatever is written says so, whatever the request claims."""
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        cast(Json, metadata)["owner"] = me
    return {"owner": me}


def _readable(me: str, _: tuple[str, ...], value: Json) -> Json:
    """What is mine, and the graphs themselves."""
    return {"$or": [{"owner": me}, {"created_by": "system"}]}


def _assistant(me: str, banks: tuple[str, ...], value: Json) -> Json:
    """An assistant of mine: it can't pass for one of the server's, nor name another's bank."""
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and cast(Json, metadata).get("created_by") == "system":
        cast(Json, metadata)["created_by"] = "user"
    _check_banks(banks, value)
    return _own(me, banks, value)


def _run(me: str, banks: tuple[str, ...], value: Json) -> Json:
    """A run of mine, on my own banks, which it carries from here to `state.bank_of`."""
    kwargs = cast(Json, value.get("kwargs") or {})
    _check_banks(banks, kwargs)
    configurable = cast(Json, kwargs.setdefault("config", {})).setdefault("configurable", {})
    configurable["langgraph_auth_user"] = {"identity": me, "banks": list(banks)}
    return _own(me, banks, value)


def _cron(me: str, banks: tuple[str, ...], value: Json) -> Json:
    """A cron of mine, whose runs are mine."""
    payload = cast(Json, value.get("payload") or {})
    _check_banks(banks, payload)
    for part in _settings(payload):
        for name in [name for name in part if name.startswith("langgraph_auth")]:
            del part[name]
    return _own(me, banks, value)


def _settings(asked: Json) -> list[Json]:
    """Where a request may say what its run is about."""
    config = asked.get("config")
    configurable = cast(Json, config).get("configurable") if isinstance(config, dict) else None
    return [cast(Json, part) for part in (configurable, asked.get("context")) if isinstance(part, dict)]


def _check_banks(banks: tuple[str, ...], asked: Json) -> None:
    """Refuse what asks for another bank, and what would call an address of the caller's choice."""
    for part in _settings(asked):
        if part.get("bank") and part["bank"] not in banks:
            raise Auth.exceptions.HTTPException(status_code=403, detail="this token does not open that bank")
    if asked.get("webhook"):
        raise Auth.exceptions.HTTPException(status_code=403, detail="a server with tokens calls no webhooks")


def _stored(me: str, _: tuple[str, ...], value: Json) -> None:
    """An item of mine: it lies below my own name."""
    mine = me.replace(".", "%2E")  # no name of a namespace holds a dot
    place = tuple(value.get("namespace") or ())
    value["namespace"] = place if place[:1] == (mine,) else (mine, *place)


RULES: Mapping[tuple[str, str], Callable[[str, tuple[str, ...], Json], Json | None]] = {
    **{("threads", action): _own for action in ("create", "read", "update", "delete", "search")},
    ("threads", "create_run"): _run,
    ("assistants", "create"): _assistant,
    ("assistants", "update"): _assistant,
    ("assistants", "delete"): _own,
    ("assistants", "read"): _readable,
    ("assistants", "search"): _readable,
    ("crons", "create"): _cron,
    ("crons", "update"): _cron,
    **{("crons", action): _own for action in ("read", "delete", "search")},
    **{("store", action): _stored for action in ("put", "get", "search", "delete", "list_namespaces")},
}
"""What a caller with a token may do, by resource and action: the filter on what is touched, or None."""
