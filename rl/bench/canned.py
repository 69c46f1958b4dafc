"""What a model would say to the prompts of other people's libraries: one fact for each turn, in the turn's own words.

Stands in for a language model where a library's own work is measured or tested, and not what a model knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from memory_r1.rl.bench import canned_zep

Message = dict[str, Any]
"""An assistant's message as OpenAI's API has it: `content`, perhaps `tool_calls`."""

CORRECTED = "actually"
"""A turn with this word corrects the first memory that the library shows beside it."""

_NEW = re.compile(r"## New Messages\n(.*?)\n\n## Observation Date", re.DOTALL)
_SESSION = re.compile(r"<session_[^>]*>(.*?)</session_", re.DOTALL)
_SHOWN = re.compile(r"(?:json_doc_id|instance id)=[\"']?([\w-]+)|<instance id=([\w-]+)")


def reply(request: Mapping[str, Any]) -> Message | None:
    """The message that answers `request`, the body of a chat completion; None for a prompt of no library known."""
    text = _text(request["messages"][-1])
    new = _NEW.search(text)
    if new is not None:
        return mem0(new[1])
    tools = [tool["function"]["name"] for tool in request.get("tools") or ()]
    session = _SESSION.search(text)
    if session is not None and tools:
        shown = "\n".join(_text(message) for message in request["messages"])
        return langmem(session[1].strip().splitlines()[-1], shown, tools)
    return canned_zep.reply(request)


def mem0(new: str) -> Message:
    """Mem0's extraction: one memory for each new message."""
    lines = [line.partition(": ")[2] for line in new.strip().splitlines() if ": " in line]
    return {"content": json.dumps({"memory": [{"id": str(at), "text": line} for at, line in enumerate(lines)]})}


def langmem(line: str, prompt: str, tools: Sequence[str]) -> Message:
    """LangMem's tool calls: a new memory, or a patch of the first one shown for a turn that corrects."""
    shown = _SHOWN.search(prompt)
    said = re.sub(r"^\[[^\]]*\] ", "", line)
    if CORRECTED in said and "PatchDoc" in tools and shown is not None:
        patch = {"op": "replace", "path": "/content", "value": said}
        return call("PatchDoc", {"json_doc_id": shown[1] or shown[2], "planned_edits": "-", "patches": [patch]})
    return call("Memory", {"content": said})


def call(tool: str, arguments: Mapping[str, Any]) -> Message:
    """A message that calls one tool."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)
