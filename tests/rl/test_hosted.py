"""A library as a row: what it is given, what it costs, and how it goes on after every kind of failure."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memory_r1.memory.errors import CorruptStoreError, ModelUnavailableError
from memory_r1.rl.systems.host import Timeouts, WorkerDiedError
from memory_r1.rl.systems.journal import Journal
from memory_r1.rl.systems.types import Learned
from tests.model_server import ModelServer, Status
from tests.peer_model import QUESTIONS, TURNS, fake_learner, fake_system, gone


def turn(text: str, at: int = 0) -> Any:
    return replace(TURNS[at], text=text)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(["fine"]) as server:
        yield server


def rows(folder: Path) -> list[dict[str, Any]]:
    """What the fake library remembers."""
    return [json.loads(line) for line in (folder / "memory.jsonl").read_text().splitlines()]


async def test_turns_are_learned_and_questions_answered(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        assert opened.ready["library"] == "pytest"
        assert opened.ready["imported"] > 0
        for each in TURNS:
            learned = await opened.learn(each)
            assert learned.operations == {"add": 1}
            assert learned.cpu is not None
            assert learned.cpu >= 0
            assert learned.failures == ()
        assert await opened.size() == 6
        kept = await opened.memories()
        assert [item.turns[0] for item in kept.items] == [turn.id for turn in TURNS[:6]] and kept.fates is None
        asked = await opened.ask(QUESTIONS[0])
        assert asked.items[0].turns == ("D1:3",)
        assert asked.items[0].recorded == TURNS[2].time
        assert "oboe" in asked.text
        assert set(asked.seconds) == {"search", "answer"}
    assert (tmp_path / "closed").exists()
    assert [row["line"] for row in rows(tmp_path)][:2] == [f"Ann: {TURNS[0].text}", f"Ben: {TURNS[1].text}"]


async def test_a_picture_is_told_in_the_line(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        await opened.learn(replace(TURNS[0], caption="a cat"))
        await opened.learn(replace(TURNS[1], text="", caption="a kayak"))
    assert [row["line"] for row in rows(tmp_path)] == [
        f"Ann: {TURNS[0].text} (picture: a cat)",
        "Ben: (picture: a kayak)",
    ]


async def test_what_it_prints_is_logged_and_disturbs_nothing(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        await opened.learn(turn("print"))
    said = (tmp_path / "worker.log").read_text()
    assert "the library prints" in said
    assert "and its C code too" in said


async def test_usage_is_counted_by_turn(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        one, other = await opened.learn(turn("call embed")), await opened.learn(turn("nothing", 1))
        assert (one.usage.calls, one.usage.prompt_chars, one.usage.prompt_tokens, one.embedded) == (1, 10, 11, 2)
        assert (other.usage.calls, other.embedded) == (0, 0)
        found = await opened.search("embed this")
        assert found.spent.texts == 1
        assert 0 < found.embedding < found.seconds


async def test_many_questions_at_once(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        await opened.learn(TURNS[2])
        answers = await asyncio.gather(*(opened.ask(QUESTIONS[0]) for _ in range(20)))
        assert len({answer.text for answer in answers}) == 1


async def test_a_librarys_error_is_a_failure_that_is_seen(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        pid = opened.pid
        learned = await opened.learn(turn("fail"))
        assert learned.operations == {}
        assert [failure.detail for failure in learned.failures] == ["fake: KeyError: 'missing'"]
        assert (await opened.learn(turn("log", 1))).failures[0].detail == "library: a reply couldn't be read"
        asked = await opened.ask(replace(QUESTIONS[0], text="fail"))
        assert "can't search that" in asked.failures[0].detail
        assert asked.items == ()
        assert opened.pid == pid
        assert "Traceback" in (tmp_path / "worker.log").read_text()


async def test_a_model_that_fails_is_no_failure_of_the_library(tmp_path: Path) -> None:
    with ModelServer([Status(500, "overloaded"), Status(500), "fine"]) as model:
        async with fake_learner(model, tmp_path) as opened:
            for order in ("call always", "swallow always"):
                with pytest.raises(ModelUnavailableError, match="status 500"):
                    await opened.learn(turn(order))
            learned = await opened.learn(turn("call always"))
            assert learned.failures == ()
            assert rows(tmp_path)[-1]["again"]


async def test_calls_that_a_library_gave_up_are_seen(tmp_path: Path) -> None:
    with ModelServer([Status(500), "fine"]) as model:
        async with fake_learner(model, tmp_path) as opened:
            learned = await opened.learn(turn("swallow call"))
            assert "went on without 1 calls: status 500" in learned.failures[0].detail


async def test_a_dead_worker_is_started_again_and_told(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        await opened.learn(TURNS[0])
        pid = opened.pid
        assert (await opened.learn(turn("die", 1))).operations == {"add": 1}
        assert opened.pid != pid
        assert [(row["id"], row["again"]) for row in rows(tmp_path)] == [("D1:1", False), ("D1:2", True)]
        assert opened.pid is not None
        os.kill(opened.pid, signal.SIGKILL)
        assert await gone(opened.pid)
        assert len((await opened.ask(QUESTIONS[0])).items) == 2


async def test_a_worker_that_dies_again_and_again_says_why(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        with pytest.raises(WorkerDiedError, match=r"(?s)ended \(exit status 7\) at 'learn'.*last words"):
            await opened.learn(turn("die always"))
        assert (await opened.learn(TURNS[1])).operations == {"add": 1}


async def test_a_learned_turn_costs_nothing_again(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        first = await opened.learn(turn("call"))
    async with fake_learner(model, tmp_path) as opened:
        assert await opened.learn(turn("call")) == first
        assert len(model.requests) == 1
        await opened.learn(turn("more", 1))
    assert [row["again"] for row in rows(tmp_path)] == [False, False]


async def test_a_worker_that_hangs_is_ended(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path, timeouts=Timeouts(learn=0.5)) as opened:
        pid = opened.pid
        assert pid is not None
        with pytest.raises(WorkerDiedError, match=r"didn't answer within 0\.5 s"):
            await opened.learn(turn("hang always"))
        assert await gone(pid)


async def test_a_cancelled_turn_ends_its_whole_process_group(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        learning = asyncio.create_task(opened.learn(turn("child hang")))
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
            await asyncio.sleep(0.02)
        pids = [opened.pid, int((tmp_path / "child").read_text())]
        learning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await learning
        for pid in pids:
            assert pid is not None
            assert await gone(pid)
        assert (await opened.learn(turn("child hang"))).operations == {"add": 1}
        assert rows(tmp_path)[-1]["again"]


async def test_closing_ends_what_the_library_started(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        await opened.learn(turn("child"))
    assert await gone(int((tmp_path / "child").read_text()))


async def test_a_worker_gets_no_secret_and_a_home_of_its_own(
    model: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with fake_learner(model, tmp_path) as opened:
        await opened.learn(turn("environment"))
    seen = json.loads((tmp_path / "environment").read_text())
    assert "sk-hidden" not in str(seen)
    assert "HTTP_PROXY" not in seen
    assert seen["MEM0_TELEMETRY"] == "False"
    assert seen["HOME"].startswith(str(tmp_path))


async def test_a_memory_that_cannot_be_opened_again_is_no_failure_of_a_turn(model: ModelServer, tmp_path: Path) -> None:
    async with fake_learner(model, tmp_path) as opened:
        await opened.learn(TURNS[0])
        (tmp_path / "broken").touch()
        with pytest.raises(WorkerDiedError, match="no such memory"):
            await opened.learn(turn("die always", 1))
        with pytest.raises(WorkerDiedError, match="no such memory"):
            await opened.ask(QUESTIONS[0])
        (tmp_path / "broken").unlink()
        assert (await opened.learn(TURNS[1])).operations == {"add": 1}


def test_a_row_says_what_makes_its_figures() -> None:
    told = fake_system("http://127.0.0.1:9/v1", password="hidden").describe()
    assert told == {
        "library": "fake 1", "model": "openai:scripted@http://127.0.0.1:9/v1", "embedder": "hashed-v2/64",
        "memories found": "60",
    }  # fmt: skip


def test_a_journal_survives_a_crash_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    journal = Journal(path)
    journal.begin("a")
    journal.finish("a", Learned({"add": 2}, {"learn": 0.5}, embedded=3))
    journal.begin("b")
    path.write_bytes(path.read_bytes() + b'{"done": "b", "lear')
    again = Journal(path)
    assert again.begun == {"a", "b"}
    assert again.done == {"a": Learned({"add": 2}, {"learn": 0.5}, embedded=3)}
    again.begin("c")
    assert Journal(path).begun == {"a", "b", "c"}
    path.write_text('{"begun": "a"}\nnonsense\n')
    with pytest.raises(CorruptStoreError, match="line 2"):
        Journal(path)
