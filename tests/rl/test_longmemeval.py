"""The LongMemEval loader."""

from __future__ import annotations

import copy
import json
import random
import string
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from memory_r1.memory.errors import FileFormatError
from memory_r1.rl.tasks import load_task
from memory_r1.rl.tasks.longmemeval import TYPES, longmemeval_task
from memory_r1.rl.tasks.types import Conversation, Task
from tests.conftest import DATA

SAMPLE = DATA / "samples" / "longmemeval_handmade.json"


def said(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **more}


def row(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "question_id": "q1",
        "question_type": "knowledge-update",
        "question": "How many plants do I own?",
        "answer": 3,
        "question_date": "2023/06/02 (Fri) 08:00",
        "haystack_session_ids": ["answer_b", "filler", "answer_a"],
        "haystack_dates": ["2023/05/30 (Tue) 23:40", "2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 10:00"],
        "haystack_sessions": [
            [said("I own three plants now.", has_answer=True), said("Lovely!", "assistant", has_answer=False)],
            [said("Hello."), said("", "assistant"), said("Still there?")],
            [said("I own two plants.", has_answer=True)],
        ],
        "answer_session_ids": ["answer_a", "answer_b"],
    }
    return copy.deepcopy(made) | changes


def load(tmp_path: Path, *rows: Any) -> Task:
    path = tmp_path / "made.json"
    path.write_text(rows[0] if rows and isinstance(rows[0], str) else json.dumps(rows), encoding="utf-8")
    return longmemeval_task(path)


def only(task: Task) -> Conversation:
    (conversation,) = task.conversations
    return conversation


def test_sessions_stand_by_date_and_turns_keep_their_numbers(tmp_path: Path) -> None:
    task = load(tmp_path, row())
    turns = only(task).turns
    assert [(turn.id, turn.session, turn.index, turn.speaker) for turn in turns] == [
        ("filler/1", "filler", 0, "user"), ("filler/3", "filler", 1, "user"), ("answer_a/1", "answer_a", 0, "user"),
        ("answer_b/1", "answer_b", 0, "user"), ("answer_b/2", "answer_b", 1, "assistant"),
    ]  # fmt: skip
    assert turns[0].time == datetime(2023, 5, 20, 2, 21)
    assert task.repaired == {"turn without text": 1}
    assert task.splits == {"test": ("q1",)} and list(task.categories) == list(TYPES)


def test_a_question_has_its_date_its_evidence_and_a_text_for_an_answer(tmp_path: Path) -> None:
    (question,) = only(load(tmp_path, row())).questions
    assert (question.id, question.answer, question.category) == ("q1", "3", "knowledge-update")
    assert question.evidence == ("answer_a/1", "answer_b/1")
    assert question.asked == datetime(2023, 6, 2, 8) and not question.unanswerable


def test_an_abstention_question_is_unanswerable_and_may_lack_its_session(tmp_path: Path) -> None:
    task = load(tmp_path, row(question_id="q1_abs", answer_session_ids=["elsewhere"]))
    (question,) = only(task).questions
    assert question.unanswerable
    assert task.repaired["abstention question whose answer session is not in the history"] == 1


def test_the_same_session_twice_keeps_its_turns_apart(tmp_path: Path) -> None:
    made = row(haystack_session_ids=["answer_b", "answer_a", "answer_a"])
    task = load(tmp_path, made)
    ids = [turn.id for turn in only(task).turns]
    assert ids == ["answer_a/1", "answer_a/3", "answer_a#2/1", "answer_b/1", "answer_b/2"]
    assert task.repaired["session whose id stands twice"] == 1


def test_known_defects_are_read_and_counted(tmp_path: Path) -> None:
    sessions = [[said("Hello.")], [], [said("Bye.")]]
    task = load(tmp_path, row(question_date="2023/05/29 (Mon) 00:00", haystack_sessions=sessions))
    assert task.repaired == {
        "session without a turn": 1,
        "session dated after its question": 1,
        "question without a marked turn": 1,
    }
    assert only(task).questions[0].evidence == ()


def test_characters_that_no_store_keeps_are_shown(tmp_path: Path) -> None:
    task = load(tmp_path, row(haystack_sessions=[[said("a\0b")], [said("\ud800")], [said("c", has_answer=True)]]))
    assert [turn.text for turn in only(task).turns] == ["\ufffd", "c", "a\ufffdb"]
    assert task.repaired == {"turn with characters that no store keeps: shown as U+FFFD": 2}


