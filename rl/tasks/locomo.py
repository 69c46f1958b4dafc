"""LoCoMo: ten long conversations with questions whose evidence turns are known.

Source: Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", 2024; `locomo10.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from memory_r1.memory.errors import FileFormatError
from memory_r1.memory.types import Turn
from memory_r1.rl.tasks.types import Conversation, Question

TRAIN, VALIDATION = ("conv-26",), ("conv-30",)
"""Memory-R1's split (section 4.1): one conversation to train on, one to validate; the other eight are the test."""

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
"""LoCoMo's own names of its categories, by the number in its file."""

PAPER = {
    "multi-hop": "Single Hop", "temporal": "Temporal", "open-domain": "Multi-Hop", "single-hop": "Open Domain",
    "adversarial": "–",
}  # fmt: skip
"""The columns of Memory-R1's tables, which name the same questions differently."""

_SESSION = re.compile(r"session_(\d+)")
_EVIDENCE = re.compile(r"D:?(\d+):0*(\d+)")
_TIME = "%I:%M %p on %d %B, %Y"
_T = TypeVar("_T")


def load_locomo(path: str | Path) -> tuple[Conversation, ...]:
    """The conversations of the LoCoMo file `path`, all questions included (a conversation without "qa" has none).

    Raises FileFormatError, naming the place, for anything that is not as LoCoMo's format has it. Evidence strings
    are read leniently, since the published file has several ids in one string, stray zeros and ids of no turn.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8") as file:
            data: Any = json.load(file)
    except OSError as error:
        raise FileFormatError(f"can't read {str(path)!r}: {error.strerror}; give LoCoMo's locomo10.json") from error
    except ValueError as error:
        raise FileFormatError(f"{str(path)!r} is not JSON: {error}; give LoCoMo's locomo10.json") from error
    place = path.name
    found = tuple(_conversation(sample, f"{place}[{at}]") for at, sample in enumerate(_as(list, data, place)))
    names = [conversation.id for conversation in found]
    if len(set(names)) < len(names):
        raise FileFormatError(f"{place}: a sample_id stands twice in {names!r}; each conversation needs its own")
    return found


def _conversation(sample: Any, place: str) -> Conversation:
    sample = _as(dict, sample, place)
    name = _get(sample, "sample_id", str, place)
    place = f"{place} ({name})"
    body = _get(sample, "conversation", dict, place)
    turns = _turns(body, place)
    known = {turn.id for turn in turns}
    if len(known) < len(turns):
        raise FileFormatError(f"{place}: a dia_id stands twice; every turn needs its own")
    questions = _get(sample, "qa", list, place) if "qa" in sample else []
    return Conversation(
        name,
        (_get(body, "speaker_a", str, place), _get(body, "speaker_b", str, place)),
        turns,
        tuple(_question(qa, f"{name}/{at}", turns, f"{place} qa[{at}]") for at, qa in enumerate(questions)),
    )


def _turns(body: Mapping[str, Any], place: str) -> tuple[Turn, ...]:
    """All turns, sessions by number. Only session lists count: the file has dates of sessions that don't exist."""
    numbers = sorted(int(match[1]) for key in body if (match := _SESSION.fullmatch(key)))
    turns: list[Turn] = []
    for number in numbers:
        at = f"{place} session_{number}"
        time = _time(_get(body, f"session_{number}_date_time", str, at), at)
        for index, row in enumerate(_get(body, f"session_{number}", list, at)):
            turns.append(_turn(row, str(number), index, time, f"{at}[{index}]"))
    return tuple(turns)


def _turn(row: Any, session: str, index: int, time: datetime, place: str) -> Turn:
    row = _as(dict, row, place)
    return Turn(
        _get(row, "dia_id", str, place),
        session,
        index,
        _get(row, "speaker", str, place),
        _get(row, "text", str, place),
        time,
        _get(row, "blip_caption", str, place) if "blip_caption" in row else "",
    )


def _question(qa: Any, id: str, turns: tuple[Turn, ...], place: str) -> Question:
    qa = _as(dict, qa, place)
    category = _get(qa, "category", int, place)
    if category not in CATEGORIES:
        raise FileFormatError(f"{place}: category {category!r} is none of {sorted(CATEGORIES)!r}")
    answer = qa.get("adversarial_answer", qa.get("answer")) if category == 5 else qa.get("answer")
    if not isinstance(answer, str | int):
        raise FileFormatError(f"{place}: an answer must be a text or a number, not {answer!r}")
    strings = " ".join(_as(str, item, f"{place} evidence") for item in _get(qa, "evidence", list, place))
    ids = dict.fromkeys(f"D{session}:{turn}" for session, turn in _EVIDENCE.findall(strings))
    known = {turn.id for turn in turns}
    return Question(
        id, _get(qa, "question", str, place), str(answer), CATEGORIES[category],
        tuple(turn for turn in ids if turn in known), turns[-1].time if turns else None, category == 5,
    )  # fmt: skip


def _time(text: str, place: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME)
    except ValueError as error:
        raise FileFormatError(f"{place}: {text!r} is no time like '1:56 pm on 8 May, 2023'") from error


def _get(row: Mapping[str, Any], key: str, kind: type[_T], place: str) -> _T:
    if key not in row:
        raise FileFormatError(f"{place}: {key!r} is missing")
    return _as(kind, row[key], f"{place} {key}")


def _as(kind: type[_T], value: Any, place: str) -> _T:
    if not isinstance(value, kind):
        raise FileFormatError(f"{place}: expected {kind.__name__}, found {value!r:.80}")
    return value
