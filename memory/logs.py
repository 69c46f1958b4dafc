"""Log lines as text or JSON, on stderr, without the words of anyone's memory unless `MEMORY_R1_LOG_CONTENT=on`.

A log call keeps text that came from a memory, a turn or a model out of its message, and gives it apart:

    log.warning("%s failed", role, extra={"content": str(error)})

`FIELDS` are the other things that a call may give by `extra`, and what `about` says of all calls inside it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import extract_tb, format_exception
from typing import Any, Literal

from memory_r1.memory.errors import SettingsError

FIELDS: Mapping[str, str] = {
    "event": "what kind of line it is: turn, question; absent from all others",
    "outcome": "what became of the turn or question, as in the metrics",
    "bank": "the bank that the run is about",
    "turn": "the id of the turn",
    "revision": "the bank's revision after the turn",
    "operations": "operations of the turn by kind, as {\"add\": 1}",
    "hits": "memories that were found for the question",
    "seconds": "seconds of the run: {\"total\": …} and each node's, summed up",
    "tokens": "tokens of the run: {\"input\": …, \"output\": …}, as the model's server counts them",
    "calls": "model calls of the run",
    "failures": "replies of a model that could not be used, in the run",
    "conflicts": "writes that another writer's was faster than, in the run",
    "error": "the class of the error that ended the run, or that the line is about",
}  # fmt: skip
ALWAYS: Mapping[str, str] = {
    "time": "when, in UTC, by the millisecond",
    "level": "INFO, WARNING, ERROR",
    "logger": "who says it: a module's name",
    "message": "what happened, in words; from other packages only the template of the words",
}
SOMETIMES: Mapping[str, str] = {
    "trace_id": "the trace that the line belongs to, while tracing is on",
    "span_id": "the span that the line belongs to, while tracing is on",
    "stack": "where an exception came from, as file:line function",
    "content": "what holds memory text; only with MEMORY_R1_LOG_CONTENT=on",
}
OURS = "memory_r1"
Format = Literal["text", "json"]

_ABOUT: ContextVar[Mapping[str, object]] = ContextVar("memory_r1_log_about", default={})  # noqa: B039 - never changed


@contextmanager
def about(**fields: object) -> Generator[None]:
    """Give all log lines written inside the block these fields, as far as they don't give them themselves."""
    token = _ABOUT.set({**_ABOUT.get(), **fields})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def choice(variable: str, *allowed: str) -> str:
    """What the environment says about `variable`; where it says nothing, the first of `allowed`.

    Raises SettingsError for anything else.
    """
    said = os.environ.get(variable, "") or allowed[0]
    if said not in allowed:
        raise SettingsError(f"{variable}={said!r} is unknown: set {' or '.join(word for word in allowed if word)}")
    return said


def start_logging(wanted: Format | None = None, everything: bool = True) -> None:
    """Write log lines on stderr as `wanted`, else as `MEMORY_R1_LOG` says; if it says nothing, change nothing.

    `everything`: those of all packages, other packages' from WARNING on where the lines are JSON; else ours alone,
    which then go nowhere else. Raises SettingsError for a value that is none.
    """
    kind = wanted or choice("MEMORY_R1_LOG", "", "text", "json")
    content = choice("MEMORY_R1_LOG_CONTENT", "off", "on") == "on"
    if not kind:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(content) if kind == "json" else TextLines(content))
    ours, all_of_them = logging.getLogger(OURS), logging.getLogger()
    ours.setLevel(logging.INFO)
    if everything:
        all_of_them.handlers[:] = [handler]
        all_of_them.setLevel(logging.WARNING if kind == "json" else logging.INFO)
    else:
        ours.handlers[:] = [handler]
        ours.propagate = False


class TextLines(logging.Formatter):
    """A line for people. `content`: whether it shows what holds memory text."""

    def __init__(self, content: bool = False) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._content = content

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if not _ours(record):
            return super().format(record)
        shown = f"{record.levelname} {record.name}: {_message(record, self._content)}"
        inner = getattr(record, "content", "") if self._content else ""
        stack = f"\n{_stack(record, self._content)}" if record.exc_info else ""
        return f"{shown}: {inner}{stack}" if inner else f"{shown}{stack}"


class JsonLines(logging.Formatter):
    """One JSON object in one line. `content`: whether it holds what holds memory text."""

    def __init__(self, content: bool = False) -> None:
        super().__init__()
        self._content = content

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname, "logger": record.name, "message": _message(record, self._content),
        }  # fmt: skip
        given = {**_ABOUT.get(), **{name: getattr(record, name) for name in FIELDS if hasattr(record, name)}}
        line |= {name: value for name, value in given.items() if value is not None}
        line |= _traced()
        if record.exc_info:
            kind = record.exc_info[0]
            line |= {"error": kind.__name__ if kind else "", "stack": _stack(record, self._content)}
        if self._content and hasattr(record, "content"):
            line["content"] = record.__dict__["content"]
        return json.dumps(line, ensure_ascii=False, default=str)


def _ours(record: logging.LogRecord) -> bool:
    return record.name == OURS or record.name.startswith(f"{OURS}.")


def _message(record: logging.LogRecord, content: bool) -> str:
    """The words of `record`. Without `content` an exception is its class, and others' words are their template."""
    if content:
        return record.getMessage()
    if not _ours(record):
        return str(record.msg) if record.args else "(withheld)"
    args = record.args
    if isinstance(args, tuple):
        args = tuple(type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in args)
    return str(record.msg) % args if args else str(record.msg)


def _stack(record: logging.LogRecord, content: bool) -> str:
    """Where the exception of `record` came from; with `content` also what it says."""
    _, error, trace = record.exc_info or (None, None, None)
    if content and error is not None:
        return "".join(format_exception(error))
    return "; ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(trace))


def _traced() -> dict[str, object]:
    """The ids of the span that is current, where OpenTelemetry is in use."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    here = trace.get_current_span().get_span_context()
    return {"trace_id": f"{here.trace_id:032x}", "span_id": f"{here.span_id:016x}"} if here.is_valid else {}
