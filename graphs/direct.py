"""Calls an OpenAI-compatible endpoint by its client alone, where LangChain would only stand between.

LangChain's way from messages to the client and back takes several times the processor time of the request itself. It is
still taken when someone listens (tracing, callbacks, a stream of tokens), caches, or limits the rate; the request that
is sent is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from memory_r1.graphs.prompts import Message
from memory_r1.graphs.roles import Usage
from memory_r1.memory.errors import MalformedOutputError

_NO_BODY = {"extra_body", "extra_headers", "extra_query", "timeout", "input"}
"""Arguments with which a request is more than a body for `chat/completions`."""
_CUT = ("length", "content_filter")


class NoCompletionError(ConnectionError):
    """What came is no chat completion: a proxy's page, or nothing of use. The same call may succeed later."""


@dataclass(frozen=True, slots=True)
class Direct:
    """An OpenAI client, and what it sends besides the messages."""

    client: Any
    body: Mapping[str, Any]

    @classmethod
    def of(cls, model: BaseChatModel, constrained: Runnable[Any, Any] | None) -> Self | None:
        """The way past LangChain to `model`, told to keep the schema of `constrained`; None where there is none."""
        named = f"{type(model).__module__}.{type(model).__name__}"
        if named != "langchain_openai.chat_models.base.ChatOpenAI":
            return None
        chat = cast(Any, model)
        kwargs = getattr(constrained, "kwargs", {})
        body = chat._get_request_payload([], **{k: v for k, v in kwargs.items() if not k.startswith("ls_")})
        if _NO_BODY & body.keys() or chat.cache or chat.rate_limiter or chat.callbacks or chat.streaming:
            return None
        return cls(chat.root_async_client, {name: value for name, value in body.items() if name != "messages"})

    async def ask(self, messages: list[Message]) -> tuple[str, Usage]:
        """The reply's text, and its tokens. Raises what the client raises, NoCompletionError, MalformedOutputError."""
        body = {**self.body, "messages": messages}
        return read(await self.client.post("/chat/completions", cast_to=object, body=body))


def read(body: Any) -> tuple[str, Usage]:
    """Text and tokens of the chat completion `body`; the arguments of a tool call stand in for a missing text."""
    try:
        choice = body["choices"][0]
        message: dict[str, Any] = choice["message"]
        used: dict[str, int] = body.get("usage") or {}
        text = message.get("content") or ""
        if isinstance(text, list):
            text = "".join(part.get("text", "") for part in cast("list[dict[str, str]]", text))
        if not text and message.get("tool_calls"):
            text = message["tool_calls"][0]["function"]["arguments"]
        usage = Usage(prompt_tokens=used.get("prompt_tokens") or 0, reply_tokens=used.get("completion_tokens") or 0)
    except (TypeError, KeyError, IndexError, AttributeError):
        raise NoCompletionError(f"the reply is no chat completion: {str(body)[:200]!r}") from None
    if choice.get("finish_reason") in _CUT:
        raise MalformedOutputError(f"the reply ended early ({choice['finish_reason']!r}): raise max_tokens")
    return str(text), usage
