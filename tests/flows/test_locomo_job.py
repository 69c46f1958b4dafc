"""The main job on real input: a LoCoMo conversation into a memory graph, turn by turn, its questions from it."""

import pytest
from conftest import DATA

from memory_r1.flows.ingest import ingest
from memory_r1.graphs import build_agent
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.stores.sqlite import SqliteStore
from memory_r1.rl.metrics import mem0
from memory_r1.rl.tasks.locomo import load_locomo

FILE = DATA / "locomo" / "locomo10.json"


@pytest.fixture(scope="module")
def conversation():
    return next(found for found in load_locomo(FILE) if found.id == "conv-30")


@pytest.fixture
async def reference(conversation):
    """The bank as the in-memory store has it, and its answers."""
    async with InMemoryStore() as store:
        agent = build_agent(store)
        await ingest(agent, "conv-30", conversation.turns)
        return await store.dump("conv-30"), await answers(agent, conversation)


async def answers(agent, conversation):
    found = {}
    for question in conversation.questions:
        if not question.unanswerable:
            found[question.text] = await agent.ask(question.text, "conv-30")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["sqlite", *(pytest.param(v, marks=pytest.mark.neo4j) for v in ("neo4j-5.26", "neo4j-2026"))]
)
async def test_a_conversation_is_remembered_and_its_questions_are_answered(
    kind, conversation, reference, tmp_path, request
):
    dump, expected = reference
    if kind == "sqlite":
        opened = await SqliteStore.open(tmp_path / "store.db")
    else:
        server = request.getfixturevalue("neo4j_servers")(kind.partition("-")[2])
        server.wipe()
        opened = await server.open()
    async with opened as store:
        agent = build_agent(store)
        half = len(conversation.turns) // 2
        await ingest(agent, "conv-30", conversation.turns[:half])
        summary = await ingest(agent, "conv-30", conversation.turns)
        assert (summary.known, summary.turns, summary.calls) == (half, len(conversation.turns) - half, 0)
        got = await store.dump("conv-30")
        assert [m.text for m in got.memories] == [m.text for m in dump.memories]
        found = await answers(agent, conversation)
        told = {turn.id: turn for turn in await store.turns("conv-30")}
        for question in found.values():
            assert all(told[id].text or told[id].caption for id in question.turns)
        assert abs(score(conversation, found) - score(conversation, expected)) < 0.03
        if kind == "sqlite":
            assert got == dump
            assert {q: a.answer for q, a in found.items()} == {q: a.answer for q, a in expected.items()}


async def test_questions_score_far_above_nothing(conversation, reference):
    assert score(conversation, reference[1]) > 0.15


def score(conversation, found):
    """The mean F1 by Mem0's convention."""
    golds = {q.text: q.answer for q in conversation.questions if not q.unanswerable}
    return sum(mem0.f1(answer.answer.text, golds[text]) for text, answer in found.items()) / len(found)
