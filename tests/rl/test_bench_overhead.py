"""The overhead benchmark: this library through a worker's process, and what the stub says to its prompts."""

import json
from datetime import datetime

import pytest
from graph_fakes import said

from memory_r1.graphs import prompts
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.types import Fact
from memory_r1.rl.bench.made import plain_turns
from memory_r1.rl.bench.overhead import FIGURES, OURS, Plan, overhead
from memory_r1.rl.bench.stub import reply


def asked(prompt: prompts.Prompt) -> object:
    message = reply({"messages": prompt.messages})
    assert message is not None
    return json.loads(message["content"])


@pytest.mark.parametrize("text", ["I have a dog.", 'She said "no"\nand left: \\o/', "Ünï – ŷ"])
def test_the_stub_extracts_the_turn_itself(text: str):
    context = [said("Something else.", 0)]
    found = asked(prompts.extractor(said(text, 1, speaker='An"n'), context))
    assert found == {"facts": [{"text": text, "when": "", "entities": []}]}


def test_the_stub_adds_every_fact():
    facts = [Fact("I have a dog.", "Ann", ("s1:0",)), Fact("New facts:\n7: x", "Ann", ("s1:0",))]
    found = asked(prompts.manager(facts, [[], []]))
    assert [(op["fact"], op["op"]) for op in found["operations"]] == [(0, "ADD"), (1, "ADD")]


def test_the_stub_answers_no_prompt_that_it_does_not_know():
    assert reply({"messages": [{"role": "user", "content": "hello"}]}) is None


def test_plain_turns_are_all_different():
    turns = plain_turns(2_000)
    assert len({turn.text for turn in turns}) == len({turn.id for turn in turns}) == 2_000
    assert turns == plain_turns(2_000) != plain_turns(2_000, seed=1) and turns[0].time == datetime(2024, 1, 1, 9)


async def test_this_library_is_measured_from_outside_and_others_say_why_not():
    table = await overhead([OURS, "zep", "nothing"], HashedEmbedder(64), Plan(turns=40, memories=40))
    assert table.columns == ("figure", OURS, "zep", "nothing", "zep_ratio", "nothing_ratio")
    ours, zep, other = ({row[0]: row[at] for row in table.rows} for at in (1, 2, 3))
    assert tuple(ours) == FIGURES and "needs a Neo4j server" in zep["not_run"] and "no library" in other["not_run"]
    assert (ours["model_calls"], ours["texts_embedded"], ours["not_run"]) == (2.0, 2.0, "")
    assert 0 < ours["prompt_chars"] < 3_254 and ours["cpu_p50_ms"] > 0 and ours["search_p50_ms"] > 0
