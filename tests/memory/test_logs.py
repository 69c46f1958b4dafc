"""Log lines: one JSON object each, with their fields, and without the words of a memory."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memory_r1.memory.errors import MalformedOutputError, SettingsError
from memory_r1.memory.logs import ALWAYS, FIELDS, JsonLines, TextLines, about, start_logging

SECRET = "kumquat"
OURS = logging.getLogger("memory_r1.test_logs")
THEIRS = logging.getLogger("somebody.else")
Written = Callable[[], str]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Loggers as they were."""
    watched = [logging.getLogger(), logging.getLogger("memory_r1")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in watched]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Written:
    """Takes what went to stderr."""
    monkeypatch.delenv("MEMORY_R1_LOG", raising=False)
    monkeypatch.delenv("MEMORY_R1_LOG_CONTENT", raising=False)
    return lambda: capsys.readouterr().err


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def speak() -> None:
    """Everything that may hold memory text."""
    error = MalformedOutputError(f"no {SECRET}")
    OURS.warning("%s failed", "manager", extra={"error": type(error).__name__, "content": str(error)})
    OURS.warning("row %r: %s", "r1", error)
    THEIRS.warning("they say %s", SECRET)
    THEIRS.warning(f"they say {SECRET}")
    try:
        raise error
    except MalformedOutputError:
        OURS.exception("a defect")
        THEIRS.exception("a defect")


def test_a_line_is_one_object_with_its_fields(written: Written) -> None:
    start_logging("json")
    with about(bank="ann"):
        OURS.info("turn %r: done", "t1", extra={"revision": 3, "seconds": {"total": 0.5}, "turn": None})
    OURS.debug("too quiet")
    THEIRS.info("too quiet")
    (line,) = lines(written())
    assert line.keys() == {*ALWAYS, "bank", "revision", "seconds"}
    assert (line["level"], line["logger"], line["message"]) == ("INFO", OURS.name, "turn 't1': done")
    assert (line["bank"], line["revision"]) == ("ann", 3)
    assert line["time"].endswith("+00:00")


def test_no_line_holds_the_words_of_a_memory(written: Written) -> None:
    start_logging("json")
    speak()
    text = written()
    assert SECRET not in text
    said = lines(text)
    assert [line["message"] for line in said] == [
        "manager failed", "row 'r1': MalformedOutputError", "they say %s", "(withheld)", "a defect", "(withheld)",
    ]  # fmt: skip
    assert said[0]["error"] == said[4]["error"] == "MalformedOutputError"
    assert "test_logs.py" in said[4]["stack"]


def test_content_is_shown_where_it_is_asked_for(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_R1_LOG_CONTENT", "on")
    start_logging("json")
    speak()
    said = lines(written())
    assert all(SECRET in str(line) for line in said)
    assert said[0]["content"] == f"no {SECRET}"


def test_text_lines_keep_the_content_of_our_own_apart(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    start_logging("text")
    OURS.warning("%s failed", "manager", extra={"content": SECRET})
    OURS.warning("row %s", MalformedOutputError(SECRET))
    assert written().splitlines() == [
        f"WARNING {OURS.name}: manager failed", f"WARNING {OURS.name}: row MalformedOutputError"
    ]  # fmt: skip
    assert TextLines(content=True).format(_record(content=SECRET)) == f"WARNING {OURS.name}: said: {SECRET}"


def test_ours_alone_go_to_stderr_alone(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_R1_LOG", "json")
    before = logging.getLogger().handlers[:]
    start_logging(everything=False)
    OURS.info("hello")
    assert [line["message"] for line in lines(written())] == ["hello"]
    assert logging.getLogger().handlers == before
    assert not logging.getLogger("memory_r1").propagate


def test_nothing_changes_unless_asked_for(written: Written) -> None:
    before = (logging.getLogger().handlers[:], logging.getLogger("memory_r1").level)
    start_logging()
    assert (logging.getLogger().handlers, logging.getLogger("memory_r1").level) == before


def test_an_unknown_format_is_refused(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_R1_LOG", "xml")
    with pytest.raises(SettingsError, match="MEMORY_R1_LOG='xml' is unknown: set text or json"):
        start_logging()


def test_a_value_that_is_no_json_is_written_as_a_string() -> None:
    assert json.loads(JsonLines().format(_record(bank=OURS)))["bank"] == str(OURS)
    assert "bank" in FIELDS


def _record(**extra: object) -> logging.LogRecord:
    return OURS.makeRecord(OURS.name, logging.WARNING, "f", 1, "said", (), None, extra=extra)
