"""The gate of the agent server: every request passes it first, also those that LangGraph's own check lets through.

LangGraph checks who calls only where its API proper begins. Before that stand, for everybody, the server's figures and
documents, the start of a deployment, and two routes for debugging that show or erase all threads.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from memory_r1.graphs.auth import USER, Refused, caller

OPEN = frozenset({"/ok"})
"""What everybody may ask: whether the server is up."""

SHUT = frozenset({"internal", "deploy"})
"""Where the routes begin that nobody may use: debugging, and starting programs on this machine."""


class Gate:
    """Lets through who may call, and says to the rest who that is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        if path.strip("/").partition("/")[0] in SHUT:
            await _refuse(scope, send, Refused(404, "Not Found"))
            return
        try:
            if path not in OPEN and not _preflight(scope):
                scope[USER] = await caller(scope)
        except Refused as refused:
            await _refuse(scope, send, refused)
            return
        await self.app(scope, receive, send)


def _preflight(scope: Scope) -> bool:
    """Whether a browser asks what it may ask; it can't send a token then."""
    asked = any(name.lower() == b"access-control-request-method" for name, _ in scope.get("headers", []))
    return scope.get("method") == "OPTIONS" and asked


async def _refuse(scope: Scope, send: Send, refused: Refused) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    body = json.dumps({"detail": refused.why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    start: dict[str, Any] = {"type": "http.response.start", "status": refused.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


app = Starlette(middleware=[Middleware(Gate)])
"""What LangGraph's server adds its routes to."""
