"""What a chat model's client raises, made typed: which errors pass, which are the endpoint's, which the reply's.

Works on the exceptions' status codes and names, so that no client library is imported for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from memory_r1.graphs.parse import clip
from memory_r1.memory import retry
from memory_r1.memory.errors import MalformedOutputError, MemoryR1Error, ModelUnavailableError

_LOST = {"APIError", "TransportError", "StreamError", "ClientError"}
_CUT = {"LengthFinishReasonError", "ContentFilterFinishReasonError"}
_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_TOO_LONG = "context_length_exceeded"
"""What OpenAI's API, and the server for local models, say of a prompt that is longer than the model's positions."""


@dataclass(frozen=True, slots=True)
class Patience(retry.Patience):
    """How long a failing model is tried.

    `repair`: whether a model whose reply can't be read is shown its error, and asked once more.
    """

    tries: int = 4
    longest: float = 8.0
    timeout: float = 120.0
    repair: bool = True


def passing(error: Exception) -> bool:
    """Whether the same call may succeed later: time-outs, lost connections, 429, 5xx."""
    status = _status(error)
    if status is not None:
        return retry.passes(status)
    return isinstance(error, OSError | json.JSONDecodeError) or bool(_names(error) & _LOST)


def typed(error: Exception, role: str, attempt: int) -> MemoryR1Error:
    """`error`, whatever it is, as one of ours: this is the one boundary to the client libraries."""
    if isinstance(error, MemoryR1Error):
        return error
    keys = _keys(error)
    error.args = tuple(_without(keys, arg) if isinstance(arg, str) else arg for arg in error.args)
    if _names(error) & _CUT:
        return MalformedOutputError(f"the {role}'s reply ended early ({type(error).__name__}): raise max_tokens")
    if getattr(error, "code", None) == _TOO_LONG:  # a repair attempt would be longer still
        return MalformedOutputError(f"the {role}'s model can't read a prompt that long ({say(error)})", repair=False)
    tries = f" after {attempt} tries" if attempt > 1 else ""
    return ModelUnavailableError(
        f"the {role}'s model doesn't answer{tries} ({say(error)}): is its endpoint up, and are model and key right? "
        f"Nothing was written; try again",
        role=role, attempts=attempt, status=_status(error),
    )  # fmt: skip


def refuses_schema(error: Exception) -> bool:
    """Whether the endpoint turned the call down because it knows no JSON schema for replies."""
    text = str(error).lower()
    return _status(error) in (400, 422) and any(word in text for word in ("response_format", "json_schema", "guided"))


def asked(error: Exception) -> str:
    """What the endpoint says in Retry-After of a request that it refused; "" where it says nothing."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    return str(headers.get("retry-after", ""))


def brief(error: Exception) -> str:
    """The class of `error`, with the status of a refused request: fit for a log, for it says nothing of the request."""
    status = _status(error)
    return f"{type(error).__name__}, status {status}" if status is not None else type(error).__name__


def say(error: Exception) -> str:
    """`error` on one short line, without the key that was sent: some servers repeat it when they refuse it."""
    text = _without(_keys(error), str(error))
    return clip(f"{type(error).__name__}: {' '.join(text.split())}".rstrip(": "), 300)


def _without(keys: list[str], text: str) -> str:
    for key in keys:
        text = text.replace(key, "***")
    return text


def _keys(error: Exception) -> list[str]:
    """The keys in the headers of the request that failed, where the client keeps it."""
    request: Any = getattr(getattr(error, "response", None), "request", None) or getattr(error, "request", None)
    headers: Any = getattr(request, "headers", None) or {}
    sent = [str(headers.get(name, "")) for name in _KEY_HEADERS]
    return [key for header in sent for key in (header, header.partition(" ")[2]) if len(key) > 3]


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _names(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
