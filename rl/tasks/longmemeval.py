"""LongMemEval: 500 questions, each about a chat history of its own between a user and an assistant.

Source: Wu et al., "LongMemEval", 2024 (arXiv 2410.10813); `longmemeval_oracle.json`, `longmemeval_s_cleaned.json`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import FileFormatError
from memory_r1.memory.types import Turn
from memory_r1.rl.tasks.fields import UNSTORABLE, expect, filled, get, storable
from memory_r1.rl.tasks.stream import read_list
from memory_r1.rl.tasks.types import Conversation, Question, Task

TYPES = (
    "single-session-user", "single-session-preference", "single-session-assistant", "multi-session",
    "knowledge-update", "temporal-reasoning",
)  # fmt: skip
"""The official question types, which the paper's table doesn't tell apart."""

REPAIRS = (
    "session without a turn",
    "session whose id stands twice",
    "session dated after its question",
    "turn without text",
    "abstention question whose answer session is not in the history",
    "question without a marked turn",
    UNSTORABLE,
)
"""What `Task.repaired` counts."""

SPEAKERS = ("user", "assistant")
_FILE = "LongMemEval's longmemeval_oracle.json or longmemeval_s_cleaned.json"
_TIME = re.compile(r"(\d{4})/(\d\d)/(\d\d) \([A-Z][a-z]{2}\) (\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class _Session:
    """One session of a history. `id` is unique in it: the second "x" is "x#2"."""

    id: str
    time: datetime
    turns: tuple[Turn, ...]
    marked: tuple[str, ...]


def longmemeval_task(path: str | Path, name: str = "longmemeval-oracle") -> Task:
    """LongMemEval as one conversation for each question, all in the split "test".

    Sessions stand in the order of their dates. A turn's id is `<session>/<n>` with n from 1, its place in the file's
    session; turns without text are left out (their numbers stay free). Evidence: the turns marked `has_answer`.
    Raises FileFormatError, naming the place, for whatever isn't as the format has it.
    """
    counts: Counter[str] = Counter()
    texts: dict[str, str] = {}
    found: dict[str, Conversation] = {}
    for place, row in read_list(Path(path), _FILE):
        made = _conversation(expect(dict, row, place), place, counts, texts)
        if made.id in found:
            raise FileFormatError(f"{place}: question_id {made.id!r} stands twice; each question needs its own")
        found[made.id] = made
    if not found:
        raise FileFormatError(f"{str(path)!r} holds no question; give {_FILE}")
    repaired = {kind: counts[kind] for kind in REPAIRS if counts[kind]}
    return Task(name, tuple(found.values()), {kind: kind for kind in TYPES}, {"test": tuple(found)}, repaired)


def _conversation(row: Mapping[str, Any], place: str, counts: Counter[str], texts: dict[str, str]) -> Conversation:
    id = filled(row, "question_id", place)
    place = f"{place} ({id})"
    kind = get(row, "question_type", str, place)
    if kind not in TYPES:
        raise FileFormatError(f"{place}: question_type {kind!r} is none of {', '.join(TYPES)}")
    answer = row.get("answer")
    if not isinstance(answer, str | int) or isinstance(answer, bool):
        raise FileFormatError(f"{place}: an answer must be a text or a number, not {answer!r}")
    asked = _time(get(row, "question_date", str, place), f"{place} question_date")
    sessions = sorted(_sessions(row, place, counts, texts), key=lambda session: session.time)
    counts[REPAIRS[2]] += sum(session.time > asked for session in sessions)
    abstains = id.endswith("_abs")
    evidence = _evidence(row, sessions, abstains, place, counts)
    question = Question(id, filled(row, "question", place), str(answer), kind, evidence, asked, abstains)
    return Conversation(id, SPEAKERS, tuple(turn for session in sessions for turn in session.turns), (question,))


def _sessions(row: Mapping[str, Any], place: str, counts: Counter[str], texts: dict[str, str]) -> list[_Session]:
    ids = get(row, "haystack_session_ids", list, place)
    dates = get(row, "haystack_dates", list, place)
    talks = get(row, "haystack_sessions", list, place)
    if not len(ids) == len(dates) == len(talks):
        lengths = f"{len(ids)} haystack_session_ids, {len(dates)} haystack_dates, {len(talks)} haystack_sessions"
        raise FileFormatError(f"{place}: {lengths}; there must be one of each for every session")
    seen: Counter[str] = Counter()
    found: list[_Session] = []
    for at, (given, date, talk) in enumerate(zip(ids, dates, talks, strict=True)):
        where = f"{place} haystack_sessions[{at}]"
        id = expect(str, given, f"{place} haystack_session_ids[{at}]")
        seen[id] += 1
        counts[REPAIRS[1]] += seen[id] > 1
        name = id if seen[id] == 1 else f"{id}#{seen[id]}"
        time = _time(expect(str, date, f"{place} haystack_dates[{at}]"), f"{place} haystack_dates[{at}]")
        found.append(_session(name, time, expect(list, talk, where), where, counts, texts))
    return found


def _session(
    id: str, time: datetime, talk: Sequence[Any], place: str, counts: Counter[str], texts: dict[str, str]
) -> _Session:
    counts[REPAIRS[0]] += not talk
    turns: list[Turn] = []
    marked: list[str] = []
    for number, given in enumerate(talk, 1):
        where = f"{place}[{number - 1}]"
        said = expect(dict, given, where)
        role = get(said, "role", str, where)
        if role not in SPEAKERS:
            raise FileFormatError(f"{where}: role {role!r} is neither 'user' nor 'assistant'")
        text = get(said, "content", str, where)
        if not text.strip():
            counts[REPAIRS[3]] += 1
            continue
        kept = texts.get(text) or texts.setdefault(text, storable(text))  # histories share their filler sessions
        counts[UNSTORABLE] += kept != text
        turns.append(Turn(f"{id}/{number}", id, len(turns), role, kept, time))
        if _marked(said, where):
            marked.append(turns[-1].id)
    return _Session(id, time, tuple(turns), tuple(marked))


def _marked(said: Mapping[str, Any], place: str) -> bool:
    mark = said.get("has_answer")
    if mark is not None and not isinstance(mark, bool):
        raise FileFormatError(f"{place}: has_answer is true or false, not {mark!r}")
    return bool(mark)


def _evidence(
    row: Mapping[str, Any], sessions: Sequence[_Session], abstains: bool, place: str, counts: Counter[str]
) -> tuple[str, ...]:
    """The marked turns. Raises FileFormatError where an answer session isn't in the history."""
    known = {session.id for session in sessions}
    for id in get(row, "answer_session_ids", list, place):
        if expect(str, id, f"{place} answer_session_ids") in known:
            continue
        if not abstains:
            raise FileFormatError(f"{place}: answer session {id!r} is none of its haystack_session_ids")
        counts[REPAIRS[4]] += 1
    evidence = tuple(id for session in sessions for id in session.marked)
    counts[REPAIRS[5]] += not evidence and not abstains
    return evidence


def _time(text: str, place: str) -> datetime:
    match = _TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError("of another form")
        year, month, day, hour, minute = map(int, match.groups())
        return datetime(year, month, day, hour, minute)
    except ValueError as error:
        raise FileFormatError(f"{place}: {text!r} is no time like '2023/05/20 (Sat) 02:21'") from error
