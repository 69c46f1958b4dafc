"""Reads what models reply: strict, pure, and with errors that tell the model what to mend.

Every function raises MalformedOutputError and never guesses. The reply models double as the JSON schemas that a
server constrains its output by (`schema`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_r1.memory.apply import MAX_TEXT
from memory_r1.memory.dates import find_dates, resolve
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.memory.types import WHEN, Add, Answer, Delete, Fact, Memory, Noop, Operation, Turn, Update

MAX_REPLY = 100_000
"""Characters of a reply that are looked at; a longer one is refused unread."""

_WHEN = r"^(\d{4}(-\d{2}(-\d{2})?)?(/\d{4}(-\d{2}(-\d{2})?)?)?)?$"
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FactReply(_Reply):
    """One extracted fact."""

    text: str = Field(min_length=1, max_length=2_000)
    when: str = Field(default="", pattern=_WHEN)
    entities: list[str] = Field(default=[], max_length=30)


class FactsReply(_Reply):
    """What the extractor replies."""

    facts: list[FactReply] = Field(max_length=50)


class OperationReply(_Reply):
    """What the manager decides for fact number `fact`. `targets`: short ids of memories shown."""

    fact: int = Field(ge=0)
    op: Literal["ADD", "UPDATE", "DELETE", "NOOP"]
    targets: list[str] = []
    text: str = Field(default="", max_length=MAX_TEXT)


class OperationsReply(_Reply):
    """What the manager replies."""

    operations: list[OperationReply] = Field(max_length=200)


class AnswerReply(_Reply):
    """What the answerer replies. `selected`: short ids of the memories that the answer rests on."""

    selected: list[str] = Field(max_length=200)
    answer: str = Field(min_length=1, max_length=2_000)


class PlainReply(_Reply):
    """What the answerer replies where nothing is to be selected."""

    answer: str = Field(min_length=1, max_length=2_000)


R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")


def schema(reply: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of `reply` as strict servers want it: every property required, nothing else allowed."""
    return cast(dict[str, Any], _strict(reply.model_json_schema()))


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    found = cast(dict[str, Any], node)
    skipped = ("title", "default", "description", "maxLength", "minLength", "maxItems", "minimum")
    out = {key: _strict(value) for key, value in found.items() if key not in skipped}
    if "properties" in found:
        out["properties"] = {name: _strict(value) for name, value in found["properties"].items()}
        out["required"] = list(found["properties"])
    return out


def read(reply: type[R], text: str) -> R:
    """The reply in `text`, which is one JSON object; a leading <think> block and a code fence around it are allowed.

    Raises MalformedOutputError.
    """
    if len(text) > MAX_REPLY:
        raise MalformedOutputError(f"the reply has {len(text)} characters; at most {MAX_REPLY} are read")
    bare = _THOUGHT.sub("", text)
    fenced = _FENCE.match(bare)
    try:
        return reply.model_validate_json(fenced.group(1) if fenced else bare)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'reply'}: {e['msg']}" for e in error.errors()[:3])
        raise MalformedOutputError(f"the reply {clip(bare.strip())!r} breaks its schema: {wrong}") from None


def facts(text: str, turn: Turn) -> list[Fact]:
    """The facts that the extractor's reply `text` states about `turn`, with relative dates made absolute."""
    return [_fact(found, turn) for found in read(FactsReply, text).facts]


def _fact(found: FactReply, turn: Turn) -> Fact:
    check_text(found.text)
    dates = [mention.when for mention in find_dates(found.text, turn.time) if mention.when]
    when = _calendar(found.when) or (dates[0] if dates else "")
    entities = tuple(dict.fromkeys(name.strip() for name in found.entities if name.strip()))
    return Fact(resolve(found.text.strip(), turn.time), turn.speaker, (turn.id,), when, entities)


def _calendar(when: str) -> str:
    for part in filter(None, when.split("/")):
        day = [int(number) for number in part.split("-")]
        if not (day[0] > 0 and all(1 <= n <= top for n, top in zip(day[1:], (12, 31), strict=False))):
            raise MalformedOutputError(f"when={when!r} is no date: write YYYY-MM-DD, YYYY-MM, YYYY or nothing")
    return when


def operations(text: str, given: Sequence[Fact], shown: Sequence[Memory]) -> list[Operation]:
    """The operations that the manager's reply `text` decides for the facts `given`, in their order.

    `shown[i]` is the memory that was shown as id `str(i)`. Every fact needs an operation at least, no memory may be
    the target of two, and an id that was not shown is an error.
    """
    replies = sorted(read(OperationsReply, text).operations, key=lambda r: r.fact)
    extra = [r.fact for r in replies if r.fact >= len(given)]
    missing = sorted(set(range(len(given))) - {r.fact for r in replies})
    if extra:
        raise MalformedOutputError(f"there is no fact {extra[0]}: the facts are 0 to {len(given) - 1}")
    if missing:
        raise MalformedOutputError(f"fact {missing[0]} has no operation: decide one for every fact")
    found = [_operation(reply, given[reply.fact], shown) for reply in replies]
    check_operations(found, [memory.id for memory in shown])
    return found


