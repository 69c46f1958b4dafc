"""A chat model's endpoint that costs nothing: every turn is one fact, told to each library in the form that it asks for.

    async with Stub() as stub:
        stub.fact = "Anna bought a kettle."     # what the next replies say
        Endpoint("stub", stub.url)

A real HTTP server on loopback; the replies are made by `reply`, by what the prompt asks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from memory_r1.graphs import prompts
from memory_r1.rl.systems.loopback import LoopbackServer, Reply, Request

Message = dict[str, Any]

_ASKED = re.compile(r"^(\d+): ", re.MULTILINE)


class Stub:
    """Serves while its `async with` block runs. `fact`: what the replies say; `calls`: how many were made."""

    def __init__(self, fact: str = "") -> None:
        self.fact = fact
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
        return Reply(200, completion(reply(json.loads(request.body), self.fact)))


def completion(message: Message) -> bytes:
    """The body of a chat completion whose message is `message`."""
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "finish_reason": finish, "message": message}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": "stub", "object": "chat.completion", "created": 0, "model": "stub"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def reply(request: Mapping[str, Any], fact: str) -> Message:
    """The message that answers `request`, which says `fact` where a fact is asked for.

    Knows this library's prompts, Mem0's extraction and LangMem's tools.
    """
    if request.get("tools"):
        return _called(request, fact)
    system = str(request["messages"][0]["content"])
    for prompt, answer in _OURS.items():
        if system == prompt:
            return said(answer(request, fact))
    return said({"memory": [{"id": "0", "text": fact, "attributed_to": "user"}]})


def said(value: Any) -> Message:
    """A message that is `value` as JSON."""
    return {"role": "assistant", "content": json.dumps(value)}


def _operations(request: Mapping[str, Any], fact: str) -> Any:
    """An ADD for every fact that the manager is asked about."""
    asked = str(request["messages"][-1]["content"]).rpartition("New facts:\n")[2]
    return {"operations": [{"fact": int(n), "op": "ADD", "targets": [], "text": ""} for n in _ASKED.findall(asked)]}


def _facts(request: Mapping[str, Any], fact: str) -> Any:
    return {"facts": [{"text": fact, "when": "", "entities": []}]}


def _answer(request: Mapping[str, Any], fact: str) -> Any:
    return {"selected": [], "answer": fact or "not mentioned"}


_OURS: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    prompts.EXTRACTOR: _facts,
    prompts.MANAGER: _operations,
    prompts.ANSWERER: _answer,
}


def _called(request: Mapping[str, Any], fact: str) -> Message:
    """A call of the tool that inserts a memory: the one that takes `content`."""
    tools = [tool["function"] for tool in request["tools"]]
    name = next(tool["name"] for tool in tools if "content" in tool["parameters"].get("properties", {}))
    call = {"name": name, "arguments": json.dumps({"content": fact})}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call-0", "type": "function", "function": call}],
    }
