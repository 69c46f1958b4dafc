"""What a model would say to the prompts of Zep's library (graphiti-core): one fact for each message, in its own words.

A capitalised word is an entity. The fact stands between the speaker and the first thing named, else "chat". A message
with `ENDED` in it ends the facts shown beside it that name the same thing.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

ENDED = "no longer"

_NAME = re.compile(r"\b[A-Z][a-z]{2,}\b")


def reply(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """The message that answers `request`, the body of a chat completion; None for a prompt that isn't the library's."""
    wanted = request.get("response_format", {}).get("json_schema", {}).get("name", "")
    part = _PARTS.get(wanted)
    return {"content": json.dumps(part(str(request["messages"][-1]["content"])))} if part else None


def _between(text: str, tag: str) -> str:
    return text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0].strip()


def _message(prompt: str) -> tuple[str, str]:
    """Speaker and text of the current message."""
    line = _between(prompt, "CURRENT MESSAGE") or _between(prompt, "CURRENT_MESSAGE")
    speaker, _, text = line.partition(": ")
    return speaker, text


def _named(text: str) -> list[str]:
    """The capitalised words that don't begin a sentence."""
    return [match.group() for match in _NAME.finditer(text) if not re.search(r"(^|[.!?] )$", text[: match.start()])]


def _entities(prompt: str) -> Any:
    speaker, text = _message(prompt)
    names = dict.fromkeys([speaker, *(_named(text)[:1] or ["chat"])])
    return {"extracted_entities": [{"name": name, "entity_type_id": 0, "episode_indices": [0]} for name in names]}


def _resolutions(prompt: str) -> Any:
    """An entity is the existing one that has its name."""
    known = {one["name"]: one["candidate_id"] for one in json.loads(_between(prompt, "EXISTING ENTITIES"))}
    found = [
        {"id": one["id"], "name": one["name"], "duplicate_candidate_id": known.get(one["name"], -1)}
        for one in json.loads(_between(prompt, "ENTITIES"))
    ]
    return {"entity_resolutions": found}


def _edges(prompt: str) -> Any:
    speaker, text = _message(prompt)
    others = [one["name"] for one in json.loads(_between(prompt, "ENTITIES")) if one["name"] != speaker]
    fact = {
        "relation_type": "TELLS_OF", "fact": f"{speaker}: {text}", "valid_at": None, "invalid_at": None,
        "episode_indices": [0],
    }  # fmt: skip
    return {"edges": [{"source_entity_name": speaker, "target_entity_name": name, **fact} for name in others]}


def _resolved(prompt: str) -> Any:
    fact = _between(prompt, "NEW FACT").partition(": ")[2]
    blocks = (_between(prompt, "EXISTING FACTS"), _between(prompt, "FACT INVALIDATION CANDIDATES"))
    shown = [one for block in blocks for one in ast.literal_eval(block)]
    names = set(_named(fact)) if ENDED in fact else set[str]()
    against = [one["idx"] for one in shown if names & set(_named(one["fact"].partition(": ")[2]))]
    return {"duplicate_facts": [], "contradicted_facts": against}


_PARTS: Mapping[str, Callable[[str], Any]] = {
    "ExtractedEntities": _entities,
    "NodeResolutions": _resolutions,
    "ExtractedEdges": _edges,
    "EdgeDuplicate": _resolved,
    "EdgeTimestamps": lambda prompt: {"valid_at": _between(prompt, "REFERENCE TIME"), "invalid_at": None},
    "SummarizedEntities": lambda prompt: {"summaries": []},
}
"""By the name of the schema that the reply must keep."""
