"""The row `zep`, end to end: its library in a process of its own, a real Neo4j, a real model server."""

import asyncio
import json
import os
import signal
from datetime import datetime, timedelta

import a_mem_model
import pytest
from model_server import ModelServer

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import SettingsError, StoreUnavailableError
from memory_r1.memory.types import Add, Turn, Write
from memory_r1.rl.bench import canned_zep
from memory_r1.rl.systems.environments import InstallError
from memory_r1.rl.systems.peers import find_peer
from memory_r1.rl.systems.readers import make_reader
from memory_r1.rl.systems.zep import forget_graphs, make_zep, neo4j_settings
from memory_r1.rl.tasks.types import Conversation, Question
from tests.neo4j_server import free_port, missing

MAY = datetime(2023, 5, 8, 13, 56)
EMBEDDER = HashedEmbedder()
TEXTS = (
    "I have a dog called Rex.", "I bought a red kayak yesterday.", "My sister Clara is a nurse.",
    "I am learning to play the oboe.", "I no longer have my dog Rex.",
)  # fmt: skip
TALK = Conversation(
    "made/1", ("Ann", "Ben"),
    tuple(
        Turn(f"D1:{at}", "1", at, ("Ann", "Ben")[at % 2], text, MAY + timedelta(minutes=at))
        for at, text in enumerate(TEXTS)
    ),
    (
        Question("q1", "What instrument is Ben learning to play?", "the oboe", "single-hop", ("D1:3",)),
        Question("q2", "What did Ben buy?", "a red kayak", "single-hop", ("D1:1",)),
    ),
)  # fmt: skip
OTHER = Conversation("other", ("Eve",), (Turn("D1:0", "1", 0, "Eve", "Ben bought a red kayak for Rex.", MAY),), ())


def said(request):
    """Zep's library is answered by its canned replies, the answerer by rules."""
    message = canned_zep.reply(request)
    return message["content"] if message else a_mem_model.request(request)


@pytest.fixture
def zep(neo4j_servers):
    """A function that makes the row, with a model that says what it is told to."""
    try:
        find_peer("zep").environment.install()
    except InstallError as error:
        missing(str(error))
    server = neo4j_servers("5.26")

    async def make(model, url=server.uri):
        name = f"openai:scripted@{model.url}"
        return await make_zep(url, server.auth[1], name, EMBEDDER, make_reader(name))

    yield make
    server.query("MATCH (n) WHERE n.group_id STARTS WITH 'mr1_' DETACH DELETE n")


async def learn(learner, turns):
    return [await learner.learn(turn) for turn in turns]


@pytest.mark.slow
@pytest.mark.neo4j
async def test_a_conversation_is_learned_and_asked_about(zep, tmp_path):
    with ModelServer([said]) as model:
        system = await zep(model)
        learner = await system.open(TALK, tmp_path)
        learned = await learn(learner, TALK.turns)
        asked = [await learner.ask(question) for question in TALK.questions]
        size = await learner.size()
        await learner.close()
        await system.close()
    assert [dict(one.operations) for one in learned] == [{"add": 1}] * 4 + [{"add": 1, "delete": 1}] and size == 5
    assert sum(one.usage.calls for one in (*learned, *asked)) == len(model.requests)
    assert learned[0].usage.calls == 3 and {one.usage.calls for one in learned} == {3, 4}
    for one in learned:
        assert one.usage.prompt_chars > 10_000 and one.embedded >= 6 and one.cpu > 0 and not one.failures
    for question, one in zip(TALK.questions, asked, strict=True):
        best = one.items[0]
        assert best.turns == question.evidence and one.tells_turns and one.embedded == 1 and one.usage.calls == 1
        assert best.recorded == next(turn.time for turn in TALK.turns if turn.id in best.turns)
    texts = {item.turns[0]: item.text for one in asked for item in one.items}
    assert texts["D1:1"] == "Ben: I bought a red kayak yesterday."
    assert texts.get("D1:0", "(until 2023-05-08)").endswith("(until 2023-05-08)")
    assert not (tmp_path / "home").joinpath(".cache").exists()


