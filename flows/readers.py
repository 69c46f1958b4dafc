"""Reads conversations from files: LoCoMo's JSON, and JSON lines of speaker, text and time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, ValidationError

from memory_r1.memory.apply import MAX_TURN
from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.memory.types import Turn

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


def _read_time(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("should be a time like 2024-05-01T10:00") from None


class Line(BaseModel):
    """One line of a JSON-lines conversation. `session` defaults to the day, `id` to the place in the session."""

    model_config = ConfigDict(extra="forbid")

    speaker: Name
    text: str
    time: Annotated[datetime, PlainValidator(_read_time)]
    session: Name | None = None
    id: Name | None = None
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that stands beside a conversation, with the answer expected of it, and when it is asked."""

    text: str
    answer: str = ""
    time: datetime | None = None


class _AskedLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1)
    answer: str = ""


def read_conversation(path: Path, sample: str | None = None) -> tuple[Turn, ...]:
    """The turns of the conversation in `path`, in order, all of them checked.

    A file whose JSON is a list is LoCoMo's (`sample` picks one of several conversations), any other file is JSON lines.
    A JSON line's turn id is `<session>/<id>`, so sessions may number their turns alike. A time with an offset is taken
    as the speaker's clock showed it. Raises FileFormatError naming file and place, InputError for a wrong `sample`.
    """
    if _is_list(path):
        turns = _locomo(path, sample)
    elif sample is not None:
        raise InputError(f"--sample {sample!r} picks a conversation of a LoCoMo file, and {str(path)!r} is JSON lines")
    else:
        turns = tuple(_json_lines(path))
    if not turns:
        raise FileFormatError(f"{str(path)!r} holds no turn: give one JSON object with speaker, text and time per line")
    return turns


def read_questions(path: Path) -> tuple[Asked, ...]:
    """The questions of a file of JSON lines of `question` and, if known, `answer`. Raises FileFormatError."""
    found: list[Asked] = []
    for number, text in _lines(path):
        row: _AskedLine = _parse(_AskedLine, text, f"{path}, line {number}")
        found.append(Asked(row.question, row.answer))
    return tuple(found)


def _is_list(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for line in file:
                if line.strip():
                    return line.lstrip().startswith("[")
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}", file=str(path)) from None
    return False


def _locomo(path: Path, sample: str | None) -> tuple[Turn, ...]:
    from memory_r1.rl.tasks.locomo import load_locomo

    found = {conversation.id: conversation for conversation in load_locomo(path)}
    if sample is None and len(found) > 1:
        raise InputError(f"{str(path)!r} holds {len(found)} conversations: pick by --sample one of {', '.join(found)}")
    name = sample if sample is not None else next(iter(found), "")
    if name not in found:
        raise InputError(f"{str(path)!r} has no conversation {name!r}; it has {', '.join(found) or 'none'}")
    for turn in found[name].turns:
        _check(turn, f"{path} ({name}), turn {turn.id}")
    return found[name].turns


def _json_lines(path: Path) -> Iterator[Turn]:
    counts: Counter[str] = Counter()
    lines: dict[str, int] = {}
    for number, text in _lines(path):
        place = f"{path}, line {number}"
        row: Line = _parse(Line, text, place)
        session = row.session or row.time.date().isoformat()
        id = f"{session}/{row.id or counts[session] + 1}"
        if id in lines:
            why = f"session {session!r} has a turn {id.removeprefix(session + '/')!r} already, on line {lines[id]}"
            raise FileFormatError(f"{place}: {why}", file=str(path), line=number)
        lines[id] = number
        turn = Turn(id, session, counts[session], row.speaker, row.text, row.time.replace(tzinfo=None), row.caption)
        counts[session] += 1
        _check(turn, place)
        yield turn


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of `path` that aren't blank, with their numbers."""
    number = 0
    try:
        with path.open("rb") as file:
            for raw in file:
                number += 1
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, text
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}", file=str(path)) from None
    except UnicodeDecodeError as error:
        why = f"{path}, line {number}: is not UTF-8 text ({error.reason})"
        raise FileFormatError(why, file=str(path), line=number) from None


def _parse(kind: Any, text: str, place: str) -> Any:
    try:
        row: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{place}: is not JSON ({error}): {text.strip()!r:.80}") from None
    if not isinstance(row, dict):
        raise FileFormatError(f"{place}: a JSON object should stand here, not {text.strip()!r:.80}")
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        found = "" if first["type"] == "missing" else f", found {first['input']!r:.80}"
        raise FileFormatError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}{found}") from None


def _check(turn: Turn, place: str) -> None:
    """Refuse, before anything is stored, what no store would keep."""
    for name, text in (("speaker", turn.speaker), ("id", turn.id), ("text", turn.text), ("caption", turn.caption)):
        if "\0" in text:
            raise FileFormatError(f"{place}: {name} contains a NUL character, which no store keeps")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise FileFormatError(f"{place}: {name} contains a lone surrogate, which is no valid Unicode text")
    if len(turn.text) + len(turn.caption) > MAX_TURN:
        raise FileFormatError(f"{place}: text has {len(turn.text)} characters; at most {MAX_TURN} are stored")
