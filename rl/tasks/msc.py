"""MSC-Self-Instruct: pairs of people who talk in five sessions, and a question about what was said.

Source: Packer et al., "MemGPT", 2023 (arXiv 2310.08560), over Xu et al., "Beyond Goldfish Memory", 2022;
`msc_self_instruct.jsonl`. The facts are Multi-Session Chat's persona sentences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import FileFormatError
from memory_r1.memory.types import Fact, Turn
from memory_r1.rl.tasks.fields import UNSTORABLE, expect, filled, get, read_rows, storable
from memory_r1.rl.tasks.types import Conversation, Question, Task

SPEAKERS = ("Speaker 1", "Speaker 2")
ANCHOR = datetime(2022, 5, 22, 12)
"""When every fifth session takes place and its question is asked. The data tells only how long ago the others were."""

CATEGORY = "recall"
"""The one category: every question recalls an earlier session."""

REPAIRS = (
    "conversation whose id stands twice", "session not later than the one before it", "turn without text", UNSTORABLE,
)  # fmt: skip
"""What `Task.repaired` counts."""

_FILE = "MSC-Self-Instruct's msc_self_instruct.jsonl"
_IDS = {"bot_0": SPEAKERS[0], "bot_1": SPEAKERS[1], SPEAKERS[0]: SPEAKERS[0], SPEAKERS[1]: SPEAKERS[1]}
_SPAN = re.compile(r"(\d+) (minute|hour|day|week|month|year)s?\b")
_HOURS = {"minute": 1 / 60, "hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24, "year": 365 * 24}


@dataclass(frozen=True, slots=True)
class Session:
    """One session as a file has it: `dialog` rows with "text", at `time`. `place` is for messages."""

    name: str
    time: datetime
    dialog: Sequence[Any]
    place: str


def msc_task(path: str | Path, name: str = "msc") -> Task:
    """MSC-Self-Instruct, all in the split "test".

    A conversation has the four sessions of `previous_dialogs` and, as the fifth, `dialog`; the question comes behind
    them all. Turn ids are `<session>/<n>`, both from 1; speakers as `speaker_of` says. Sessions are dated back
    from `ANCHOR` by `time_back`. `facts`: the `personas` of the row, known by then. No evidence turns are published.
    Raises FileFormatError, naming the line, for whatever isn't as the format has it.
    """
    counts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    found = tuple(_conversation(row, place, seen, counts) for place, row in read_rows(Path(path), _FILE))
    repaired = {kind: counts[kind] for kind in REPAIRS if counts[kind]}
    return Task(name, found, {CATEGORY: CATEGORY}, {"test": tuple(one.id for one in found)}, repaired)


def _conversation(row: Mapping[str, Any], place: str, seen: Counter[str], counts: Counter[str]) -> Conversation:
    given = filled(get(row, "metadata", dict, place), "initial_data_id", f"{place} metadata")
    seen[given] += 1
    counts[REPAIRS[0]] += seen[given] > 1
    id = given if seen[given] == 1 else f"{given}#{seen[given]}"
    place = f"{place} ({id})"
    sessions = _sessions(row, place, counts)
    asked = get(row, "self_instruct", dict, place)
    question = Question(
        f"{id}/0", filled(asked, "B", f"{place} self_instruct"), filled(asked, "A", f"{place} self_instruct"),
        CATEGORY, asked=ANCHOR,
    )  # fmt: skip
    turns = tuple(turn for session in sessions for turn in spoken(session, counts))
    return Conversation(id, SPEAKERS, turns, (question,), _facts(row, place))


def _sessions(row: Mapping[str, Any], place: str, counts: Counter[str]) -> list[Session]:
    found: list[Session] = []
    for at, given in enumerate(get(row, "previous_dialogs", list, place)):
        where = f"{place} previous_dialogs[{at}]"
        session = expect(dict, given, where)
        time = ANCHOR - span(get(session, "time_back", str, where), f"{where} time_back")
        if found and time <= found[-1].time:
            counts[REPAIRS[1]] += 1
            time = found[-1].time
        found.append(Session(str(at + 1), time, get(session, "dialog", list, where), where))
    if not found:
        raise FileFormatError(f"{place}: previous_dialogs is empty, so there is nothing to recall")
    return [*found, Session(str(len(found) + 1), ANCHOR, get(row, "dialog", list, place), f"{place} dialog")]


def spoken(session: Session, counts: Counter[str]) -> tuple[Turn, ...]:
    """The turns of a session, with their speakers by `speaker_of`. Those without text are left out and counted."""
    turns: list[Turn] = []
    for number, given in enumerate(session.dialog, 1):
        said = expect(dict, given, f"{session.place}[{number - 1}]")
        text = get(said, "text", str, f"{session.place}[{number - 1}]")
        if not text.strip():
            counts[REPAIRS[2]] += 1
            continue
        speaker = speaker_of(said, number)
        kept = storable(text)
        counts[UNSTORABLE] += kept != text
        turns.append(Turn(f"{session.name}/{number}", session.name, len(turns), speaker, kept, session.time))
    return tuple(turns)


def speaker_of(said: Mapping[str, Any], number: int) -> str:
    """Who says the turn `number` (from 1): whom its "id" names; without one they alternate, Speaker 1 first."""
    return _IDS.get(str(said.get("id"))) or SPEAKERS[(number - 1) % 2]


def span(text: str, place: str) -> timedelta:
    """A time like "9 days 4 hours ago" or "1 hour". Raises FileFormatError naming `place`."""
    parts = _SPAN.findall(text)
    if not parts or _SPAN.sub("", text).replace("ago", "").strip(" ,"):
        raise FileFormatError(f"{place}: {text!r} is no time like '9 days 4 hours ago'")
    return timedelta(hours=sum(int(count) * _HOURS[unit] for count, unit in parts))


def _facts(row: Mapping[str, Any], place: str) -> tuple[Fact, ...]:
    lists = get(row, "personas", list, place)
    if len(lists) != len(SPEAKERS):
        raise FileFormatError(f"{place} personas: there must be two lists, one for each speaker, not {len(lists)}")
    facts: list[Fact] = []
    for speaker, given in zip(SPEAKERS, lists, strict=True):
        sentences = [expect(str, text, f"{place} personas") for text in expect(list, given, f"{place} personas")]
        facts += [Fact(text.strip(), speaker, ()) for text in dict.fromkeys(sentences) if text.strip()]
    return tuple(facts)
