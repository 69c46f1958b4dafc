"""A small HTTP server for programs on this machine: bound to 127.0.0.1, on the caller's event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memory_r1.memory.errors import MissingExtraError

if TYPE_CHECKING:
    from aiohttp import web

MAX_BODY = 64_000_000
"""Bytes that a request may have; the server answers 413 to more."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `headers`: by lower-case name."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `headers`: those besides Content-Type and Content-Length."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Handler = Callable[[Request], Awaitable[Reply]]


class LoopbackServer:
    """Serves with `handle` from `start` to `close`, on a free port. Connections are kept open between requests."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Its address, as "http://127.0.0.1:40123"."""
        if self._runner is None:
            raise RuntimeError("the server isn't started")
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def start(self) -> None:
        """Listen. Raises MissingExtraError."""
        try:
            from aiohttp import web
        except ImportError:
            raise MissingExtraError.of("rl", "aiohttp") from None

        async def serve(request: web.Request) -> web.Response:
            headers = {name.lower(): value for name, value in request.headers.items()}
            asked = Request(request.method, request.raw_path, headers, await request.read())
            reply = await self._handle(asked)
            return web.Response(
                status=reply.status, body=reply.body, headers={"Content-Type": reply.kind, **reply.headers}
            )

        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()

    async def close(self) -> None:
        """Stop listening and end every connection. A second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
