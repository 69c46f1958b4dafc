"""MSC: the questions of MSC-Self-Instruct, and the persona summaries as gold facts."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_r1.memory.errors import FileFormatError
from memory_r1.memory.types import Fact
from memory_r1.rl.tasks import load_task
from memory_r1.rl.tasks.msc import ANCHOR, msc_task
from memory_r1.rl.tasks.personas import load_personas, personas_task
from memory_r1.rl.tasks.types import Task
from tests.conftest import DATA

SAMPLE = DATA / "samples" / "msc_self_instruct_handmade.jsonl"
PERSONAS = DATA / "msc" / "msc_personasummary"


def row(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "personas": [["I own a bicycle.", "I own a bicycle."], ["I live in Oslo.", " "]],
        "dialog": [{"text": "Hi again.", "id": "50997"}, {"text": "Hello!", "id": "Speaker 2"}],
        "metadata": {"initial_data_id": "made_0", "session_id": 4},
        "previous_dialogs": [
            {"dialog": [{"text": "I ride a bicycle."}, {"text": "I live in Oslo."}], "time_back": "9 days 4 hours ago"},
            {"dialog": [{"text": "Rain."}, {"text": ""}, {"text": "Again."}], "time_back": " 1 hour ago"},
        ],
        "self_instruct": {"B": "Where do you live?", "A": "Oslo"},
    }
    return copy.deepcopy(made) | changes


def load(tmp_path: Path, *rows: Any) -> Task:
    path = tmp_path / "made.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return msc_task(path)


def test_sessions_are_dated_back_and_speakers_alternate(tmp_path: Path) -> None:
    task = load(tmp_path, row())
    (one,) = task.split("test")
    assert [(turn.id, turn.index, turn.speaker) for turn in one.turns] == [
        ("1/1", 0, "Speaker 1"), ("1/2", 1, "Speaker 2"), ("2/1", 0, "Speaker 1"), ("2/3", 1, "Speaker 1"),
        ("3/1", 0, "Speaker 1"), ("3/2", 1, "Speaker 2"),
    ]  # fmt: skip
    assert [ANCHOR - turn.time for turn in one.turns[::2]] == [
        timedelta(days=9, hours=4),
        timedelta(hours=1),
        timedelta(0),
    ]
    assert task.repaired == {"turn without text": 1}


def test_the_question_comes_behind_all_sessions_and_personas_are_the_facts(tmp_path: Path) -> None:
    (one,) = load(tmp_path, row()).conversations
    (question,) = one.questions
    assert (question.text, question.answer, question.asked) == ("Where do you live?", "Oslo", ANCHOR)
    assert one.facts == (Fact("I own a bicycle.", "Speaker 1", ()), Fact("I live in Oslo.", "Speaker 2", ()))


def test_an_id_that_stands_twice_names_two_conversations(tmp_path: Path) -> None:
    task = load(tmp_path, row(), row())
    assert task.splits == {"test": ("made_0", "made_0#2")}
    assert task.repaired["conversation whose id stands twice"] == 1


def test_a_session_is_never_dated_before_the_one_it_follows(tmp_path: Path) -> None:
    sessions = [{"dialog": [{"text": str(n)}], "time_back": f"{n} weeks ago"} for n in (1, 2)]
    task = load(tmp_path, row(previous_dialogs=sessions))
    assert [ANCHOR - turn.time for turn in task.conversations[0].turns[:2]] == [timedelta(weeks=1)] * 2
    assert task.repaired == {"session not later than the one before it": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([row(), "{"], r"made\.jsonl, line 2: is not JSON"),
        ([row(), "", "[]"], r"line 3: expected dict"),
        ([row(metadata={})], "line 1 metadata: 'initial_data_id' is missing"),
        ([row(personas=[[]])], r"line 1 \(made_0\) personas: there must be two lists"),
        ([row(personas=[[3], []])], "expected str, found 3"),
        ([row(previous_dialogs=[])], "nothing to recall"),
        ([row(previous_dialogs=[{"dialog": [], "time_back": "long ago"}])], "'long ago' is no time"),
        ([row(previous_dialogs=[{"dialog": [], "time_back": "2 days before 3 hours"}])], "is no time"),
        ([row(previous_dialogs=[{"dialog": [{}], "time_back": "2 days ago"}])], r"\[0\]\[0\]: 'text' is missing"),
        ([row(self_instruct={"B": "What?"})], "self_instruct: 'A' is missing"),
        ([row(self_instruct={"B": " ", "A": "x"})], "self_instruct: 'B' is empty"),
        ([row(dialog=None)], "dialog: expected list, found None"),
    ],
)
def test_a_malformed_line_is_refused_by_place(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path, *rows)


def test_what_is_no_text_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    path.write_bytes(json.dumps(row()).encode() + b"\n\xff\xfe\n")
    with pytest.raises(FileFormatError, match=r"line 2: is not JSON"):
        msc_task(path)


@pytest.mark.skipif(not SAMPLE.exists(), reason=f"put the sample at {SAMPLE}")
def test_the_sample_reads() -> None:
    (one,) = load_task("msc", SAMPLE).split("test")
    assert one.id == "test_900" and len(one.turns) == 10 and len(one.facts) == 3


def persona(id: str, *turns: tuple[str, list[str]], gap: str = "2 days") -> dict[str, Any]:
    dialog: list[dict[str, Any]] = [
        {"id": f"bot_{at % 2}", "text": text, "agg_persona_list": known} for at, (text, known) in enumerate(turns)
    ]
    dialog[-1]["problem_data"] = {"prompt_time": gap}
    return {"initial_data_id": id, "dialog": dialog}


def write(folder: Path, session: int, split: str, *rows: Any) -> None:
    path = folder / f"session_{session}" / f"{split}.txt"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def test_the_sessions_of_a_pair_are_put_together_and_facts_name_their_turns(tmp_path: Path) -> None:
    first = persona(
        "p",
        ("Hi, I ski.", ["I ski.", "I greet."]),
        ("Me too!", ["I ski."]),
        ("Snow!", ["I ski.", "I greet.", "I like snow."]),
    )
    write(tmp_path, 1, "train", first, persona("q", ("Yes.", [])))
    write(tmp_path, 2, "train", persona("p", ("Back.", []), ("Hi.", ["I am here."])))
    write(tmp_path, 1, "valid", persona("v", ("No.", [])))
    task = personas_task(tmp_path)
    assert task.splits == {"train": ("p", "q"), "validation": ("v",)} and task.repaired == {}
    pair = task.conversations[0]
    assert [(fact.text, fact.speaker, fact.turns) for fact in pair.facts] == [
        ("I ski.", "Speaker 1", ("1/1",)), ("I greet.", "Speaker 1", ("1/1",)), ("I ski.", "Speaker 2", ("1/2",)),
        ("I like snow.", "Speaker 1", ("1/3",)), ("I am here.", "Speaker 2", ("2/2",)),
    ]  # fmt: skip
    assert [turn.time for turn in pair.turns] == [ANCHOR - timedelta(days=2)] * 3 + [ANCHOR] * 2
    assert pair.questions == ()


def test_defects_of_persona_lists_are_read_and_counted(tmp_path: Path) -> None:
    made = persona("p", ("One.", ["I ski."]), ("Two.", []), ("Three.", ["I like snow.", "I ski."]))
    del made["dialog"][1]["agg_persona_list"], made["dialog"][2]["problem_data"]
    write(tmp_path, 1, "test", made)
    write(tmp_path, 2, "test", persona("p", ("Four.", [])))
    task = personas_task(tmp_path)
    assert [fact.text for fact in task.conversations[0].facts] == ["I ski.", "I like snow."]
    assert list(task.repaired.values()) == [1, 1, 1]


def test_what_is_no_persona_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="is no persona summary"):
        personas_task(tmp_path)
    write(tmp_path, 1, "rest", persona("p", ("One.", [])))
    with pytest.raises(FileFormatError, match=r"rest\.txt' is no persona summary"):
        personas_task(tmp_path)
    (tmp_path / "session_1" / "rest.txt").unlink()
    write(tmp_path, 1, "test", persona("p", ("One.", [])), persona("p", ("One.", [])))
    with pytest.raises(FileFormatError, match=r"session_1/test\.txt, line 2 \(p\): session 1 of 'p' stands twice"):
        personas_task(tmp_path)
    write(tmp_path, 1, "test", persona("p", ("One.", []), gap="soon"))
    write(tmp_path, 2, "test", persona("p", ("Two.", [])))
    with pytest.raises(FileFormatError, match="prompt_time: 'soon' is no time"):
        personas_task(tmp_path)


@pytest.mark.skipif(not PERSONAS.exists(), reason=f"put ParlAI's msc_personasummary at {PERSONAS}")
def test_the_published_test_files_have_the_known_numbers() -> None:
    task = load_task("msc-personas", PERSONAS)
    assert len(task.split("test")) == 501 and task.repaired == {}
    assert sum(len(one.turns) for one in task.conversations) == 24_375
    assert sum(len(one.facts) for one in task.conversations) == 23_614
    (one, *_) = load_personas(PERSONAS / "session_2" / "test.txt")
    assert {turn.session for turn in one.turns} == {"2"}
