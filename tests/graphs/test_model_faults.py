"""A real HTTP endpoint that fails in every way: retried or reported, never a half-applied turn."""

import asyncio
import json
import threading
from types import SimpleNamespace

import pytest
from graph_fakes import bank, facts, operations, said
from model_server import Cut, Garbage, Hang, ModelServer, Request, Short, Status

from memory_r1.graphs import Agent, ModelOptions, Patience, Settings, build_agent
from memory_r1.graphs.endpoint import asked
from memory_r1.graphs.steps import run_sync
from memory_r1.memory.errors import ModelUnavailableError
from memory_r1.memory.stores.memory import InMemoryStore

PATIENCE = Patience(tries=3, first=0.01, longest=0.02, timeout=0.5)
FACTS = json.dumps(facts("Ann adopted a dog called Rex."))
ADD = json.dumps(operations((0, "ADD", [], "")))


def replies(request: Request) -> str:
    """What a good model says to any of the three roles."""
    role = request["response_format"]["json_schema"]["name"] if "response_format" in request else ""
    by_prompt = "Take from the last turn" in request["messages"][0]["content"]
    if role == "extractor" or (not role and by_prompt):
        return FACTS
    return ADD if role != "answerer" else '{"selected": ["0"], "answer": "Rex"}'


def agent_at(url: str, patience: Patience = PATIENCE) -> Agent:
    return build_agent(
        InMemoryStore(), models=f"openai:scripted@{url}", settings=Settings(options=ModelOptions(patience=patience))
    )


PASSING = {
    "429": [Status(429)],
    "500 and 503": [Status(500), Status(503)],
    "a cut body": [Cut()],
    "no JSON": [Garbage()],
    "a time-out": [Hang(5)],
    "a malformed reply": ["nonsense"],
    "a reply at the token limit": [Short('{"facts": [')],
    "10 MB": ["x" * 10_000_000],
    "no schema support": [Status(400, "response_format is not supported")],
}


@pytest.mark.parametrize("script", PASSING.values(), ids=PASSING)
async def test_a_passing_fault_is_got_over(script: list):
    with ModelServer([*script, replies]) as server:
        agent = agent_at(server.url)
        done = await agent.learn(said("I adopted a dog called Rex"), "ann")
        assert done.created == ("m1",) and done.failures == ()
        assert done.usage.calls == len(server.requests) == len(script) + 2
        await agent.close()


LASTING = {
    "500": Status(500), "429": Status(429), "a cut body": Cut(), "no JSON": Garbage(),
    "no choices": Garbage('{"a": 1}'),
    "a time-out": Hang(5), "a wrong key": Status(401), "an unknown model": Status(404, "no such model"),
}  # fmt: skip


@pytest.mark.parametrize("role", ["extractor", "manager"])
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
async def test_a_lasting_fault_is_reported_and_the_turn_can_be_tried_again(fault: object, role: str):
    script = [fault] if role == "extractor" else [replies, fault]
    with ModelServer(script) as server:
        agent = agent_at(server.url)
        with pytest.raises(ModelUnavailableError, match=f"the {role}'s model doesn't answer"):
            await agent.learn(said("I adopted a dog called Rex"), "ann")
        assert (await agent.store.bank("ann")).revision == 0 and await agent.store.turns("ann") == []
        server.script = [replies]
        assert (await agent.learn(said("I adopted a dog called Rex"), "ann")).created == ("m1",)
        await agent.close()


UNUSABLE = {
    "malformed JSON": "{", "unknown ids": json.dumps(operations((0, "DELETE", ["5"], ""))), "10 MB": "y" * 10_000_000,
    "the token limit": Short('{"operations": ['),
}  # fmt: skip


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE)
async def test_an_unusable_reply_is_counted_and_changes_nothing(reply: object):
    with ModelServer([replies, reply]) as server:
        agent = agent_at(server.url)
        done = await agent.learn(said("I adopted a dog called Rex"), "ann")
        assert [f.role for f in done.failures] == ["manager"] and done.created == () and len(server.requests) == 3
        assert len(server.requests[2]["messages"][2]["content"]) <= 1_000  # what the repair attempt shows again
        assert [op.reason for op in (await agent.store.log("ann"))[0].operations] == ["failed: malformed manager reply"]
        await agent.close()


