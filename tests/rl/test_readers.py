"""The shared answerer: any system's items, one prompt, nothing lost on the way."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from model_server import ModelServer, Status

from memory_r1.graphs import ModelOptions, Patience
from memory_r1.memory.errors import ModelUnavailableError
from memory_r1.rl.systems.readers import make_reader
from memory_r1.rl.systems.types import Item
from memory_r1.rl.tasks.types import Question

MAY = datetime(2023, 5, 1, 10)
QUICK = ModelOptions(patience=Patience(tries=1, first=0.0))


def asking(text="What is the dog called?"):
    return Question("q1", text, "Rex", "single-hop")


def shown(request):
    return request["messages"][-1]["content"]


def reply(*selected, answer="Rex"):
    return json.dumps({"selected": list(selected), "answer": answer})


def reader_of(server, **more):
    return make_reader(f"openai:scripted@{server.url}", QUICK, **more)


async def test_rules_read_any_item_and_name_it_by_its_own_id():
    items = [Item("uuid-9", "Ann has a dog called Rex.", "Ann", MAY, ("t1",)), Item("x", "Bob likes tea.", "Bob")]
    text, selected, cost = await make_reader().read(asking(), items)
    assert (text, selected) == ("Rex", ("uuid-9",))
    assert cost.usage.calls == 0 and cost.failures == () and cost.seconds >= 0


async def test_rules_make_no_date_of_an_unknown_time():
    text, *_ = await make_reader().read(
        asking("When did Bob drink tea?"), [Item("x", "Bob drank tea last week.", "Bob")]
    )
    assert not any(character.isdigit() for character in text)


async def test_a_model_reads_by_speaker_and_its_ids_come_back_as_the_items():
    items = [
        Item("b", "Bob likes tea.", "Bob", MAY),
        Item("a", "Ann has a dog.", "Ann"),
        Item("z", "Rex barks.", "Bob"),
    ]
    with ModelServer([reply("2", "0")]) as server:
        reader = reader_of(server)
        text, selected, cost = await reader.read(asking(), items)
        await reader.close()
    assert (text, selected) == ("Rex", ("a", "z"))  # Bob's undated memory stands first
    lines = shown(server.requests[0]).splitlines()
    assert lines[0] == 'Memories of "Bob":' and lines[1] == '- "0": "Rex barks."' and "10:00 am" in lines[2]
    assert cost.usage.calls == 1 and cost.usage.prompt_chars > 0 and cost.usage.prompt_tokens > 0


async def test_no_items_cost_no_call():
    with ModelServer([reply()]) as server:
        reader = reader_of(server)
        text, selected, cost = await reader.read(asking(), [])
        await reader.close()
    assert (text, selected, cost.usage.calls, server.requests) == ("not mentioned", (), 0, [])


async def test_a_reply_that_cannot_be_used_is_an_empty_answer_and_a_failure():
    with ModelServer([reply("7")]) as server:
        reader = reader_of(server)
        text, selected, cost = await reader.read(asking(), [Item("a", "Ann has a dog.", "Ann", MAY)])
        await reader.close()
    assert (text, selected, cost.usage.calls) == ("", (), 2)
    assert [failure.kind for failure in cost.failures] == ["malformed"] and "'7'" in cost.failures[0].detail


async def test_an_endpoint_that_is_down_is_an_error():
    with ModelServer([Status(503)]) as server:
        reader = reader_of(server)
        with pytest.raises(ModelUnavailableError, match="answerer's model"):
            await reader.read(asking(), [Item("a", "Ann has a dog.", "Ann", MAY)])
        await reader.close()


async def test_a_whole_conversation_is_shown_in_order_and_uncut():
    turns = [
        Item(f"t{number}", f"{'word ' * 100}{number}", "AB"[number % 2], MAY + timedelta(minutes=number))
        for number in range(100)
    ]
    with ModelServer([reply("99")]) as server:
        cut, full = reader_of(server), reader_of(server, full=True)
        await cut.read(asking(), turns[:10] * 10)
        _, selected, _ = await full.read(asking(), turns)
        await asyncio.gather(cut.close(), full.close())
    assert len(shown(server.requests[0])) < 25_000 < 50_000 < len(shown(server.requests[-1]))
    assert selected == ("t99",)
    lines = shown(server.requests[-1]).splitlines()
    assert lines[0] == "Memories:" and '"A: word' in lines[1] and '"B: word' in lines[2] and len(lines) == 102


async def test_many_are_read_at_once_and_each_pays_for_itself():
    def answer(request):
        return reply("0", answer=shown(request).rsplit("about ", 1)[1].rstrip('"'))

    with ModelServer([answer]) as server:
        reader = reader_of(server)
        asked = [reader.read(asking(f"about {n}"), [Item(f"i{n}", "Ann has a dog.", "Ann", MAY)]) for n in range(20)]
        done = await asyncio.gather(*asked)
        await reader.close()
    assert [(text, selected) for text, selected, _ in done] == [(str(n), (f"i{n}",)) for n in range(20)]
    assert {cost.usage.calls for *_, cost in done} == {1}


async def test_a_mapping_of_models_is_read_with_the_answerers():
    with ModelServer([reply("0")]) as server:
        reader = make_reader({"answerer": f"openai:scripted@{server.url}", "default": "rules"}, QUICK)
        text, *_ = await reader.read(asking(), [Item("a", "Ann has a dog.", "Ann", MAY)])
        await reader.close()
    assert text == "Rex" and reader.name.startswith("openai:scripted@")
    assert make_reader({"manager": "openai:x@http://127.0.0.1:1/v1"}).name == "rules"