def test_equal_texts_are_kept_once(tmp_path: Path) -> None:
    first, second = load(tmp_path, row(), row(question_id="q2")).conversations
    assert first.turns[0].text is second.turns[0].text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["{"], "expected list"),
        (["[]"], "holds no question"),
        (["[{]"], r"made\.json\[0\] is not JSON"),
        (['[{"question_id": "x"'], r"made\.json\[0\] is not JSON"),
        (["[{}] x"], r"\[0\]: 'question_id' is missing"),
        ([3], r"\[0\]: expected dict, found 3"),
        ([row(), row()], "question_id 'q1' stands twice"),
        ([row(question_id=" ")], "'question_id' is empty"),
        ([row(question_type="trivia")], r"\(q1\): question_type 'trivia' is none of single-session-user"),
        ([row(answer=None)], "a text or a number, not None"),
        ([row(answer=True)], "a text or a number, not True"),
        ([row(question="")], "'question' is empty"),
        ([row(question_date="2023-06-02")], "question_date: '2023-06-02' is no time"),
        ([row(haystack_dates=["2023/13/20 (Sat) 02:21"] * 3)], r"haystack_dates\[0\]: '2023/13/20"),
        ([row(haystack_dates=[])], "3 haystack_session_ids, 0 haystack_dates, 3 haystack_sessions"),
        ([row(haystack_session_ids=["a", "b"])], "2 haystack_session_ids"),
        ([row(haystack_session_ids=["answer_a", "answer_b", 3])], r"haystack_session_ids\[2\]: expected str"),
        ([row(haystack_sessions=[[], [], "x"])], r"haystack_sessions\[2\]: expected list"),
        ([row(haystack_sessions=[[], [], [said("x", "system")]])], r"haystack_sessions\[2\]\[0\]: role 'system'"),
        ([row(haystack_sessions=[[], [], [{"role": "user"}]])], "'content' is missing"),
        ([row(haystack_sessions=[[], [], [said("x", has_answer="yes")]])], "has_answer is true or false, not 'yes'"),
        ([row(answer_session_ids=["nowhere"])], "answer session 'nowhere' is none of its haystack_session_ids"),
    ],
)
def test_a_malformed_file_is_refused_by_place(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path, *rows)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none\.json"):
        longmemeval_task(tmp_path / "none.json")


def made_file(path: Path, questions: int) -> Path:
    """A file like LongMemEval S: its histories draw their sessions from one pool; half a megabyte a question."""
    draw = random.Random(0)
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 9))) for _ in range(5000)]

    def turn(number: int) -> dict[str, Any]:
        role, length = (("user", 60), ("assistant", 270))[number % 2]
        return said(" ".join(draw.choices(words, k=length)) + " é", role)

    pool = [[turn(number) for number in range(10)] for _ in range(8 * questions)]
    with path.open("w", encoding="utf-8") as out:
        for number in range(questions):
            talks = draw.sample(pool, 48)
            mark = [{**talks[0][0], "has_answer": True}, *talks[0][1:]]
            made = row(
                question_id=f"q{number}",
                haystack_session_ids=["answer", *(f"s{at}" for at in range(1, 48))],
                haystack_dates=[f"2023/05/{draw.randint(1, 29):02d} (Mon) 10:21" for _ in talks],
                haystack_sessions=[mark, *talks[1:]],
                answer_session_ids=["answer"],
            )
            out.write((", " if number else "[") + json.dumps(made, ensure_ascii=False))
        out.write("]")
    return path


def test_a_large_file_never_stands_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = made_file(tmp_path / "large.json", 30)
    tracemalloc.start()
    try:
        task = longmemeval_task(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(len(one.turns) for one in task.conversations) == 30 * 480
    assert peak < path.stat().st_size


@pytest.mark.skipif(not SAMPLE.exists(), reason=f"put the sample at {SAMPLE}")
def test_the_sample_reads() -> None:
    task = load_task("longmemeval-oracle", SAMPLE)
    assert task.name == "longmemeval-oracle" and len(task.sha256) == 64
    assert [question.unanswerable for one in task.split("test") for question in one.questions] == [False, True, False]
    assert task.conversations[2].questions[0].evidence == ("answer_hm3_1/1", "answer_hm3_2/1")
