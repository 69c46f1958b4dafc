"""Our own rows: they learn once, find what they were told, and cost what they cost."""

from dataclasses import replace

import pytest
from eval_fixture import model_server, story
from model_server import ModelServer

from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import InputError, SettingsError
from memory_r1.rl.systems.registry import SYSTEMS, Row, check_names, make_system, read_row_models, row_models

RULES = dict.fromkeys(("extractor", "manager", "answerer"), "rules")
TALK = story()


def row(name, model="rules"):
    return Row(name, row_models(name, dict.fromkeys(RULES, model), {}))


async def run(made, folder):
    """What becomes of each turn, and the answers; then the learner is closed."""
    learner = await made.open(TALK, folder)
    try:
        learned = [await learner.learn(turn) for turn in TALK.turns]
        asked = [await learner.ask(question) for question in TALK.questions[:2]]
        return learned, asked, await learner.size()
    finally:
        await learner.close()


@pytest.mark.parametrize("name", ["rules", "rag"])
async def test_a_row_without_a_model_answers_and_finds_the_evidence(name, tmp_path):
    made = await make_system(row(name))
    learned, asked, size = await run(made, tmp_path)
    assert asked[1].text == "old maps"
    assert TALK.questions[1].evidence[0] in asked[1].items[0].turns
    assert set(asked[1].selected) <= {item.id for item in asked[1].items}
    assert set(asked[1].seconds) == {"search", "answer"}
    assert sum(one.operations.get("add", 0) for one in learned) == size
    assert all(one.cpu is not None and one.usage.calls == 0 for one in (*learned, *asked))
    assert all(one.embedded > 0 for one in asked)
    await made.close()


@pytest.mark.parametrize("name", ["rules", "rag"])
async def test_what_was_learned_is_found_again_and_not_learned_twice(name, tmp_path):
    made = await make_system(row(name))
    _, asked, size = await run(made, tmp_path)
    learner = await made.open(TALK, tmp_path)
    await learner.learn(TALK.turns[-1])
    assert await learner.size() == size
    kept = await learner.memories()
    assert len(kept.items) == kept.fates.live == size and set(asked[1].items) <= {
        replace(item, score=found.score) for item in kept.items for found in asked[1].items
    }
    again = await learner.ask(TALK.questions[1])
    assert (again.text, again.items) == (asked[1].text, asked[1].items)
    await learner.close()
    await made.close()


async def test_a_model_plays_our_graph_and_its_calls_are_counted(tmp_path):
    with model_server() as server:
        made = await make_system(row("memory-r1", f"openai:scripted@{server.url}"))
        learned, asked, size = await run(made, tmp_path)
        await made.close()
    assert size == len(TALK.turns)
    assert sum(one.usage.calls for one in (*learned, *asked)) == len(server.requests)
    assert asked[0].usage.prompt_tokens > 0
    assert asked[0].cpu is None


async def test_full_context_reads_every_turn_and_keeps_what_it_cites(tmp_path):
    with ModelServer(['{"selected":["1"],"answer":"old maps"}']) as server:
        made = await make_system(row("full-context", f"openai:scripted@{server.url}"))
        _, asked, size = await run(made, tmp_path)
        await made.close()
    shown = server.requests[0]["messages"][-1]["content"]
    assert all(turn.text in shown for turn in TALK.turns)
    assert (size, len(server.requests)) == (3, 2)
    assert [item.turns for item in asked[0].items] == [("D1:2",)] and not asked[0].tells_turns


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name not in ("rules", "rag")])
async def test_a_row_that_needs_a_model_says_so(name):
    with pytest.raises(SettingsError, match=f"{name} needs .*give --(row-)?model"):
        await make_system(row(name))


async def test_a_description_has_all_that_makes_the_figures_and_no_password():
    model = "openai:m@http://user:geheim@localhost:1/v1"
    made = await make_system(replace(row("memory-r1", model), api_key="geheim"), HashedEmbedder(64))
    told = made.describe()
    await made.close()
    assert {"version", "extractor", "manager", "answerer", "embedder", "hits"} <= set(told)
    assert told["embedder"] == HashedEmbedder(64).name
    assert "geheim" not in str(told) and "geheim" not in repr(replace(row("rules"), api_key="geheim"))


def test_a_trained_row_has_its_own_model_and_a_role_may_have_another():
    base = dict.fromkeys(RULES, "openai:base")
    given = read_row_models(["memory-r1-grpo=openai:grpo@http://h/v1", "memory-r1.manager=openai:b=c"])
    assert row_models("memory-r1", base, given) == base | {"manager": "openai:b=c"}
    assert row_models("memory-r1-grpo", base, given) == dict.fromkeys(RULES, "openai:grpo@http://h/v1")
    assert row_models("memory-r1-sft", base, given) == RULES
    assert row_models("rules", base, given) == RULES
    assert row_models("mem0", base, given) == base


@pytest.mark.parametrize("value", ["memory-r1", "nobody=openai:x", "memory-r1.cook=openai:x", "memory-r1="])
def test_a_row_model_that_says_nothing_is_refused(value):
    with pytest.raises(SettingsError, match=r"--row-model .* is not NAME=MODEL"):
        read_row_models([value])


def test_rows_stand_in_the_tables_order_and_unknown_ones_are_named():
    assert check_names(["rules", "rag", "rules"]) == ["rag", "rules"]
    assert check_names(["all"]) == list(SYSTEMS)
    with pytest.raises(InputError, match="no system 'memo': choose from full-context"):
        check_names(["memo"])