@pytest.mark.parametrize(("after", "rest"), [("", "0.01"), ("0", "0.01"), ("3600", "0.02"), ("soon", "0.01")])
async def test_the_wait_is_what_the_server_asks_for_within_limits(
    after: str, rest: str, caplog: pytest.LogCaptureFixture
):
    error = Exception()
    error.response = SimpleNamespace(headers={"retry-after": after})  # type: ignore[attr-defined]
    assert str(PATIENCE.after(1, asked(error))) == rest
    with ModelServer([Status(429, after=after), replies]) as server:
        agent = agent_at(server.url)
        assert (await agent.learn(said("I adopted a dog called Rex"), "ann")).created == ("m1",)
        await agent.close()


async def test_the_schema_is_really_sent():
    with ModelServer([replies]) as server:
        agent = agent_at(server.url)
        await agent.learn(said("I adopted a dog called Rex"), "ann")
        await agent.ask("What is the dog called?", "ann")
        sent = [request["response_format"]["json_schema"] for request in server.requests]
        assert [s["name"] for s in sent] == ["extractor", "manager", "answerer"] and all(s["strict"] for s in sent)
        assert sent[1]["schema"]["$defs"]["OperationReply"]["required"] == ["fact", "op", "targets", "text"]
        assert server.requests[0]["temperature"] == 0.0 and server.requests[0]["max_completion_tokens"] == 1_024
        await agent.close()


async def test_a_server_without_schemas_is_asked_only_once_for_one():
    def plain(request: Request) -> object:
        return Status(400, "json_schema unknown") if "response_format" in request else replies(request)

    with ModelServer([plain]) as server:
        agent = agent_at(server.url)
        await agent.learn(said("I adopted a dog called Rex"), "ann")
        await agent.learn(said("Rex is a dog of mine", 1), "ann")
        assert ["response_format" in request for request in server.requests] == [True, False, True, False, False]
        await agent.close()


async def test_calls_under_way_at_once_are_each_asked_again_without_the_schema():
    both = threading.Barrier(2)

    def plain(request: Request) -> object:
        if "response_format" not in request:
            return replies(request)
        both.wait(60)
        return Status(400, "json_schema unknown")

    with ModelServer([plain]) as server:
        agent = agent_at(server.url, Patience(tries=1))
        turn = said("I adopted a dog called Rex")
        done = await asyncio.gather(agent.learn(turn, "ann"), agent.learn(turn, "ben"))
        assert [one.created for one in done] == [("m1",), ("m1",)]
        await agent.close()


async def test_tokens_are_counted_as_the_server_counts_them():
    with ModelServer([replies]) as server:
        agent = agent_at(server.url)
        usage = (await agent.learn(said("I adopted a dog called Rex"), "ann")).usage
        assert (usage.calls, usage.prompt_tokens, usage.reply_tokens) == (2, 22, 14)
        await agent.close()


@pytest.mark.parametrize("script", [[replies], [Cut(FACTS), replies]], ids=["whole", "cut"])
async def test_a_chat_window_gets_the_reply_but_no_json_and_a_cut_stream_is_tried_again(script: list):
    with ModelServer(script) as server:
        agent = agent_at(server.url)
        given = {"messages": [("user", "I adopted a dog called Rex")]}
        tokens = [message.text async for message, _ in agent.agent.astream(given, bank(), stream_mode="messages")]
        assert server.requests[0]["stream"] is True
        assert tokens == ["Noted: Ann adopted a dog called Rex."]
        assert [m.id for m in await agent.store.memories("ann")] == ["m1"]
        await agent.close()


def test_synchronous_calls_reach_the_endpoint_again_and_again():
    with ModelServer([replies]) as server:
        agent = agent_at(server.url)
        for number in range(3):
            agent.remember.invoke({"turn": said(f"I adopted a dog called Rex {number}", number)}, bank())
        assert agent.answer.invoke({"question": "dog?", "asked": None}, bank())["answer"]["text"] == "Rex"
        run_sync(agent.close())


async def test_an_endpoint_that_is_not_there_is_reported():
    with ModelServer([replies]) as server:
        url = server.url
    agent = agent_at(url)
    with pytest.raises(ModelUnavailableError, match="after 3 tries"):
        await agent.learn(said("I adopted a dog called Rex"), "ann")
    await agent.close()
