"""A chat model's endpoint that answers at once: every turn is one fact, told to each library as it asks for it.

    async with Stub() as stub:
        Endpoint("stub", stub.url)

A real HTTP server on loopback. What it says stands in `canned` for other libraries, and here for this one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from memory_r1.graphs import prompts
from memory_r1.rl.bench import canned
from memory_r1.rl.systems.loopback import LoopbackServer, Reply, Request

_LAST = re.compile(r'^Last turn, .*:\n"(?:[^"\\]|\\.)*": ("(?:[^"\\]|\\.)*")', re.MULTILINE)
_ASKED = re.compile(r"^(\d+): ", re.MULTILINE)


class Stub:
    """Serves while its `async with` block runs. `calls`: how many completions it was asked for."""

    def __init__(self) -> None:
        self.calls = 0
        self._server = LoopbackServer(self._handle)

    @property
    def url(self) -> str:
        """The address that an OpenAI client is given."""
        return f"{self._server.url}/v1"

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.close()

    async def _handle(self, request: Request) -> Reply:
        if not request.path.endswith("/chat/completions"):
            return Reply(404, b'{"error": {"message": "only chat completions are served"}}')
        self.calls += 1
        message = reply(json.loads(request.body))
        if message is None:
            return Reply(400, b'{"error": {"message": "a prompt of no library that is known here"}}')
        return Reply(200, completion(message))


def completion(message: canned.Message) -> bytes:
    """The body of a chat completion whose message is `message`."""
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": "stub", "object": "chat.completion", "created": 0, "model": "stub"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def reply(request: Mapping[str, Any]) -> canned.Message | None:
    """The message that answers `request`, the body of a chat completion; None for a prompt of no library known."""
    system, text = (str(request["messages"][at].get("content") or "") for at in (0, -1))
    if system == prompts.EXTRACTOR:
        said = _LAST.search(text)
        return _said({"facts": [{"text": json.loads(said[1]), "when": "", "entities": []}] if said else []})
    if system == prompts.MANAGER:
        asked = _ASKED.findall(text.rpartition("New facts:\n")[2])
        return _said({"operations": [{"fact": int(n), "op": "ADD", "targets": [], "text": ""} for n in asked]})
    return canned.reply(request)


def _said(value: object) -> canned.Message:
    return {"content": json.dumps(value)}
