"""The LoCoMo loader."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from memory_r1.memory.errors import FileFormatError
from memory_r1.rl.tasks.locomo import CATEGORIES, TRAIN, VALIDATION, load_locomo, locomo_task
from tests.conftest import DATA

BARE = {"speaker_a": "A", "speaker_b": "B", "session_1": []}
LOCOMO = DATA / "locomo" / "locomo10.json"


def sample(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "sample_id": "made-1",
        "conversation": {
            "speaker_a": "Ann",
            "speaker_b": "Bob",
            "session_2_date_time": "12:05 am on 1 June, 2023",
            "session_2": [{"speaker": "Ann", "dia_id": "D2:1", "text": "Snow!"}],
            "session_10_date_time": "1:56 pm on 8 July, 2023",
            "session_10": [
                {"speaker": "Bob", "dia_id": "D10:1", "text": "Look.", "blip_caption": "a lamp", "img_url": ["x"]},
                {"speaker": "Ann", "dia_id": "D10:2", "text": "Nice."},
            ],
            "session_11_date_time": "1:56 pm on 9 July, 2023",
        },
        "qa": [{"question": "What?", "answer": 3, "category": 1, "evidence": ["D2:1; D10:02", "D:10:1", "D", "D9:9"]}],
    }
    return made | changes


def load(tmp_path: Path, data: Any) -> Any:
    path = tmp_path / "made.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return load_locomo(path)


def test_sessions_come_by_number_and_dates_without_a_session_are_passed_over(tmp_path: Path):
    (made,) = load(tmp_path, [sample()])
    assert [(turn.id, turn.session, turn.index) for turn in made.turns] == [
        ("D2:1", "2", 0), ("D10:1", "10", 0), ("D10:2", "10", 1),
    ]  # fmt: skip
    assert made.turns[0].time == datetime(2023, 6, 1, 0, 5)
    assert [turn.caption for turn in made.turns] == ["", "a lamp", ""]
    assert made.speakers == ("Ann", "Bob")


def test_a_conversation_without_questions_can_be_read(tmp_path: Path):
    (made,) = load(tmp_path, [{key: value for key, value in sample().items() if key != "qa"}])
    assert len(made.turns) == 3 and made.questions == ()


def test_evidence_is_read_leniently_and_holds_only_turns_that_exist(tmp_path: Path):
    (question,) = load(tmp_path, [sample()])[0].questions
    assert question.evidence == ("D2:1", "D10:2", "D10:1")
    assert question.answer == "3"


def test_what_is_read_by_rule_is_counted(tmp_path: Path):
    path = tmp_path / "made.json"
    path.write_text(json.dumps([sample()]), encoding="utf-8")
    task = locomo_task(path)
    assert task.repaired == {
        "evidence: several ids in one string": 1,
        "evidence: id in another form": 1,
        "evidence: no id": 1,
        "evidence: no such turn": 1,
    }
    assert task.splits == {"train": (), "validation": (), "test": ("made-1",)}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "is not JSON"),
        ("\ufeff[]", "is not JSON"),
        ({}, "expected list"),
        ([3], r"\[0\]: expected dict, found 3"),
        ([sample(), sample()], "stands twice"),
        ([sample(qa=[{"question": "?", "answer": "x", "category": 9, "evidence": []}])], "category 9"),
        ([sample(qa=[{"question": "?", "answer": None, "category": 1, "evidence": []}])], "not None"),
        ([sample(qa=[{"answer": "x", "category": 1, "evidence": []}])], "'question' is missing"),
        ([sample(qa=[{"question": "?", "answer": "x", "category": 1, "evidence": "D1:1"}])], "expected list"),
        ([sample(conversation=BARE)], "'session_1_date_time' is missing"),
        ([sample(conversation=BARE | {"session_1_date_time": "noon"})], "'noon' is no time"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_by_place(tmp_path: Path, data: Any, message: str):
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path, data)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileFormatError, match=r"none\.json"):
        load_locomo(tmp_path / "none.json")


@pytest.mark.skipif(not LOCOMO.exists(), reason=f"put LoCoMo's locomo10.json at {LOCOMO}")
def test_the_published_file_has_the_published_numbers():
    task = locomo_task(LOCOMO)
    assert list(task.repaired.values()) == [4, 2, 1, 2, 4]
    made = task.conversations
    questions = [question for one in made for question in one.questions]
    counts = [sum(question.category == category for question in questions) for category in CATEGORIES.values()]
    assert counts == [282, 321, 96, 841, 446]
    assert sum(len(one.turns) for one in made) == 5882
    assert sum(bool(turn.caption) for one in made for turn in one.turns) == 1226
    assert [sum(not question.unanswerable for question in one.questions) for one in made[:2]] == [152, 81]
    assert (
        sum(not question.unanswerable for one in made if one.id not in TRAIN + VALIDATION for question in one.questions)
        == 1307
    )
