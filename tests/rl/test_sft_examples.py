"""What a policy is taught: replies that the reader takes back, and examples that the compiled graphs asked for."""

import asyncio
import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.graphs import parse, prompts
from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Add, Answer, Delete, Fact, Memory, Noop, Turn, Update
from memory_r1.rl.training.drills import recall, several
from memory_r1.rl.training.replies import answerer_reply, extractor_reply, manager_reply
from memory_r1.rl.training.sft import Taught, count_kinds, examples, telling
from memory_r1.rl.world import Size, make_world

TIME = datetime(2024, 3, 6, 12)
TURN = Turn("D1:1", "session_1", 0, "Ann", "…", TIME)
SIZE = Size(sessions=2, turns=10, names=60)

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda text: text == text.strip() and bool(text)
)
counts = st.integers(0, 3)


def memory(number, text="Ann has a dog."):
    return Memory(f"m{number}", text, "Ann", ("D1:1",), "session_1", 0, TIME, 1)


SHOWN = tuple(memory(number) for number in (4, 2, 9, 7))


@st.composite
def decided(draw):
    """Facts, and an operation for each; no memory ended twice."""
    free = draw(st.permutations([one.id for one in SHOWN]))
    facts = [Fact(draw(words), "Ann", ("D1:1",)) for _ in range(draw(st.integers(1, 3)))]
    operations = []
    for fact in facts:
        kind = draw(st.sampled_from(["add", "noop"] + ["update", "delete", "same"] * bool(free)))
        ends = tuple(free.pop() for _ in range(min(len(free), draw(st.integers(1, 2))))) if free else ()
        match kind:
            case "add":
                operations.append(Add(draw(st.one_of(words, st.just(fact.text))), "Ann", fact.turns))
            case "update":
                operations.append(Update(ends, draw(words), "Ann", fact.turns))
            case "delete":
                operations.append(Delete(ends, fact.turns))
            case "same":
                operations.append(Noop(fact.turns, fact.text, ends[0], "duplicate"))
            case _:
                operations.append(Noop(fact.turns, fact.text, "", "not-a-fact"))
    return facts, operations


@given(decided())
def test_operations_are_read_back(case):
    facts, operations = case
    assert parse.operations(manager_reply(operations, facts, SHOWN), facts, SHOWN) == operations


@given(words, st.permutations([one.id for one in SHOWN]), st.integers(0, 4))
def test_an_answer_is_read_back(text, ids, count):
    answer = Answer("Who?", text, tuple(ids[:count]))
    assert parse.answer(answerer_reply(answer, SHOWN), "Who?", SHOWN) == answer


def test_facts_are_read_back():
    facts = [
        Fact("Ann moved to Rom on 3 May 2023.", "Ann", ("D1:1",), "2023-05-03", ("Ann", "Rom")),
        Fact("Ann likes tea.", "Ann", ("D1:1",)),
    ]
    assert parse.facts(extractor_reply(facts), TURN) == facts


def test_a_reply_names_only_what_is_shown():
    fact = Fact("Ann likes tea.", "Ann", ("D1:1",))
    with pytest.raises(InputError, match="'m1' is none of the 4 shown"):
        manager_reply([Delete(("m1",), fact.turns)], [fact], SHOWN)
    with pytest.raises(InputError, match="0 operations for 1 facts"):
        manager_reply([], [fact], SHOWN)


@pytest.fixture(scope="module")
def taught():
    return asyncio.run(examples(make_world(3, "train", 0, SIZE)))


def test_examples_are_the_prompts_of_the_product_with_replies_that_it_reads(taught):
    instructions = {"extractor": prompts.EXTRACTOR, "manager": prompts.MANAGER, "answerer": prompts.ANSWERER}
    forms = {"extractor": parse.FactsReply, "manager": parse.OperationsReply, "answerer": parse.AnswerReply}
    assert {one.role for one in taught} == set(instructions)
    for one in taught:
        assert [message["role"] for message in one.messages] == ["system", "user"]
        assert one.messages[0]["content"] == instructions[one.role]
        parse.read(forms[one.role], one.reply)


def test_what_is_shown_is_enough_for_the_gold_answer(taught):
    asked = [one for one in taught if one.role == "answerer"]
    assert len(asked) > 20
    assert all(json.loads(one.reply)["answer"] == one.gold for one in asked)


def test_examples_are_the_same_for_the_same_seed_alone(taught):
    again, other = (asyncio.run(examples(make_world(3, "train", 0, SIZE), Taught(seed=seed))) for seed in (0, 1))
    assert again == taught
    assert other != taught


def test_spoiled_banks_ask_for_repairs():
    world = make_world(2, "train", 1, Size(sessions=4, turns=12, names=60))
    clean, spoiled = (asyncio.run(examples(world, Taught(asked=0, spoiled=share))) for share in (0.0, 0.5))
    assert count_kinds(spoiled) != count_kinds(clean)
    assert max(targets(clean)) == 1
    assert max(targets(spoiled)) > 1


def targets(made):
    """How many memories each operation names."""
    replies = [json.loads(one.reply) for one in made if one.role == "manager"]
    return [len(operation.get("targets", [])) for reply in replies for operation in reply["operations"]]


def test_an_answer_rests_on_what_tells_it():
    shown = [
        memory(1, "Tom's sister is Mia."), memory(2, "Mia lives in Rom."), memory(3, "Tom lives in Oslo."),
        memory(4, "Mia has one pet: a dog named Rex."), memory(5, "Tom has one pet: a cat named Ivy."),
    ]  # fmt: skip
    assert telling("Where does Tom's sister live?", shown) == Answer(
        "Where does Tom's sister live?", "Rom", ("m1", "m2")
    )
    assert telling("Where does the owner of Rex live?", shown).selected == ("m4", "m2")
    assert telling("Does Tom still have the pet Max?", shown) == Answer(
        "Does Tom still have the pet Max?", "No", ("m5",)
    )


@settings(max_examples=5)
@given(st.integers(0, 10**6))
def test_every_world_can_be_taught(seed):
    found = asyncio.run(examples(make_world(seed, "train", 0, Size(1, 8)), Taught(asked=1, spoiled=0.3)))
    assert found


def answered(example):
    """The questions of an exercise and their replies, read."""
    messages = [*example.messages, {"role": "assistant", "content": example.reply}]
    asked = [message for message in messages if message["role"] != "system"]
    assert [message["role"] for message in asked] == ["user", "assistant"] * (len(asked) // 2)
    pairs = zip(asked[::2], asked[1::2], strict=True)
    return [(one["content"], parse.read(parse.AnswerReply, two["content"])) for one, two in pairs]


@pytest.mark.parametrize("names", [0, 60])
def test_an_exercise_asks_for_what_its_list_says(names):
    for example in recall(20, names):
        (first, _), *_ = pairs = answered(example)
        lines = first.split("\n")[:-1]
        assert len(pairs) == len(lines)
        for asked, reply in pairs:
            beginning = asked.split("\n")[-1]
            assert f'- "{reply.selected[0]}": "{beginning}{reply.answer}."' in lines


def test_several_questions_share_one_list():
    world = make_world(3, "train", 0, SIZE)
    made = several(world, moments=4)
    assert made == several(world, moments=4) != several(world, moments=4, seed=1)
    assert max(len(answered(example)) for example in made) > 3
    known = {asked.answer for count in range(1, 21) for asked in world.questions(count)}
    assert all(reply.answer in {*known, "No information available"} for one in made for _, reply in answered(one))
