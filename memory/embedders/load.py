"""From a setting to an embedder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..errors import EmbedderMismatchError, InputError
from .base import Embedder
from .hashing import HashedEmbedder

FORMS = "hashed, sentence:<name or directory>, openai:<model>@<base url>"
"""What `load_embedder` understands."""

_HASHED = re.compile(r"hashed(?:-v2)?(?:/(\d{1,5}))?")
_ENDPOINT = re.compile(r"(.+?)@(https?://.+)")
_DIGEST = re.compile(r"(.+)#([0-9a-f]{8})")


def load_embedder(spec: str = "hashed", *, api_key: str = "", device: str | None = None) -> Embedder:
    """The embedder that `spec` names, ready for use: a model is loaded, an endpoint asked for its dimension.

        hashed, hashed/256                    built in: no weights, no download
        sentence:all-MiniLM-L6-v2             a sentence-transformers model by name or directory (extra `embed`)
        sentence:all-MiniLM-L6-v2#1a2b3c4d    the same, and only if its weights have this digest
        openai:bge-m3@http://localhost:8000/v1    an OpenAI-compatible endpoint, with `api_key` where it wants one

    `device` is where a sentence-transformers model runs. Blocks meanwhile, so call it before the event loop.

    Raises InputError for another spec or a model that can't be loaded, MissingExtraError,
    EmbedderMismatchError for another digest, and ModelError when an endpoint fails.
    """
    hashed = _HASHED.fullmatch(spec)
    if hashed:
        return _hashed(spec, hashed[1])
    kind, _, rest = spec.partition(":")
    if kind == "sentence" and rest:
        return _sentence(rest, device)
    if kind == "openai":
        return _endpoint(spec, rest, api_key)
    raise InputError(f"{_shown(spec)!r} names no embedder: use one of {FORMS}")


def _hashed(spec: str, dim: str | None) -> Embedder:
    try:
        return HashedEmbedder(int(dim)) if dim else HashedEmbedder()
    except ValueError as error:
        raise InputError(f"{spec!r} names no embedder: {error}") from None


def _sentence(model: str, device: str | None) -> Embedder:
    from .sentence import SentenceEmbedder

    pinned = _DIGEST.fullmatch(model)
    made = SentenceEmbedder(pinned[1] if pinned else model, device=device)
    if pinned and not made.name.endswith(f"#{pinned[2]}"):
        raise EmbedderMismatchError(
            f"the model {pinned[1]!r} is {made.name!r}, not the one with digest {pinned[2]}: its weights have changed; "
            f"get the old ones, or take the new ones and run `memory-r1 reembed`",
            asked=model, found=made.name,
        )  # fmt: skip
    return made


def _endpoint(spec: str, rest: str, api_key: str) -> Embedder:
    from .endpoint import EndpointEmbedder

    parts = _ENDPOINT.fullmatch(rest)
    if not parts:
        raise InputError(f"{_shown(spec)!r} lacks the endpoint's address: write openai:<model>@http://host:port/v1")
    model, base_url = parts[1], parts[2]
    return _run(lambda: asyncio.run(EndpointEmbedder.connect(model, base_url, api_key=api_key)))


def _run(call: Callable[[], Embedder]) -> Embedder:
    """What `call` returns, in a thread of its own: there may be an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def _shown(spec: str) -> str:
    """`spec` without what may be a password."""
    return re.sub(r"//[^/@]*@", "//***@", spec)
