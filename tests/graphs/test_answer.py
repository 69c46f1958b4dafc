"""`answer`: one call selects and answers; the result is held against what was retrieved."""

import pytest
from graph_fakes import Says, bank, roles, said

from memory_r1.graphs import Limits, Settings, build_agent
from memory_r1.memory.errors import InputError, MalformedOutputError, ModelUnavailableError, UnknownBankError
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Answer


async def filled(**options):
    agent = build_agent(InMemoryStore(), roles=roles(), **options)
    for number, text in enumerate(["I have a dog called Rex", "I like tea", "My sister lives in Rome"]):
        await agent.learn(said(text, number), "ann")
    return agent


async def test_an_answer_cites_memories_and_the_turns_behind_them():
    found = await (await filled()).ask("What is the dog called?", "ann", said("", 9).time)
    assert found.answer == Answer("What is the dog called?", "I have a dog called Rex.", ("m1",))
    assert found.turns == ("s1:0",) and len(found.hits) == 3 and found.failures == ()


async def test_the_hits_keep_to_their_limits():
    agent = await filled(settings=Settings(limits=Limits(hits=2)))
    assert len((await agent.ask("dog?", "ann")).hits) == 2


@pytest.mark.parametrize(
    "outcome", [MalformedOutputError("no JSON"), Answer("q", "x", ("m99",))], ids=["malformed", "unseen"]
)
async def test_an_unusable_answer_is_a_visible_failure(outcome: object):
    agent = await filled()
    broken = build_agent(agent.store, roles=roles(answerer=Says(outcome)))
    found = await broken.ask("What is the dog called?", "ann")
    assert found.answer == Answer("What is the dog called?", "") and found.turns == ()
    assert [f.role for f in found.failures] == ["answerer"]


async def test_an_unavailable_model_is_raised():
    agent = await filled()
    broken = build_agent(agent.store, roles=roles(answerer=Says(ModelUnavailableError("down"))))
    with pytest.raises(ModelUnavailableError):
        await broken.ask("What is the dog called?", "ann")


async def test_an_unknown_bank_is_an_error():
    with pytest.raises(UnknownBankError, match="'nobody'"):
        await build_agent(InMemoryStore(), roles=roles()).ask("Who?", "nobody")


@pytest.mark.parametrize("given", [{"question": " ", "asked": None}, {"question": "Who?", "asked": "tomorrow"}])
async def test_what_is_no_question_is_refused(given: dict):
    with pytest.raises(InputError, match="is no"):
        await (await filled()).answer.ainvoke(given, bank())
