"""Reading conversations: both formats, and every damage named with its place."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from memory_r1.flows.readers import Asked, read_conversation, read_questions
from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.memory.types import Turn

LINE = {"speaker": "Anna", "text": "I moved to Oslo.", "time": "2024-05-01T10:00"}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "chat.jsonl"
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def locomo(folder: Path, *names: str, **changes: object) -> Path:
    turns = [
        {"speaker": "Anna", "dia_id": "D1:1", "text": "Hi!"},
        {"speaker": "Ben", "dia_id": "D1:2", "text": "Hello."},
    ]
    talk = {
        "speaker_a": "Anna",
        "speaker_b": "Ben",
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": turns,
    }
    path = folder / "locomo.json"
    path.write_text(json.dumps([{"sample_id": name, "conversation": {**talk, **changes}, "qa": []} for name in names]))
    return path


def test_a_line_is_a_turn_of_its_day(tmp_path: Path):
    second = {**LINE, "speaker": "Ben", "caption": "a kayak", "time": "2024-05-01 10:02:30"}
    third = {**LINE, "time": "2024-05-02T09:00"}
    assert read_conversation(written(tmp_path, LINE, "", second, third)) == (
        Turn("2024-05-01/1", "2024-05-01", 0, "Anna", "I moved to Oslo.", datetime(2024, 5, 1, 10)),
        Turn("2024-05-01/2", "2024-05-01", 1, "Ben", "I moved to Oslo.", datetime(2024, 5, 1, 10, 2, 30), "a kayak"),
        Turn("2024-05-02/1", "2024-05-02", 0, "Anna", "I moved to Oslo.", datetime(2024, 5, 2, 9)),
    )


def test_sessions_may_number_their_turns_alike(tmp_path: Path):
    rows = [{**LINE, "session": session, "id": id} for session in ("a", "b") for id in ("1", "2")]
    turns = read_conversation(written(tmp_path, *rows))
    assert [(t.id, t.session, t.index) for t in turns] == [
        ("a/1", "a", 0),
        ("a/2", "a", 1),
        ("b/1", "b", 0),
        ("b/2", "b", 1),
    ]


def test_a_time_with_an_offset_is_what_the_speakers_clock_showed(tmp_path: Path):
    rows = [{**LINE, "time": time} for time in ("2024-05-01T23:30:00+02:00", "2024-05-01T23:31:00Z")]
    assert [t.time for t in read_conversation(written(tmp_path, *rows))] == [
        datetime(2024, 5, 1, 23, 30),
        datetime(2024, 5, 1, 23, 31),
    ]


def test_a_byte_order_mark_is_no_damage(tmp_path: Path):
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(LINE).encode())
    assert len(read_conversation(path)) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"speaker": "An', "line 3: is not JSON"),
        ("3", "line 3: a JSON object should stand here"),
        ({"speaker": "Anna", "text": "Hi"}, "line 3: time: Field required"),
        ({**LINE, "time": "soon"}, "line 3: time: .*'soon'"),
        ({**LINE, "time": 20240501}, "line 3: time: .*20240501"),
        ({**LINE, "text": None}, "line 3: text: .*None"),
        ({**LINE, "speaker": "  "}, "line 3: speaker: "),
        ({**LINE, "mood": "gay"}, "line 3: mood: "),
        ({**LINE, "id": "x"}, "line 3: session '2024-05-01' has a turn 'x' already, on line 1"),
        ({**LINE, "text": "a\0b"}, "line 3: text contains a NUL"),
        ('{"speaker":"A","time":"2024-05-01T10:00","text":"\\ud800"}', "line 3: text contains a lone surrogate"),
        ({**LINE, "text": "x" * 1_000_001}, "line 3: text has 1000001 characters"),
        ("[" * 100_000, "line 3: is not JSON"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: object, message: str):
    path = written(tmp_path, {**LINE, "id": "x"}, "", line)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_conversation(path)
    assert str(caught.value).startswith(str(path))


def test_what_is_no_text_is_named(tmp_path: Path):
    path = tmp_path / "chat.jsonl"
    path.write_bytes(json.dumps(LINE).encode() + b'\n{"speaker": "\xff\xfe"}\n')
    with pytest.raises(FileFormatError, match="line 2: is not UTF-8"):
        read_conversation(path)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "chat.jsonl"
    path.write_text(text)
    with pytest.raises(FileFormatError, match="holds no turn"):
        read_conversation(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(FileFormatError, match="can't read"):
            read_conversation(path)


def test_locomo_is_known_by_its_list(tmp_path: Path):
    turns = read_conversation(locomo(tmp_path, "conv-1"))
    assert [(t.id, t.session, t.index, t.speaker) for t in turns] == [("D1:1", "1", 0, "Anna"), ("D1:2", "1", 1, "Ben")]
    assert turns == read_conversation(locomo(tmp_path, "conv-1", "conv-2"), "conv-1")


def test_a_sample_must_be_one_of_the_files(tmp_path: Path):
    path = locomo(tmp_path, "conv-1", "conv-2")
    with pytest.raises(InputError, match="pick by --sample one of conv-1, conv-2"):
        read_conversation(path)
    with pytest.raises(InputError, match="no conversation 'conv-3'; it has conv-1, conv-2"):
        read_conversation(path, "conv-3")
    with pytest.raises(InputError, match="is JSON lines"):
        read_conversation(written(tmp_path, LINE), "conv-1")


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ([{"speaker": "Anna", "dia_id": "D1:1"}], "'text' is missing"),
        ([{"speaker": "Anna", "dia_id": "D1:1", "text": "a\0"}], "turn D1:1: text contains a NUL"),
        ([], "holds no turn"),
        ({}, "expected list"),
    ],
)
def test_a_damaged_locomo_file_is_refused(tmp_path: Path, session: object, message: str):
    with pytest.raises(FileFormatError, match=message):
        read_conversation(locomo(tmp_path, "conv-1", session_1=session))


def test_a_locomo_file_cut_off_is_refused(tmp_path: Path):
    path = locomo(tmp_path, "conv-1")
    path.write_text(path.read_text()[:-20])
    with pytest.raises(FileFormatError, match="is not JSON"):
        read_conversation(path)


def test_questions_are_lines_too(tmp_path: Path):
    path = written(tmp_path, {"question": "Where?", "answer": "Oslo"}, {"question": "Why?"})
    assert read_questions(path) == (Asked("Where?", "Oslo"), Asked("Why?"))
    with pytest.raises(FileFormatError, match="line 1: question"):
        read_questions(written(tmp_path, {"question": ""}))
