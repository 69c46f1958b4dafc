"""A small HTTP/1.1 server for programs on this machine: bound to 127.0.0.1, on the caller's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

MAX_BODY = 64_000_000
"""Bytes that a request may have."""
_MAX_HEAD = 64_000


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
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address, as "http://127.0.0.1:40123"."""
        if self._server is None:
            raise RuntimeError("the server isn't started")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_MAX_HEAD)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether another may follow."""
        try:
            request = await _read(reader)
        except _Refused as error:
            await _write(writer, Reply(error.status, b'{"error": {"message": "bad request"}}'), close=True)
            return False
        close = request.headers.get("connection", "").lower() == "close"
        await _write(writer, await self._handle(request), close)
        return not close


class _Refused(Exception):
    """A request that can't be read. `status`: what the client is told."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def _read(reader: asyncio.StreamReader) -> Request:
    """The next request. Raises _Refused, and IncompleteReadError when the client is gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _Refused(431) from None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise _Refused(400)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise _Refused(411)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise _Refused(413)
    return Request(words[0], words[1], headers, await reader.readexactly(int(length)))


async def _write(writer: asyncio.StreamWriter, reply: Reply, close: bool) -> None:
    phrase = next((known.phrase for known in HTTPStatus if known == reply.status), "")
    headers = {
        "Content-Type": reply.kind,
        "Content-Length": str(len(reply.body)),
        "Connection": "close" if close else "keep-alive",
        **reply.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} {phrase}\r\n{head}\r\n".encode("latin-1") + reply.body)
    await writer.drain()
