"""Other people's libraries, each in its own environment, against a model server that answers their prompts."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import InputError, MissingExtraError, ModelUnavailableError, SettingsError
from memory_r1.rl.systems.environments import InstallError
from memory_r1.rl.systems.hosted import HostedLearner
from memory_r1.rl.systems.peers import PEERS, make_peer
from memory_r1.rl.systems.readers import make_reader
from tests.model_server import Garbage, Hang, ModelServer, Status
from tests.peer_model import QUESTIONS, TALK, TURNS, peer_server, said

LIBRARIES = ("mem0", "langmem")

pytestmark = [pytest.mark.slow]


@pytest.fixture(params=LIBRARIES)
def name(request: pytest.FixtureRequest) -> str:
    """Each library in turn, installed; the environment is kept for the next run."""
    try:
        PEERS[request.param].environment.install()
    except InstallError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(error.message)
    return request.param


@asynccontextmanager
async def learner(name: str, model: ModelServer, folder: Path) -> AsyncIterator[HostedLearner]:
    system = make_peer(name, f"openai:scripted@{model.url}", HashedEmbedder(), make_reader())
    opened = await system.open(TALK, folder)
    try:
        yield opened
    finally:
        await opened.close()
        await system.close()


async def test_what_was_said_is_found_again(name: str, tmp_path: Path) -> None:
    with peer_server() as model:
        async with learner(name, model, tmp_path) as opened:
            assert opened.ready["version"] == PEERS[name].version
            learned = [await opened.learn(turn) for turn in TURNS]
            assert [sum(each.operations.values()) for each in learned] == [1] * 6
            assert learned[4].operations == {"update" if name == "langmem" else "add": 1}
            for each in learned:
                assert each.failures == ()
                assert each.usage.calls == 1
                assert each.usage.prompt_chars > 1_000
                assert each.usage.prompt_tokens == 11
                assert each.embedded == 2
                assert each.cpu is not None
                assert 0 < each.cpu < each.seconds["learn"]
            assert await opened.size() == (5 if name == "langmem" else 6)
            kept = (await opened.memories()).items
            assert len({item.id for item in kept}) == await opened.size() and all(item.turns for item in kept)
            for question in QUESTIONS:
                asked = await opened.ask(question)
                assert asked.items[0].turns == question.evidence
                assert question.answer.split()[-1] in asked.text
                assert asked.tells_turns
                assert asked.usage.calls == 0
                assert asked.embedded == 1
            home = {item.turns: item for item in (await opened.search("Ann's home in Bergen")).items}
            bergen = home[("D1:1", "D1:5") if name == "langmem" else ("D1:5",)]
            assert (bergen.speaker, bergen.recorded) == ("Ann", TURNS[4].time)
            assert "Bergen" in bergen.text


async def test_the_model_is_told_who_spoke_and_when(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    folder.mkdir()
    with peer_server() as model:
        async with learner(name, model, folder) as opened:
            await opened.learn(replace(TURNS[1], caption="a boat on a lake"))
    prompt = str(model.requests[0]["messages"])
    assert "Ben: I bought a red kayak yesterday. (picture: a boat on a lake)" in prompt
    assert "2023-05-08T13:57:00" in prompt
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


async def test_a_killed_worker_goes_on_where_it_was(name: str, tmp_path: Path) -> None:
    with peer_server() as model:
        async with learner(name, model, tmp_path) as opened:
            for turn in TURNS[:3]:
                await opened.learn(turn)
            assert opened.pid is not None
            os.kill(opened.pid, signal.SIGKILL)
            for turn in TURNS[3:]:
                await opened.learn(turn)
            before = sorted(item.turns for item in (await opened.search("I my a")).items)
            size = await opened.size()
        asked = len(model.requests)
        async with learner(name, model, tmp_path) as opened:
            for turn in TURNS:
                await opened.learn(turn)
            assert len(model.requests) == asked
            assert await opened.size() == size
            assert sorted(item.turns for item in (await opened.search("I my a")).items) == before


async def test_a_turn_under_way_when_killed_is_learned_once(name: str, tmp_path: Path) -> None:
    script: list[Any] = [said, Hang(60), said]
    with ModelServer(script) as model:
        async with learner(name, model, tmp_path) as opened:
            await opened.learn(TURNS[0])
            learning = asyncio.create_task(opened.learn(TURNS[1]))
            while len(model.requests) < 2:
                await asyncio.sleep(0.02)
            assert opened.pid is not None
            os.kill(opened.pid, signal.SIGKILL)
            assert (await learning).operations == {"add": 1}
            await opened.learn(TURNS[2])
            assert await opened.size() == 3


async def test_a_turn_learned_but_not_journaled_is_learned_once(name: str, tmp_path: Path) -> None:
    with peer_server() as model:
        async with learner(name, model, tmp_path) as opened:
            for turn in TURNS[:2]:
                await opened.learn(turn)
        journal = tmp_path / "turns.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
        async with learner(name, model, tmp_path) as opened:
            for turn in TURNS[:3]:
                assert (await opened.learn(turn)).operations == {"add": 1}
            assert await opened.size() == 3


async def test_an_endpoint_that_fails_stops_the_turn_and_keeps_the_rest(name: str, tmp_path: Path) -> None:
    fault: list[Any] = []
    with ModelServer([lambda request: fault[0] if fault else said(request)]) as model:
        async with learner(name, model, tmp_path) as opened:
            await opened.learn(TURNS[0])
            for fault[:], why in (([Status(400, "no such model")], "no such model"), ([Garbage()], "no JSON")):
                with pytest.raises(ModelUnavailableError, match=why):
                    await opened.learn(TURNS[1])
            fault.clear()
            assert (await opened.learn(TURNS[1])).operations == {"add": 1}
            assert await opened.size() == 2


async def test_a_moments_fault_is_healed_and_a_malformed_reply_seen(name: str, tmp_path: Path) -> None:
    script: list[Any] = [Status(503, after="0"), said, "{'memory': [oops"]
    with ModelServer(script) as model:
        async with learner(name, model, tmp_path) as opened:
            learned = await opened.learn(TURNS[0])
            assert (learned.operations, learned.failures, learned.usage.calls) == ({"add": 1}, (), 2)
            broken = await opened.learn(TURNS[1])
            assert sum(broken.operations.values()) == 0
            assert len(broken.failures) == 1


def test_a_row_says_which_library_it_is(name: str) -> None:
    told = make_peer(name, "openai:x@http://localhost:1/v1", HashedEmbedder(), make_reader()).describe()
    assert told["library"] == f"{PEERS[name].package} {PEERS[name].version}"
    assert any(package == told["library"].replace(" ", "==") for package in PEERS[name].environment.packages())


def test_a_library_needs_a_model_and_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_R1_ENVIRONMENTS", str(tmp_path))
    with pytest.raises(MissingExtraError, match="memory-r1 systems install mem0"):
        make_peer("mem0", "openai:x@http://localhost:1/v1", HashedEmbedder(), make_reader())
    with pytest.raises(SettingsError, match="need a model"):
        make_peer("mem0", "rules", HashedEmbedder(), make_reader())
    with pytest.raises(InputError, match="'mem1'"):
        make_peer("mem1", "openai:x", HashedEmbedder(), make_reader())
