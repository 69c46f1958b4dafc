"""Stands between another library and the models: the same model and embedder for every system, metered alike.

    worker ── /TOKEN/v1/chat/completions ──→ Bridge ──→ the configured endpoint, the request's bytes as they are
           └─ /TOKEN/v1/embeddings       ──→ Bridge ──→ our embedder

Speaks OpenAI's API on 127.0.0.1. The endpoint's key is added here; no worker gets it. Each worker has its own token,
so that what it uses is counted to its account.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from memory_r1.graphs.models import RULES
from memory_r1.graphs.parse import clip
from memory_r1.memory.embedders.base import Embedder, Vectors
from memory_r1.memory.errors import MissingExtraError, ModelError, SettingsError
from memory_r1.memory.stores.open import redacted
from memory_r1.rl.systems.accounts import Account, characters, obeys
from memory_r1.rl.systems.loopback import LoopbackServer, Reply, Request

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible chat endpoint. `key` is shown nowhere. `timeout`: seconds for one call."""

    name: str
    url: str
    key: str = field(default="", repr=False)
    timeout: float = 120.0


def endpoint(model: str, api_key: str = "", timeout: float = 120.0) -> Endpoint:
    """The endpoint of the model string `model` ("openai:NAME@URL", or "openai:NAME" with OPENAI_API_KEY).

    Raises SettingsError for any other, as other libraries speak to OpenAI-compatible endpoints only.
    """
    provider, _, rest = model.partition(":")
    name, at, url = rest.partition("@")
    if model == RULES or not model:
        raise SettingsError("other libraries' systems need a model: give --model openai:NAME@http://host:port/v1")
    if provider != "openai" or not name or (at and not url.startswith(("http://", "https://"))):
        raise SettingsError(
            f"model {redacted(model)!r} can't be lent to other libraries: give openai:NAME@http://host:port/v1"
        )
    key = api_key if at else api_key or os.environ.get("OPENAI_API_KEY", "")
    return Endpoint(name, (url if at else OPENAI).rstrip("/"), key, timeout)


class Bridge:
    """Serves any number of workers from `start` to `close`, on one event loop."""

    def __init__(self, model: Endpoint, embedder: Embedder) -> None:
        self.model = model
        self.embedder = embedder
        self._server = LoopbackServer(self._handle)
        self._accounts: dict[str, Account] = {}
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1. Raises MissingExtraError."""
        httpx = _httpx()
        await self._server.start()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(timeout=self.model.timeout, limits=limits)

    async def close(self) -> None:
        """Stop. A second call does nothing."""
        await self._server.close()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def account(self) -> Account:
        """A new account; its `base_url` is what a worker is given."""
        token = secrets.token_urlsafe(16)
        account = Account(f"{self._server.url}/{token}/v1")
        self._accounts[token] = account
        return account

    def dismiss(self, account: Account) -> None:
        """Serve `account` no longer."""
        account.stop()
        self._accounts.pop(account.base_url.split("/")[-2], None)

    async def _handle(self, request: Request) -> Reply:
        token, _, path = request.path.lstrip("/").partition("/")
        account = self._accounts.get(token)
        serve = {"v1/chat/completions": self._chat, "v1/embeddings": self._embeddings}.get(path)
        if account is None or serve is None or request.method != "POST":
            return _error(404, f"nothing is at {clip(path, 80)!r}")
        if request.headers.get("x-stainless-retry-count", "0") != "0":  # sent by OpenAI's clients
            account.counts.retries += 1
        task = asyncio.ensure_future(serve(account, request.body))
        account.under_way.add(task)
        try:
            return await task
        finally:
            account.under_way.discard(task)

    async def _chat(self, account: Account, body: bytes) -> Reply:
        try:
            asked = json.loads(body)
            messages = asked["messages"]
        except (ValueError, KeyError, TypeError):
            return _error(400, "the request is no chat completion")
        counts = account.counts
        counts.calls += 1
        counts.prompt_chars += characters(messages)
        counts.schema_chars += sum(
            len(json.dumps(asked[name])) for name in ("tools", "response_format") if name in asked
        )
        start = time.perf_counter()
        try:
            reply = await self._forward(body)
        finally:
            counts.model_seconds += time.perf_counter() - start
        said, problem = _read(reply)
        usage = said.get("usage") or {}
        counts.prompt_tokens += usage.get("prompt_tokens") or 0
        counts.reply_tokens += usage.get("completion_tokens") or 0
        counts.malformed += sum(not obeys(asked, choice.get("message") or {}) for choice in said.get("choices") or ())
        self._note(account, problem)
        return reply

    async def _forward(self, body: bytes) -> Reply:
        """What the endpoint says to `body`; 503 where it says nothing."""
        assert self._client is not None
        httpx = _httpx()
        headers = {"Content-Type": "application/json"}
        if self.model.key:
            headers["Authorization"] = f"Bearer {self.model.key}"
        try:
            async with asyncio.timeout(self.model.timeout):
                answer = await self._client.post(f"{self.model.url}/chat/completions", content=body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            return _error(503, f"the model's endpoint doesn't answer: {type(error).__name__}: {clip(str(error), 200)}")
        kept = {"Retry-After": answer.headers["retry-after"]} if "retry-after" in answer.headers else {}
        return Reply(answer.status_code, answer.content, answer.headers.get("content-type", "application/json"), kept)

    async def _embeddings(self, account: Account, body: bytes) -> Reply:
        try:
            asked = json.loads(body)
            texts = [asked["input"]] if isinstance(asked["input"], str) else list(asked["input"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "the request is no embeddings request")
        if not all(isinstance(text, str) for text in texts):
            return _error(400, "tokens can't be embedded here: send texts")
        account.counts.texts += len(texts)
        start = time.perf_counter()
        try:
            rows = await self.embedder.embed(texts, query=account.querying)
        except ModelError as error:
            self._note(account, f"the embedder: {error}")
            return _error(503, f"the embedder failed: {clip(str(error), 300)}")
        finally:
            account.counts.embed_seconds += time.perf_counter() - start
        return _vectors(asked.get("model", ""), whole(rows), asked.get("encoding_format") == "base64")

    def _note(self, account: Account, problem: str) -> None:
        account.failing = bool(problem)
        if problem:
            account.fault = problem
            account.counts.faults += 1
            log.warning("a worker's call failed: %s", problem)


def whole(rows: Vectors) -> Vectors:
    """`rows` with a fixed unit vector for each that is all zeros: libraries rely on endpoints to send none."""
    empty = ~rows.any(axis=1)
    if empty.any():
        rows = rows.copy()
        rows[empty] = 1.0 / np.sqrt(rows.shape[1])
    return rows


def _vectors(model: str, rows: Vectors, packed: bool) -> Reply:
    coded: Sequence[Any] = (
        [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows] if packed else rows.tolist()
    )
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(coded)]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return Reply(200, json.dumps({"object": "list", "model": model, "data": data, "usage": usage}).encode())


def _read(reply: Reply) -> tuple[dict[str, Any], str]:
    """The completion that came, {} where there is none to read, and what is wrong with the reply."""
    if reply.status != 200:
        return {}, f"status {reply.status}: {clip(reply.body.decode(errors='replace'), 200)}"
    if reply.kind.startswith("text/event-stream"):
        return {}, ""
    try:
        said = json.loads(reply.body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return {}, f"its reply is no JSON: {clip(reply.body.decode(errors='replace'), 200)}"
    return said, ""


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingExtraError.of("rl", "httpx") from None
    return httpx


def _error(status: int, message: str) -> Reply:
    return Reply(status, json.dumps({"error": {"message": message, "type": "bridge"}}).encode())