@pytest.mark.slow
@pytest.mark.neo4j
async def test_graphs_share_a_database_and_nothing_else(zep, neo4j_servers, tmp_path):
    server = neo4j_servers("5.26")
    ours, one, two = "ours", tmp_path / "one", tmp_path / "two"
    async with await server.open() as store:
        await store.open_bank(ours, EMBEDDER, MAY)
        add = Add("Ann has a dog called Rex.", "Ann", ("D1:0",))
        await store.write(ours, Write("k", MAY, TALK.turns[:1], (add,)), await EMBEDDER.embed([add.text]))
        before = await store.dump(ours)
        with ModelServer([said]) as model:
            system = await zep(model)
            one.mkdir()
            two.mkdir()
            first, second = await asyncio.gather(system.open(TALK, one), system.open(OTHER, two))
            await asyncio.gather(learn(first, TALK.turns[:2]), learn(second, OTHER.turns))
            found = await first.search("Who bought a red kayak?"), await second.search("Who bought a red kayak?")
            assert [item.text for item in found[0].items][:1] == ["Ben: I bought a red kayak yesterday."]
            assert [item.text for item in found[1].items] == ["Eve: Ben bought a red kayak for Rex."]
            assert (await first.size(), await second.size()) == (2, 1)
            kept = await first.memories(), await second.memories()
            assert [[item.turns for item in one.items] for one in kept] == [[("D1:0",), ("D1:1",)], [("D1:0",)]]
            assert kept[0].items[1].text == found[0].items[0].text
            await asyncio.gather(first.close(), second.close())
            await forget_graphs([one, tmp_path / "none"], server.uri, server.auth[1])
            with pytest.raises(StoreUnavailableError, match="is gone from Neo4j"):
                await system.open(TALK, one)
            second = await system.open(OTHER, two)
            assert await second.size() == 1
            await second.close()
            await system.close()
        after = await store.dump(ours)
        assert (before.bank, before.memories, before.turns, before.log) == (
            after.bank, after.memories, after.turns, after.log
        )  # fmt: skip
        await store.erase_bank(ours)


@pytest.mark.slow
@pytest.mark.neo4j
async def test_no_turn_is_stored_twice_and_a_graph_that_is_gone_is_missed(zep, neo4j_servers, tmp_path):
    server = neo4j_servers("5.26")
    with ModelServer([said]) as model:
        system = await zep(model)
        learner = await system.open(TALK, tmp_path)
        await learn(learner, TALK.turns[:2])
        await learner.close()
        journal = tmp_path / "turns.jsonl"  # as if the process had died between the database's commit and this line
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
        asked = len(model.requests)
        learner = await system.open(TALK, tmp_path)
        again = await learn(learner, TALK.turns[:2])
        assert [dict(one.operations) for one in again] == [{"add": 1}, {}] and len(model.requests) == asked
        os.kill(learner.pid, signal.SIGKILL)
        assert (await learner.learn(TALK.turns[2])).operations == {"add": 1} and await learner.size() == 3
        await learner.close()
        group = json.loads((tmp_path / "group.json").read_text())["group"]
        assert group.startswith("mr1_made_1_")
        server.query("MATCH (n {group_id: $group}) DETACH DELETE n", group=group)
        with pytest.raises(StoreUnavailableError, match="is gone from Neo4j"):
            await system.open(TALK, tmp_path)
        await system.close()


@pytest.mark.slow
@pytest.mark.neo4j
async def test_a_reply_that_breaks_its_schema_is_counted(zep, tmp_path):
    with ModelServer([said]) as model:
        model.script = ['{"wrong": true}', said]
        system = await zep(model)
        learner = await system.open(TALK, tmp_path)
        lost, kept = await learn(learner, TALK.turns[:2])
        assert dict(lost.operations) == {} and [one.kind for one in lost.failures] == ["malformed"]
        assert dict(kept.operations) == {"add": 1} and kept.failures == ()
        await learner.close()
        await system.close()


@pytest.mark.slow
@pytest.mark.neo4j
async def test_a_database_that_refuses_is_no_failure_of_the_library(zep, neo4j_servers, tmp_path):
    refused = neo4j_servers("5.26").uri.replace("bolt://", "bolt://neo4j:wrong@")
    with ModelServer([said]) as model:
        system = await zep(model, refused)
        with pytest.raises(StoreUnavailableError, match="zep: Neo4j: AuthError"):
            await system.open(TALK, tmp_path)
        await system.close()


async def test_without_a_server_the_row_says_what_it_needs():
    def making(url):
        return make_zep(url, "secret", "openai:m@http://127.0.0.1:1/v1", EMBEDDER, make_reader())

    for url in ("", "sqlite:///memory.db", "neo4j://host:port"):
        with pytest.raises(SettingsError, match="zep needs a Neo4j server"):
            await making(url)
    with pytest.raises(StoreUnavailableError, match=r"no Neo4j server answers at 'neo4j://ann:\*\*\*@127"):
        await making(f"neo4j://ann:hidden@127.0.0.1:{free_port()}")


def test_a_url_tells_who_connects_where():
    assert neo4j_settings("bolt://127.0.0.1:7687", "p") == {
        "uri": "bolt://127.0.0.1:7687", "user": "neo4j", "password": "p", "database": "neo4j"
    }  # fmt: skip
    assert neo4j_settings("neo4j+s://ann:a%20b@[::1]/facts", "p") == {
        "uri": "neo4j+s://[::1]", "user": "ann", "password": "a b", "database": "facts"
    }  # fmt: skip
