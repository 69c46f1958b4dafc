"""LoCoMo: ten long conversations with questions whose evidence turns are known.

Source: Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", 2024; `locomo10.json`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import FileFormatError
from memory_r1.memory.types import Turn
from memory_r1.rl.tasks.fields import expect, filled, get, read_json
from memory_r1.rl.tasks.types import Conversation, Question, Task

TRAIN, VALIDATION = ("conv-26",), ("conv-30",)
"""Memory-R1's split (section 4.1): one conversation to train on, one to validate; the other eight are the test."""

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
"""LoCoMo's own names of its categories, by the number in its file."""

PAPER = {
    "multi-hop": "Single Hop", "temporal": "Temporal", "open-domain": "Multi-Hop", "single-hop": "Open Domain",
    "adversarial": "–",
}  # fmt: skip
"""The columns of Memory-R1's tables, which name the same questions differently."""

REPAIRS = (
    "evidence: several ids in one string",
    "evidence: id in another form",
    "evidence: no id",
    "evidence: no such turn",
    "question without evidence",
)
"""What `Task.repaired` counts: strings of the published file's evidence lists, and questions whose list is empty."""

_SESSION = re.compile(r"session_(\d+)")
_EVIDENCE = re.compile(r"D:?(\d+):0*(\d+)")
_TIME = "%I:%M %p on %d %B, %Y"


def load_locomo(path: str | Path) -> tuple[Conversation, ...]:
    """The conversations of the LoCoMo file `path`, all questions included (a conversation without "qa" has none).

    Raises FileFormatError, naming the place, for anything that is not as LoCoMo's format has it. Evidence strings
    are read leniently, since the published file has several ids in one string, stray zeros and ids of no turn.
    """
    return locomo_task(path).conversations


def locomo_task(path: str | Path, name: str = "locomo") -> Task:
    """LoCoMo with the paper's split; `repaired` counts what was read by rule (`REPAIRS`). Raises as `load_locomo`."""
    path = Path(path)
    place = path.name
    counts: Counter[str] = Counter()
    samples = expect(list, read_json(path, "LoCoMo's locomo10.json"), place)
    found = tuple(_conversation(sample, f"{place}[{at}]", counts) for at, sample in enumerate(samples))
    names = [conversation.id for conversation in found]
    if len(set(names)) < len(names):
        raise FileFormatError(f"{place}: a sample_id stands twice in {names!r}; each conversation needs its own")
    splits = {
        "train": tuple(id for id in names if id in TRAIN),
        "validation": tuple(id for id in names if id in VALIDATION),
        "test": tuple(id for id in names if id not in TRAIN + VALIDATION),
    }
    return Task(name, found, PAPER, splits, {kind: counts[kind] for kind in REPAIRS if counts[kind]})


def _conversation(sample: Any, place: str, counts: Counter[str]) -> Conversation:
    sample = expect(dict, sample, place)
    name = filled(sample, "sample_id", place)
    place = f"{place} ({name})"
    body = get(sample, "conversation", dict, place)
    turns = _turns(body, place)
    known = {turn.id for turn in turns}
    if len(known) < len(turns):
        raise FileFormatError(f"{place}: a dia_id stands twice; every turn needs its own")
    questions = get(sample, "qa", list, place) if "qa" in sample else []
    return Conversation(
        name,
        (get(body, "speaker_a", str, place), get(body, "speaker_b", str, place)),
        turns,
        tuple(_question(qa, f"{name}/{at}", turns, f"{place} qa[{at}]", counts) for at, qa in enumerate(questions)),
    )


def _turns(body: Mapping[str, Any], place: str) -> tuple[Turn, ...]:
    """All turns, sessions by number. Only session lists count: the file has dates of sessions that don't exist."""
    numbers = sorted(int(match[1]) for key in body if (match := _SESSION.fullmatch(key)))
    turns: list[Turn] = []
    for number in numbers:
        at = f"{place} session_{number}"
        time = _time(get(body, f"session_{number}_date_time", str, at), at)
        for index, row in enumerate(get(body, f"session_{number}", list, at)):
            turns.append(_turn(row, str(number), index, time, f"{at}[{index}]"))
    return tuple(turns)


def _turn(row: Any, session: str, index: int, time: datetime, place: str) -> Turn:
    row = expect(dict, row, place)
    return Turn(
        get(row, "dia_id", str, place),
        session,
        index,
        get(row, "speaker", str, place),
        get(row, "text", str, place),
        time,
        get(row, "blip_caption", str, place) if "blip_caption" in row else "",
    )


def _question(qa: Any, id: str, turns: Sequence[Turn], place: str, counts: Counter[str]) -> Question:
    qa = expect(dict, qa, place)
    category = get(qa, "category", int, place)
    if category not in CATEGORIES:
        raise FileFormatError(f"{place}: category {category!r} is none of {sorted(CATEGORIES)!r}")
    answer = qa.get("adversarial_answer", qa.get("answer")) if category == 5 else qa.get("answer")
    if not isinstance(answer, str | int) or isinstance(answer, bool):
        raise FileFormatError(f"{place}: an answer must be a text or a number, not {answer!r}")
    strings = [expect(str, item, f"{place} evidence") for item in get(qa, "evidence", list, place)]
    return Question(
        id, get(qa, "question", str, place), str(answer), CATEGORIES[category],
        _evidence(strings, {turn.id for turn in turns}, counts), turns[-1].time if turns else None, category == 5,
        category == 5,
    )  # fmt: skip


def _evidence(strings: Sequence[str], known: set[str], counts: Counter[str]) -> tuple[str, ...]:
    """The existing turns that `strings` name, each once. Counts each string that isn't one turn's id."""
    ids: dict[str, None] = {}
    for string in strings:
        named = [f"D{session}:{turn}" for session, turn in _EVIDENCE.findall(string)]
        real = [id for id in named if id in known]
        ids.update(dict.fromkeys(real))
        if len(named) > 1:
            counts[REPAIRS[0]] += 1
        if not named:
            counts[REPAIRS[2]] += 1
        elif len(real) < len(named):
            counts[REPAIRS[3]] += 1
        elif len(named) == 1 and string != named[0]:
            counts[REPAIRS[1]] += 1
    counts[REPAIRS[4]] += not strings
    return tuple(ids)


def _time(text: str, place: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME)
    except ValueError as error:
        raise FileFormatError(f"{place}: {text!r} is no time like '1:56 pm on 8 May, 2023'") from error
