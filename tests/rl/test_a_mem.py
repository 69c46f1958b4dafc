"""The row `a-mem`, end to end: a real model server, a file of notes, and a process killed in the middle."""

import asyncio
import json
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import a_mem_model
import pytest
from model_server import ModelServer, Status

from memory_r1.graphs import ModelOptions, Patience
from memory_r1.graphs.baselines.a_mem_notes import NOTE, Notes
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import ModelUnavailableError, SettingsError
from memory_r1.memory.types import Turn
from memory_r1.rl.systems.a_mem import FILE, AMemSystem
from memory_r1.rl.systems.readers import make_reader
from memory_r1.rl.tasks.types import Conversation, Question

MAY = datetime(2023, 5, 1, 10)
TALK = ("I have a dog, Rex.", "The weather is grey today.", "Rex ate my shoes!", "I painted a boat.", "Rex is ill.")
OPTIONS = ModelOptions(api_key="a-secret", patience=Patience(tries=1, first=0.0))


def turns(count=5):
    return tuple(
        Turn(f"D1:{n}", "D1", n, ("Ann", "Bob")[n % 2], TALK[n % len(TALK)], MAY + timedelta(minutes=n))
        for n in range(count)
    )


TALKED = Conversation("c", ("Ann", "Bob"), turns(), ())
PET = Question("q1", "What is the name of the dog?", "Rex", "single-hop", ("D1:0",))


def system_of(url):
    model = f"openai:scripted@{url}"
    reader = make_reader(model, OPTIONS)
    return AMemSystem({"extractor": model, "manager": model, "answerer": model}, HashedEmbedder(), reader, OPTIONS)


async def test_a_conversation_is_learned_and_asked_about(tmp_path):
    with ModelServer([a_mem_model.request]) as server:
        system = system_of(server.url)
        learner = await system.open(TALKED, tmp_path)
        learned = [await learner.learn(turn) for turn in TALKED.turns]
        asked = await asyncio.gather(*(learner.ask(PET) for _ in range(4)))
        assert await learner.size() == 5
        assert [item.turns for item in (await learner.memories()).items] == [(turn.id,) for turn in TALKED.turns]
        await learner.close()
        await learner.close()
        await system.close()
    assert [dict(one.operations) for one in learned] == [
        {"add": 1}, {"add": 1}, {"add": 1, "update": 1}, {"add": 1}, {"add": 1, "update": 2}
    ]  # fmt: skip
    assert [one.usage.calls for one in learned] == [1, 2, 2, 2, 2] and learned[0].usage.prompt_tokens > 0
    assert [one.embedded for one in learned] == [1, 1, 2, 1, 3] and not any(one.failures for one in learned)
    for one in asked:
        assert (one.text, one.usage.calls, one.embedded, one.tells_turns) == ("Rex", 1, 1, True)
        assert "D1:0" in [turn for item in one.items for turn in item.turns][:3]
        assert {item.id for item in one.items} == {f"n{n}" for n in range(1, 6)} and set(one.selected) < {
            "n1",
            "n3",
            "n5",
        }
    first = next(item for item in asked[0].items if item.turns == ("D1:0",))
    assert first.recorded == MAY and first.speaker == "Ann" and first.text.startswith("I have a dog, Rex. [context: ")


async def test_a_run_goes_on_where_it_was_cut_off(tmp_path):
    with ModelServer([a_mem_model.request]) as server:
        system = system_of(server.url)
        learner = await system.open(TALKED, tmp_path)
        for turn in TALKED.turns[:3]:
            await learner.learn(turn)
        await learner.close()
        before = len(server.requests)
        learner = await system.open(TALKED, tmp_path)
        again = [await learner.learn(turn) for turn in TALKED.turns]
        assert [dict(one.operations) for one in again[:3]] == [{}] * 3 and await learner.size() == 5
        assert len(server.requests) - before == sum(one.usage.calls for one in again) == 4
        await learner.close()
        await system.close()


async def test_a_model_that_is_down_is_an_error_and_nothing_is_learned(tmp_path):
    with ModelServer([Status(503)]) as server:
        system = system_of(server.url)
        learner = await system.open(TALKED, tmp_path)
        with pytest.raises(ModelUnavailableError):
            await learner.learn(TALKED.turns[0])
        assert await learner.size() == 0
        await learner.close()
        await system.close()


async def test_the_row_says_what_it_is_and_keeps_secrets():
    system = system_of("http://user:hidden@127.0.0.1:9/v1")
    told = system.describe()
    await system.close()
    assert "2502.12110" in told["what"] and told["neighbours"] == "5" and told["total"] == "60"
    assert told["embedder"] == HashedEmbedder().name and not {"a-secret", "hidden"} & set(json.dumps(told).split('"'))
    assert "hidden" not in json.dumps(told)


def test_rules_can_not_play_it():
    models = dict.fromkeys(("extractor", "manager", "answerer"), "rules")
    with pytest.raises(SettingsError, match="--model"):
        AMemSystem(models, HashedEmbedder(), make_reader(), OPTIONS)


LEARNER = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_a_mem import Conversation, system_of, turns

async def main():
    system = system_of(sys.argv[1])
    learner = await system.open(Conversation("c", ("Ann", "Bob"), (), ()), Path(sys.argv[2]))
    for turn in turns(24):
        await learner.learn(turn)
        print(turn.id, flush=True)

asyncio.run(main())
"""


def contents(folder):
    notes = Notes.open(folder / FILE, HashedEmbedder())
    try:
        kept = [notes.get(id) for id in range(1, len(notes) + 1)]
        return [(NOTE.dump_json(one), notes.linked(one.id)) for one in kept]
    finally:
        notes.close()


async def learn_all(url, folder, count):
    system = system_of(url)
    learner = await system.open(TALKED, folder)
    for turn in turns(count):
        await learner.learn(turn)
    await learner.close()
    await system.close()


@pytest.mark.slow
async def test_kill_9_loses_the_turn_under_way_at_most(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    with ModelServer([a_mem_model.request]) as server:
        command = [sys.executable, "-c", LEARNER, server.url, str(killed), *paths]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told = [process.stdout.readline().strip() for _ in range(4)]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert told[-1] == "D1:3" and 4 <= len(contents(killed)) < 24
        await learn_all(server.url, killed, 24)
        await learn_all(server.url, whole, 24)
    assert contents(killed) == contents(whole) and len(contents(whole)) == 24
