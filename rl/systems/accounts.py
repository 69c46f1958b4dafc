"""What each worker uses of the model and the embedder that are lent to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from memory_r1.graphs.roles import Usage


@dataclass(slots=True)
class Counts:
    """What was used. `prompt_chars`: characters of the messages; `schema_chars`: of tools and reply formats.

    `faults`: calls that the model or the embedder failed, all counted in `calls` or `texts` too; `retries`: those
    that a client made again after one. `malformed`: replies without the tool call or the JSON that was asked for.
    Times in seconds.
    """

    calls: int = 0
    prompt_chars: int = 0
    schema_chars: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    model_seconds: float = 0.0
    texts: int = 0
    embed_seconds: float = 0.0
    faults: int = 0
    retries: int = 0
    malformed: int = 0

    def __sub__(self, before: Counts) -> Counts:
        """What came since `before`."""
        return Counts(*(getattr(self, each.name) - getattr(before, each.name) for each in fields(self)))

    def copy(self) -> Counts:
        """The counts as they are now."""
        return self - Counts()

    @property
    def lost(self) -> int:
        """Calls that failed and weren't made again by the client that made them."""
        return max(self.faults - self.retries, 0)

    @property
    def usage(self) -> Usage:
        """The same as a row of costs has it."""
        return Usage(self.calls, self.prompt_chars, self.prompt_tokens, self.reply_tokens)


@dataclass(eq=False, slots=True)
class Account:
    """What one worker uses. `querying`: texts that it embeds now are questions.

    `fault`: how a call of it failed last; `failing`: whether its last call failed.
    """

    base_url: str
    counts: Counts = field(default_factory=Counts)
    querying: bool = False
    fault: str = ""
    failing: bool = False
    under_way: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])

    def stop(self) -> None:
        """Give up what is under way: its worker is gone."""
        for task in self.under_way:
            task.cancel()


def characters(messages: Any) -> int:
    """The characters of the texts in `messages`, tool calls included."""
    if isinstance(messages, str):
        return len(messages)
    if isinstance(messages, list):
        return sum(map(characters, messages))
    if isinstance(messages, dict):
        return sum(
            characters(messages.get(name)) for name in ("content", "text", "tool_calls", "function", "arguments")
        )
    return 0


def obeys(asked: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
    """Whether `message` is of the form that was asked for: a tool call, or JSON."""
    if message.get("tool_calls"):
        return True
    if asked.get("tools") and asked.get("tool_choice") not in (None, "auto", "none"):
        return False
    form = asked.get("response_format")
    if not isinstance(form, dict) or form.get("type") == "text":
        return True
    try:
        json.loads(message.get("content") or "")
    except ValueError:
        return False
    return True
