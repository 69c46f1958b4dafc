"""What a run and its steps are reported to have done: counts out of the graph's state. Pure; no text of any memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, cast

from memory_r1.graphs.state import Json
from memory_r1.memory.types import Turn

KEPT = frozenset({
    "turn", "question", "facts", "candidates", "operations", "receipt", "attempts", "hits", "draft", "answer",
    "failures", "usage",
})  # fmt: skip
"""The parts of the state that a run's report rests on."""

Figure = tuple[str, float, Mapping[str, str]]
Value = str | int | float | bool


def of(graph: str, seen: Json, error: BaseException | None) -> str:
    """What became of the run: see `memory_r1.outcome` in `names`."""
    if error is not None:
        return "failed"
    if graph == "remember" and seen.get("receipt"):
        return "repeated" if seen["receipt"]["repeated"] else "written"
    if graph == "answer" and seen.get("answer"):
        return "answered" if seen.get("draft") else "malformed"
    return "done" if graph == "chat" else "stopped"


def node_attributes(update: Json) -> dict[str, Value]:
    """What a step's `update` counts. Nothing is told about what it leaves empty, but for facts and hits."""
    found: dict[str, Value] = {}
    for part in ("facts", "hits"):
        if part in update:
            found[f"memory_r1.{part}"] = len(update[part])
    candidates: list[list[Json]] = update.get("candidates") or []
    answer: Json = update.get("answer") or {}
    counted = {
        "candidates": sum(map(len, candidates)), "attempts": update.get("attempts"),
        "selected": len(answer.get("selected") or ()),
        "failures": len(update.get("failures") or ()),
        **{f"operations.{kind}": count for kind, count in _kinds(update).items()},
    }  # fmt: skip
    found |= {f"memory_r1.{name}": count for name, count in counted.items() if count}
    receipt: Json | None = update.get("receipt")
    revision = receipt["revision"] if receipt else update.get("revision")
    if revision is not None:
        found["memory_r1.revision"] = revision
    if receipt and receipt["repeated"]:
        found["memory_r1.repeated"] = True
    return found


def run_attributes(graph: str, outcome: str, seen: Json) -> dict[str, Value]:
    """What the whole run counts: its outcome, and the sums of what its steps saw."""
    if graph == "chat":
        return {"memory_r1.outcome": outcome}
    usage: Json = seen.get("usage") or {}
    found = {"memory_r1.outcome": outcome, **node_attributes(seen), "memory_r1.calls": usage.get("calls", 0)}
    for name, count in _tokens(seen).items():
        found[f"gen_ai.usage.{name}_tokens"] = count
    return found


def figures(graph: str, outcome: str, seen: Json) -> Iterator[Figure]:
    """What the run adds to the metrics: name, value, labels."""
    failures: list[Json] = seen.get("failures") or []
    if graph == "chat":
        return
    yield f"memory_r1.{'turns' if graph == 'remember' else 'questions'}", 1, {"memory_r1.outcome": outcome}
    for failure in failures:
        yield "memory_r1.failures", 1, {"memory_r1.role": failure["role"], "memory_r1.failure": failure["kind"]}
    if outcome == "written":
        for kind, count in _kinds(seen).items():
            yield "memory_r1.operations", count, {"memory_r1.operation": kind}
    if conflicts := _conflicts(seen):
        yield "memory_r1.conflicts", conflicts, {}
    if graph == "answer" and "hits" in seen:
        yield "memory_r1.hits", len(seen["hits"]), {}


def log_fields(graph: str, outcome: str, seen: Json) -> dict[str, Any]:
    """The fields of the run's line in the log, but for bank, seconds and error."""
    fields: dict[str, Any] = {"event": "turn" if graph == "remember" else "question", "outcome": outcome}
    usage: Json = seen.get("usage") or {}
    fields |= {"tokens": _tokens(seen) or None, "calls": usage.get("calls", 0)}
    fields["failures"] = len(seen.get("failures") or ())
    if graph == "answer":
        return {**fields, "hits": len(seen.get("hits") or ())}
    receipt: Json = seen.get("receipt") or {}
    fields |= {"turn": _part(seen.get("turn"), "id"), "revision": receipt.get("revision")}
    return {**fields, "operations": _kinds(seen), "conflicts": _conflicts(seen)}


def sentence(fields: Json) -> str:
    """The line for people: "turn 't1' of bank 'anna': written, revision 3, 1 add, 12 ms"."""
    turn = f" {fields['turn']!r}" if fields.get("turn") else ""
    told = [f"{fields['event']}{turn} of bank {fields['bank']!r}: {fields['outcome']}"]
    if fields.get("revision") is not None:
        told.append(f"revision {fields['revision']}")
    operations: dict[str, int] = fields.get("operations") or {}
    told += [f"{count} {kind}" for kind, count in operations.items()]
    told += [f"{name} {fields[name]}" for name in ("hits", "conflicts", "failures", "calls") if fields.get(name)]
    told += [fields["error"]] if fields["error"] else []
    return ", ".join([*told, f"{1000 * fields['seconds']['total']:.0f} ms"])


def content(seen: Json) -> dict[str, str]:
    """The words of the turn, the question and the answer, as far as there are any."""
    words = {
        "turn": _part(seen.get("turn"), "text"), "question": seen.get("question"),
        "answer": _part(seen.get("answer"), "text"),
    }  # fmt: skip
    return {f"memory_r1.{name}.text": text for name, text in words.items() if text}


def messages(texts: list[dict[str, str]]) -> str:
    """Chat messages as the conventions for spans write them, in JSON."""
    parts = [{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in texts]
    return json.dumps(parts, ensure_ascii=False)


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """`seconds`, by the tenth of a millisecond."""
    return {name: round(value, 4) for name, value in seconds.items()}


def _kinds(seen: Json) -> dict[str, int]:
    operations: list[Json] = seen.get("operations") or []
    return dict(Counter(cast(str, operation["kind"]) for operation in operations))


def _conflicts(seen: Json) -> int:
    """Writes that failed because the bank had moved on: all attempts, but for the one that gave a receipt."""
    return max(0, seen.get("attempts", 0) - (1 if seen.get("receipt") else 0))


def _tokens(seen: Json) -> dict[str, int]:
    usage: Json = seen.get("usage") or {}
    found = {"input": usage.get("prompt_tokens", 0), "output": usage.get("reply_tokens", 0)}
    return found if any(found.values()) else {}


def _part(value: Any, name: str) -> str:
    """Field `name` of a turn, or of a JSON object; "" where there is none."""
    found: object = getattr(value, name, "") if isinstance(value, Turn) else cast(Json, value or {}).get(name)
    return found if isinstance(found, str) else ""
