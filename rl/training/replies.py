"""What the roles' models should reply: the inverse of `graphs.parse`, one text for each decision.

Every text is what `json.dumps` writes without spaces, its keys in the order of the prompts' examples, and nothing said
that the reader fills in by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Add, Answer, Delete, Fact, Memory, Noop, Operation, Update


def extractor_reply(facts: Sequence[Fact]) -> str:
    """The reply that `parse.facts` reads as `facts`, where their texts have no dates that depend on the turn."""
    return _dump({"facts": [_without_empty(text=f.text, when=f.when, entities=f.entities) for f in facts]})


def manager_reply(operations: Sequence[Operation], facts: Sequence[Fact], shown: Sequence[Memory]) -> str:
    """The reply that `parse.operations` reads as `operations`: number i for `facts[i]`, on the memories `shown`.

    The reader takes from fact and targets what a reply has no place for (speaker, turns, when, entities), and the
    reason of a Noop from whether it names a memory. Raises InputError for operations on what isn't shown, or when there
    isn't one for each fact.
    """
    if len(operations) != len(facts):
        raise InputError(f"{len(operations)} operations for {len(facts)} facts: give one for each")
    places = {memory.id: str(number) for number, memory in enumerate(shown)}
    decided = [_operation(n, op, fact, places) for n, (op, fact) in enumerate(zip(operations, facts, strict=True))]
    return _dump({"operations": decided})


def answerer_reply(answer: Answer, shown: Sequence[Memory]) -> str:
    """The reply that `parse.answer` reads as `answer`. Raises InputError when it selects what isn't shown."""
    places = {memory.id: str(number) for number, memory in enumerate(shown)}
    return _dump({"selected": [_place(id, places) for id in answer.selected], "answer": answer.text})


def _operation(number: int, operation: Operation, fact: Fact, places: Mapping[str, str]) -> dict[str, object]:
    said: dict[str, object] = {"fact": number, "op": operation.kind.upper()}
    match operation:
        case Add():
            return said if operation.text == fact.text else {**said, "text": operation.text}
        case Update():
            return {**said, "targets": [_place(id, places) for id in operation.targets], "text": operation.text}
        case Delete():
            return {**said, "targets": [_place(id, places) for id in operation.targets]}
        case Noop():
            return {**said, "targets": [_place(operation.target, places)]} if operation.target else said


def _place(id: str, places: Mapping[str, str]) -> str:
    if id not in places:
        raise InputError(f"memory {id!r} is none of the {len(places)} shown: a reply can't name it")
    return places[id]


def _without_empty(**values: Any) -> dict[str, object]:
    return {key: value for key, value in values.items() if value}


def _dump(reply: Mapping[str, object]) -> str:
    return json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
