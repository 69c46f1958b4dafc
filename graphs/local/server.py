"""Model folders behind OpenAI's chat API, for machines without a GPU; vLLM is the server for those with one.

    GET  /health                 200 while it runs; needs no key
    GET  /v1/models              the models that can be asked for, by the absolute paths of their folders
    POST /v1/chat/completions    a reply; requests that wait at the same time are one batch

It serves the folders that it was given and no other. Prompts and replies are not logged.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from memory_r1.graphs.local.chat import ChatRequest, completion, encoded, failure
from memory_r1.graphs.local.shelf import Shelf
from memory_r1.memory.errors import (
    InputError,
    MalformedOutputError,
    MemoryR1Error,
    MissingExtraError,
    ModelUnavailableError,
    SettingsError,
)

try:
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError as error:
    raise MissingExtraError.of("model-server", error.name or "starlette") from None

log = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may ask. `waiting`: replies in work and in wait together; `body`: bytes of a request."""

    waiting: int = 256
    body: int = 1 << 20


class ModelServer:
    """The application over `shelf`.

    `key`: the bearer token that every request but /health must bring; none, if empty. `hosts`: the names that a request
    may address this server by, against web pages that have one of their own resolve to loopback; any, if empty.
    """

    def __init__(
        self,
        shelf: Shelf,
        key: str = "",
        hosts: frozenset[str] = frozenset(),
        bounds: Bounds = Bounds(),
    ) -> None:
        self._shelf = shelf
        self._key = key.encode()
        self._hosts = hosts
        self._bounds = bounds
        self._waiting = 0
        self.app = Starlette(
            routes=[
                Route("/health", self._guarded(self._health, open_=True)),
                Route("/v1/models", self._guarded(self._models)),
                Route("/v1/chat/completions", self._guarded(self._chat), methods=["POST"]),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        yield
        await self._shelf.aclose()

    def _guarded(self, handler: Handler, open_: bool = False) -> Handler:
        async def answered(request: Request) -> Response:
            if self._hosts and request.url.hostname not in self._hosts:
                return _refused(403, f"this server has no name {request.url.hostname!r}", "invalid_request_error")
            if self._key and not open_ and not self._known(request):
                said = "give the key of this server as bearer token"
                return _refused(401, said, "authentication_error", headers={"WWW-Authenticate": "Bearer"})
            try:
                return await handler(request)
            except MemoryR1Error as error:
                return _answer(error)

        return answered

    def _known(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._key)

    async def _health(self, _: Request) -> Response:
        return _said({"status": "ok", "waiting": self._waiting})

    async def _models(self, _: Request) -> Response:
        names = await asyncio.to_thread(self._shelf.names)
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "memory-r1"} for name in names]
        return _said({"object": "list", "data": models})

    async def _chat(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, "send application/json", "invalid_request_error")
        try:
            body = await self._body(request)
        except ClientDisconnect:
            return Response(status_code=499)
        if body is None:
            return _refused(413, f"a request has {self._bounds.body:,} bytes at most", "invalid_request_error")
        asked = ChatRequest.read(body)
        if self._waiting + asked.choices > self._bounds.waiting:
            said = f"{self._waiting} replies are in work or in wait already: try again"
            return _refused(429, said, "rate_limit_error", headers={"Retry-After": "1"})
        self._waiting += asked.choices
        try:
            return await _while_connected(request, self._reply(asked))
        finally:
            self._waiting -= asked.choices

    async def _body(self, request: Request) -> bytes | None:
        """The body; None for one that is too large."""
        held = bytearray()
        async for part in request.stream():
            held += part
            if len(held) > self._bounds.body:
                return None
        return bytes(held)

    async def _reply(self, asked: ChatRequest) -> Response:
        started = time.monotonic()
        async with self._shelf.borrow(asked.model) as model:
            try:
                prompt = model.tokens.encode(asked.prompt)
            except Exception as error:
                raise InputError(f"messages: the model's chat template takes them not: {error}") from error
            most = model.limits.max_tokens or model.engine.positions
            ways = asked.samplings(model.tokens.ends, most)
            made = await asyncio.gather(*(model.engine.generate(prompt, how) for how in ways))
            body = completion(asked, model.tokens, prompt, made)
        used, seconds = body["usage"], time.monotonic() - started
        log.info(
            "%s: %d tokens read, %d written, %.3f s",
            asked.model, used["prompt_tokens"], used["completion_tokens"], seconds,
        )  # fmt: skip
        return _said({"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), **body})


async def _while_connected(request: Request, work: Awaitable[Response]) -> Response:
    """What `work` gives; when the client goes away before, `work` is given up."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=499)
    finally:
        for task in (working, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, MemoryR1Error):
                await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer(error: MemoryR1Error) -> Response:
    """`error` as a client of OpenAI's API knows it."""
    invalid = "invalid_request_error"
    match error:
        case MalformedOutputError():
            return _refused(400, error.message, invalid, "context_length_exceeded", param="messages")
        case ModelUnavailableError():
            return _refused(503, error.message, "server_error")
        case InputError() if not isinstance(error, SettingsError):
            code, param = error.details.get("code"), error.details.get("param")
            return _refused(404 if code else 400, error.message, invalid, code, param=param)
        case _:
            return _refused(500, error.message, "server_error")


def _refused(
    status: int, message: str, kind: str, code: str | None = None, *, param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    if status >= 500:
        log.error("%d: %s", status, message)
    else:
        log.info("%d %s", status, code or kind)  # the message may quote what was sent
    return Response(encoded(failure(message, kind, code, param)), status, headers, "application/json")


def _said(body: dict[str, Any]) -> Response:
    return Response(encoded(body), media_type="application/json")
