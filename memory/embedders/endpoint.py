"""An OpenAI-compatible embeddings endpoint (vLLM, llama.cpp, a hosted service) as an embedder."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from ..errors import InputError, MalformedOutputError, MissingExtraError, ModelError, ModelUnavailableError
from ..retry import Patience, passes
from .base import Vectors

if TYPE_CHECKING:
    import httpx

_Opened: TypeAlias = "AsyncGenerator[httpx.AsyncClient]"

logger = logging.getLogger(__name__)

MAX_REPLY = 64_000_000
"""Bytes that a reply may have."""


class EndpointEmbedder:
    """Embeds by `model` at `{base_url}/embeddings`. Make one by `connect`, which asks the endpoint for `dim`.

    Texts go in requests of `batch`; a blank text is not sent and gets a row of zeros. `name` is "openai:<model>":
    the same model behind another address gives the same vectors. The key is sent to `base_url` only and stands in
    no error, log line or repr.
    """

    def __init__(
        self, model: str, base_url: str, dim: int = 0, *, api_key: str = "", batch: int = 64,
        patience: Patience | None = None,
    ) -> None:  # fmt: skip
        if not model.strip():
            raise InputError("the endpoint's model has no name: give openai:<model>@<base url>")
        if batch < 1:
            raise InputError(f"batch={batch!r} embeds nothing: use 1 or more")
        self.name = f"openai:{model}"
        self.dim = dim
        self._model = model
        self._url = _checked(base_url) + "/embeddings"
        self._key = api_key
        self._batch = batch
        self._patience = patience or Patience()
        self._sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, _Opened]] = (
            WeakKeyDictionary()
        )
        self._tls: ssl.SSLContext | bool = self._url.startswith("https:") and ssl.create_default_context()

    @classmethod
    async def connect(cls, model: str, base_url: str, **options: Any) -> Self:
        """The embedder, its `dim` taken from the vector of one word. `options` as the constructor's.

        Raises what `embed` raises, and InputError for a bad address.
        """
        made = cls(model, base_url, **options)
        rows = await made._ask(["dimension"])
        made.dim = rows.shape[1]
        return made

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The vectors of `texts`: (len(texts), dim) float32, unit norm; zeros for a blank text.

        Raises ModelUnavailableError (time-outs, a refused connection, 429 and 5xx after all attempts),
        MalformedOutputError (a reply that is not one finite vector of `dim` for each text) and ModelError
        (the endpoint refuses the key, the model or the texts).
        """
        out = np.zeros((len(texts), self.dim), np.float32)
        full = [place for place, text in enumerate(texts) if text.strip()]
        for start in range(0, len(full), self._batch):
            part = full[start : start + self._batch]
            rows = await self._ask([texts[place] for place in part])
            if rows.shape[1] != self.dim:
                raise self._malformed(f"its vectors have {rows.shape[1]} dimensions, not {self.dim}")
            out[part] = rows
        return out

    async def _ask(self, texts: list[str]) -> Vectors:
        """The rows for one batch, after as many tries as patience has."""
        reason, asked = "", ""
        for failed in range(self._patience.tries):
            if failed:
                pause = self._patience.after(failed, asked)
                logger.warning("%s: %s; try %d in %.1f s", self.name, reason, failed + 1, pause)
                await self._sleep(pause)
            try:
                status, asked, body = await self._post(texts)
            except _Unanswered as error:
                reason, asked = str(error), ""
                continue
            if status == 200:
                return self._rows(body, len(texts))
            reason = f"status {status}"
            if not passes(status):
                raise self._refused(status, body)
        raise ModelUnavailableError(
            f"the embeddings endpoint {self._url} failed {self._patience.tries} times, at last with: {reason}. "
            f"Check that it runs and serves {self._model!r}, then try again: nothing was stored",
            embedder=self.name, url=self._url,
        )  # fmt: skip

    async def _post(self, texts: list[str]) -> tuple[int, str, bytes]:
        """Status, Retry-After and body of one request. Raises _Unanswered when there is no whole reply in time."""
        httpx = _httpx()
        client = await self._client()
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        content = json.dumps({"model": self._model, "input": texts, "encoding_format": "float"})
        try:
            async with (
                asyncio.timeout(self._patience.timeout),
                client.stream("POST", self._url, content=content, headers=headers) as reply,
            ):
                return reply.status_code, reply.headers.get("retry-after", ""), await self._body(reply)
        except TimeoutError:
            raise _Unanswered(f"no reply within {self._patience.timeout:g} s") from None
        except httpx.TimeoutException:
            raise _Unanswered(f"no reply within {self._patience.timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Unanswered(f"{type(error).__name__}: {error}") from None

    async def _client(self) -> httpx.AsyncClient:
        """The client of the running event loop, whose connections are kept from call to call and end with the loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            opened = _opened(self._tls, self._patience.timeout)
            self._clients[loop] = (await anext(opened), opened)
        return self._clients[loop][0]

    async def _body(self, reply: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in reply.aiter_bytes():
            body += chunk
            if len(body) > MAX_REPLY:
                raise self._malformed(f"it is longer than {MAX_REPLY} bytes")
        return bytes(body)

    def _rows(self, body: bytes, count: int) -> Vectors:
        try:
            data = _Reply.model_validate_json(body).data
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise self._malformed(f"{place or 'body'}: {first['msg']}") from None
        if sorted(item.index for item in data) != list(range(count)):
            raise self._malformed(f"{len(data)} vectors for {count} texts, or indexes that are not 0 to {count - 1}")
        lengths = {len(item.embedding) for item in data}
        if len(lengths) != 1 or 0 in lengths:
            raise self._malformed(f"vectors of lengths {sorted(lengths)}")
        rows = np.array([item.embedding for item in sorted(data, key=lambda item: item.index)], np.float64)
        rows /= np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows / np.where(norms > 0, norms, 1.0)).astype(np.float32)

    def _malformed(self, reason: str) -> MalformedOutputError:
        return MalformedOutputError(
            f"the reply of the embeddings endpoint {self._url} is malformed: {reason}",
            embedder=self.name,
            url=self._url,
        )

    def _refused(self, status: int, body: bytes) -> ModelError:
        if status in (401, 403):
            return ModelError(
                f"the embeddings endpoint {self._url} refuses the API key (status {status}): "
                f"{'set another one' if self._key else 'set one'}",
                embedder=self.name, url=self._url, status=status,
            )  # fmt: skip
        said = body[:2_000].decode(errors="replace")
        if self._key:
            said = said.replace(self._key, "***")
        return ModelError(
            f"the embeddings endpoint {self._url} refuses the request for {self._model!r} (status {status}): "
            f"{said[:300]!r}",
            embedder=self.name, url=self._url, status=status,
        )  # fmt: skip


class _Unanswered(Exception):
    """No whole reply came; says why."""


class _Item(BaseModel):
    index: Annotated[int, Field(strict=True)]
    embedding: list[Annotated[float, Field(strict=True, allow_inf_nan=False)]]


class _Reply(BaseModel):
    data: list[_Item]


async def _opened(tls: ssl.SSLContext | bool, seconds: float) -> _Opened:
    """A client, closed when the event loop ends its asynchronous generators."""
    httpx = _httpx()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    async with httpx.AsyncClient(verify=tls, timeout=seconds, limits=limits) as client:
        while True:
            yield client


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError.of("openai", "httpx") from error
    return httpx


def _checked(base_url: str) -> str:
    """`base_url` without a trailing slash. Raises InputError, without quoting a password in it."""
    scheme, _, rest = base_url.partition("://")
    if scheme not in ("http", "https") or not rest.strip("/") or " " in rest:
        shown = base_url.rpartition("@")[2]
        raise InputError(f"{shown!r} is no address of an endpoint: give one like http://localhost:8000/v1")
    if "@" in rest.split("/")[0]:
        raise InputError("the endpoint's address holds a user or password: give the key as the API key instead")
    return base_url.rstrip("/")