def _operation(reply: OperationReply, fact: Fact, shown: Sequence[Memory]) -> Operation:
    targets = [lookup(id, shown) for id in dict.fromkeys(reply.targets)]
    if reply.op in ("UPDATE", "DELETE") and not targets:
        raise MalformedOutputError(f"{reply.op} of fact {reply.fact} names no target: give the id of a memory shown")
    if reply.op == "NOOP":
        return Noop(fact.turns, fact.text, targets[0].id if targets else "", "duplicate" if targets else "not-a-fact")
    ids = tuple(memory.id for memory in targets)
    if reply.op == "DELETE":
        return Delete(ids, fact.turns)
    text = reply.text.strip() or fact.text
    check_text(text)
    if reply.op == "ADD":
        if targets:
            raise MalformedOutputError(f"ADD of fact {reply.fact} names targets: ADD has none, UPDATE has")
        return Add(text, fact.speaker, fact.turns, fact.when, fact.entities)
    if not reply.text.strip():
        raise MalformedOutputError(f"UPDATE of fact {reply.fact} has no text: write the merged statement")
    entities = tuple(dict.fromkeys(name for names in (*(m.entities for m in targets), fact.entities) for name in names))
    return Update(ids, text, fact.speaker, fact.turns, fact.when or targets[-1].when, entities)


def answer(text: str, question: str, shown: Sequence[Memory]) -> Answer:
    """The answer that the answerer's reply `text` gives; `shown[i]` is the memory shown as id `str(i)`."""
    reply = read(AnswerReply, text)
    check_text(reply.answer)
    selected = tuple(dict.fromkeys(lookup(id, shown).id for id in reply.selected))
    return Answer(question, reply.answer.strip(), selected)


def plain_answer(text: str, question: str) -> Answer:
    """The answer in the answerer's reply `text` where it was to select nothing."""
    reply = read(PlainReply, text)
    check_text(reply.answer)
    return Answer(question, reply.answer.strip())


def lookup(id: str, shown: Sequence[T]) -> T:
    """What was shown as `id`. Raises MalformedOutputError for any other id, also for "00" and "٣"."""
    known = {str(number): memory for number, memory in enumerate(shown)}
    if id not in known:
        ids = f'ids "0" to "{len(shown) - 1}" were shown' if shown else "no memory was shown"
        raise MalformedOutputError(f"id {clip(id)!r} was not shown: {ids}")
    return known[id]


def lookup_ids(ids: Sequence[str], shown: Sequence[str]) -> None:
    """Refuse `ids` of memories that are not among `shown`."""
    unknown = [id for id in ids if id not in shown]
    if unknown:
        raise MalformedOutputError(f"memory {clip(unknown[0])!r} was not among the {len(shown)} retrieved")


def check_fact(fact: Fact, turns: Sequence[str]) -> None:
    """Refuse a fact that no store would take, or that names a turn other than `turns` (its own is the last)."""
    _check_content(fact)
    if turns[-1] not in fact.turns or not set(fact.turns) <= set(turns):
        raise MalformedOutputError(f"the fact {clip(fact.text)!r} names turns {fact.turns!r}, not {turns[-1]!r}")


def check_operations(found: Sequence[Operation], shown: Sequence[str]) -> None:
    """Refuse operations on memories that were not among those `shown` (their ids), two on one, and unfit texts."""
    known, used = set(shown), set[str]()
    for op in found:
        ends = op.targets if isinstance(op, Update | Delete) else ()
        named = (op.target,) if isinstance(op, Noop) and op.target else ends
        for id in named:
            if id not in known:
                raise MalformedOutputError(f"{op.kind} names memory {id!r}, which was not among the candidates")
        if used & set(ends):
            raise MalformedOutputError("two operations end the same memory: put them into one")
        used.update(ends)
        if isinstance(op, Add | Update):
            _check_content(op)


def _check_content(made: Fact | Add | Update) -> None:
    check_text(made.text)
    if len(made.text) > MAX_TEXT:
        raise MalformedOutputError(
            f"the text {clip(made.text)!r} has {len(made.text)} characters, of {MAX_TEXT} allowed"
        )
    if made.when and not WHEN.fullmatch(made.when):
        raise MalformedOutputError(f"when={made.when!r} is no ISO 8601 day, month, year or interval of two of them")


def check_text(text: str) -> None:
    """Refuse what no store keeps: blank text, NUL, lone surrogates."""
    if not text.strip():
        raise MalformedOutputError("a text is blank: write the statement")
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise MalformedOutputError(f"the text {clip(text)!r} contains a NUL or half a character")


def clip(text: str, limit: int = 200) -> str:
    """The first `limit` characters of `text`, marked when there are more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
