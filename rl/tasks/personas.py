"""Multi-Session Chat's persona summaries: from each turn, the facts that a person wrote down.

Gold for extraction: conversations without questions, whose `facts` name their turns. Source: Xu et al., "Beyond
Goldfish Memory", 2022 (arXiv 2107.07567), as ParlAI has it: `msc_personasummary/session_<n>/{train,valid,test}.txt`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from memory_r1.memory.errors import FileFormatError
from memory_r1.memory.types import Fact, Turn
from memory_r1.rl.tasks.fields import expect, filled, get, read_rows
from memory_r1.rl.tasks.msc import ANCHOR, REPAIRS, SPEAKERS, Session, span, speaker_of, spoken
from memory_r1.rl.tasks.types import Conversation, Task

SPLITS = {"train": "train", "valid": "validation", "test": "test"}
"""The split that a file's name says."""

DEFECTS = (
    "session that doesn't say when the next one was: taken as a day later",
    "turn without its speaker's list of facts: taken as unchanged",
    "list of facts that doesn't go on from the turn before: taken for what is new in it",
)
"""What `Task.repaired` counts, besides `msc.REPAIRS`."""

_FILE = "ParlAI's folder msc_personasummary, or one of its session_<n>/test.txt"
_FOLDER = re.compile(r"session_(\d+)")


def load_personas(path: str | Path) -> tuple[Conversation, ...]:
    """The conversations of one file, or of a folder `msc_personasummary`, as `personas_task` reads them."""
    return personas_task(path).conversations


def personas_task(path: str | Path, name: str = "msc-personas") -> Task:
    """The persona summaries: a conversation for each pair of people, its sessions put together by `initial_data_id`.

    Turn ids are `<session>/<n>`, both from 1. A fact is one sentence with its speaker and its turn. The last session is
    at `msc.ANCHOR`, those before it as long before as the data says. Splits as the files are named. Raises
    FileFormatError, naming the line, for whatever isn't as the format has it.
    """
    counts: Counter[str] = Counter()
    pairs: dict[str, list[tuple[str, dict[str, Any], str]]] = defaultdict(list)
    splits: dict[str, dict[str, None]] = defaultdict(dict)
    for file, session in _files(Path(path)):
        for place, row in read_rows(file, _FILE):
            id = filled(row, "initial_data_id", place)
            place_in = f"{file.parent.name}/{place} ({id})"
            if any(known == session for known, _, _ in pairs[id]):
                raise FileFormatError(f"{place_in}: session {session} of {id!r} stands twice")
            pairs[id].append((session, row, place_in))
            splits[SPLITS[file.stem]][id] = None
    found = tuple(_conversation(id, rows, counts) for id, rows in pairs.items())
    repaired = {kind: counts[kind] for kind in (*REPAIRS, *DEFECTS) if counts[kind]}
    return Task(name, found, {}, {split: tuple(ids) for split, ids in splits.items()}, repaired)


def _files(path: Path) -> list[tuple[Path, str]]:
    """The files with their session numbers, in order."""
    files = [path] if path.is_file() else sorted(path.glob("session_*/*.txt"))
    found = [(file, match[1]) for file in files if (match := _FOLDER.fullmatch(file.parent.name))]
    wrong = [file for file in files if file.stem not in SPLITS]
    if not found or wrong:
        raise FileFormatError(f"{str(wrong[0] if wrong else path)!r} is no persona summary; give {_FILE}")
    return sorted(found, key=lambda pair: (int(pair[1]), [*SPLITS].index(pair[0].stem)))


def _conversation(id: str, rows: Sequence[tuple[str, dict[str, Any], str]], counts: Counter[str]) -> Conversation:
    time = ANCHOR - sum((_gap(row, place, counts) for _, row, place in rows[:-1]), timedelta())
    turns: list[Turn] = []
    facts: list[Fact] = []
    for name, row, place in rows:
        session = Session(name, time, get(row, "dialog", list, place), f"{place} dialog")
        said = spoken(session, counts)
        turns += said
        facts += _facts(session, {turn.id for turn in said}, counts)
        time += _gap(row, place, Counter())
    return Conversation(id, SPEAKERS, tuple(turns), (), tuple(facts))


def _facts(session: Session, known: set[str], counts: Counter[str]) -> list[Fact]:
    """What each turn adds to its speaker's list of sentences."""
    lists: dict[str, list[str]] = {}
    facts: list[Fact] = []
    for number, said in enumerate(session.dialog, 1):
        place, speaker, id = f"{session.place}[{number - 1}]", speaker_of(said, number), f"{session.name}/{number}"
        if "agg_persona_list" not in said:
            counts[DEFECTS[1]] += 1
            continue
        now = [expect(str, text, f"{place} agg_persona_list") for text in get(said, "agg_persona_list", list, place)]
        before = lists.get(speaker, [])
        new = now[len(before) :]
        if now[: len(before)] != before:
            counts[DEFECTS[2]] += 1
            new = [text for text in now if text not in before]
        facts += [Fact(text.strip(), speaker, (id,)) for text in new if id in known and text.strip()]
        lists[speaker] = now
    return facts


def _gap(row: Mapping[str, Any], place: str, counts: Counter[str]) -> timedelta:
    """How long after this session the next one was: `prompt_time`, which stands with a turn."""
    for said in reversed(get(row, "dialog", list, place)):
        data = expect(dict, said, f"{place} dialog").get("problem_data")
        if isinstance(data, dict) and "prompt_time" in data:
            return span(get(data, "prompt_time", str, f"{place} problem_data"), f"{place} prompt_time")
    counts[DEFECTS[0]] += 1
    return timedelta(days=1)
