"""The oracle is right about every world through the same graphs; any one mistake of a manager shows in the answers."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from command import read
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.graphs.build import Settings, build_agent
from memory_r1.memory.errors import InputError
from memory_r1.memory.stores.memory import InMemoryStore
from memory_r1.memory.types import Add, Delete, Fact, Noop, Update
from memory_r1.rl.systems.registry import SYSTEMS, WORLD_SYSTEMS, Row, check_names, make_system, row_models
from memory_r1.rl.world import Size, make_world
from memory_r1.rl.world.language import read_state
from memory_r1.rl.world.memories import Memories, decisions, facts_by_turn
from memory_r1.rl.world.mistakes import MISTAKES, by_mistake, mistakes, outcomes
from memory_r1.rl.world.oracle import MANAGERS, answer_from, decide, manager_of, right_operation, roles
from memory_r1.rl.world.system import LIMITS
from tests.rl.test_metrics import needs_punkt

sizes = st.builds(Size, st.integers(1, 4), st.integers(4, 20), st.sampled_from([0, 0, 60]))
worlds = st.builds(make_world, st.integers(0, 10**6), st.just("train"), st.integers(0, 50), sizes)
some = settings(max_examples=20)


def fact(text, turn="D1:2", speaker="Ann"):
    return Fact(text, speaker, (turn,))


def bank(*texts):
    """A bank of the turns of some world that holds the memories `texts`."""
    made = Memories(make_world(0, "train", 0).conversation.turns)
    for text in texts:
        made.write([Add(text, "Ann", ("D1:1",))])
    return made


def operation(text, *texts):
    """What the oracle does with the fact `text` where the bank holds the memories `texts`."""
    return right_operation(fact(text), tuple(bank(*texts).live.values()))


# --- the oracle -------------------------------------------------------------------------------------------------


@some
@given(worlds)
def test_the_oracles_bank_is_the_world_at_every_moment(world):
    live = Memories(world.conversation.turns)
    for count, mine in enumerate(facts_by_turn(world), 1):
        live.learn(mine)
        assert {memory.text for memory in live.live.values()} == world.memories(count)
        assert len(live.live) == len(world.states(count))
    assert not live.wrong(world.conversation.questions)


@pytest.mark.parametrize("seed", [0, 1])
async def test_the_same_graphs_run_with_it(seed):
    world = make_world(seed, "test", 0, Size(names=60 * seed))
    conversation = world.conversation
    store = InMemoryStore()
    agent = build_agent(store, roles=roles(conversation.facts), settings=Settings(LIMITS))
    for count, turn in enumerate(conversation.turns, 1):
        done = await agent.learn(turn, conversation.id)
        assert not done.failures
        assert {memory.text for memory in await store.memories(conversation.id)} == world.memories(count)
    for asked in conversation.questions:
        found = await agent.ask(asked.text, conversation.id, asked.asked)
        assert found.answer.text == asked.answer
        if asked.category not in ("still", "count", "adversarial") and asked.answer != "none":
            assert found.answer.selected
    states = {memory.turns for memory in await store.memories(conversation.id)}
    assert {turn for turns in states for turn in turns} <= {one.turn for one in world.log}


@some
@given(worlds)
def test_every_decision_is_told_with_the_bank_that_it_met(world):
    found = list(decisions(world))
    assert [one.fact for one in found] == list(world.conversation.facts)
    for one in found:
        assert one.turn == world.conversation.turns[one.count - 1]
        assert one.operation == right_operation(one.fact, one.memories)
        if one.fact == facts_by_turn(world)[one.count - 1][0]:
            assert {memory.text for memory in one.memories} == world.memories(one.count - 1)


def test_the_papers_example_is_an_update_that_merges():
    found = operation(
        "Ann has a new pet: a dog named Scout.", "Ann has one pet: a dog named Buddy.", "Ann likes chess."
    )
    assert isinstance(found, Update) and found.targets == ("m1",)
    assert found.text == "Ann has two pets: a dog named Buddy and a dog named Scout."
    assert found.entities == ("Ann", "Buddy", "Scout") and found.turns == ("D1:2",)


@pytest.mark.parametrize(
    ("text", "held", "kind", "then"),
    [
        ("Ann lives in Lyon.", [], Add, "Ann lives in Lyon."),
        ("Ann moved to live in Oslo on 3 May 2024.", ["Ann lives in Lyon."], Update,
         "Ann lives in Oslo (since 3 May 2024), before that in Lyon."),
        ("Ann lives in Lille, not in Lyon.", ["Ann lives in Lyon (since 3 May 2024)."], Update,
         "Ann lives in Lille (since 3 May 2024)."),
        ("Ann works as a nurse, not as a baker.", ["Ann works as a baker."], Update, "Ann works as a nurse."),
        ("Ann no longer has a pet: a dog named Rex.", ["Ann has two pets: a dog named Rex and a cat named Tom."],
         Update, "Ann has one pet: a cat named Tom."),
        ("Ann no longer has a pet: a dog named Rex.", ["Ann has one pet: a dog named Rex."], Delete, ""),
        ("Ann no longer likes chess.", ["Ann likes chess."], Delete, ""),
        ("Ann moved the trip to Oslo to 9 May 2024.", ["Ann plans a trip to Oslo on 3 May 2024."], Update,
         "Ann plans a trip to Oslo on 9 May 2024, first planned for 3 May 2024."),
        ("Ann made a trip to Oslo on 9 May 2024.",
         ["Ann plans a trip to Oslo on 9 May 2024, first planned for 3 May 2024."], Update,
         "Ann made a trip to Oslo on 9 May 2024."),
        ("Ann cancelled the trip to Oslo.", ["Ann plans a trip to Oslo on 3 May 2024."], Delete, ""),
        ("Ann no longer owns a red van.", ["Ann owns a red van, bought on 3 May 2024."], Delete, ""),
        ("Ann bought a red van on 3 May 2024.", ["Ann owns a blue van."], Add,
         "Ann owns a red van, bought on 3 May 2024."),
    ],
)  # fmt: skip
def test_each_event_has_its_operation(text, held, kind, then):
    found = operation(text, *held)
    assert isinstance(found, kind)
    assert getattr(found, "text", "") == then


@pytest.mark.parametrize(
    ("text", "held", "reason"),
    [
        ("Ann lives in Lyon.", ["Ann lives in Lyon (since 3 May 2024)."], "duplicate"),
        ("Ann used to live in Oslo.", ["Ann lives in Lyon, before that in Oslo."], "duplicate"),
        ("Ann has a pet: a dog named Rex.", ["Ann has two pets: a dog named Rex and a cat named Tom."], "duplicate"),
        ("Ann no longer likes chess.", ["Bea likes chess."], "duplicate"),
        ("Ann is tired today.", [], "not-a-fact"),
        ("Nothing of ours", ["Ann likes chess."], "not-a-fact"),
    ],
)
def test_what_changes_nothing_is_a_noop_and_says_why(text, held, reason):
    found = operation(text, *held)
    assert isinstance(found, Noop) and found.reason == reason


def test_it_mends_a_bank_that_contradicts_itself():
    found = operation("Ann moved to live in Oslo on 3 May 2024.", "Ann lives in Lyon.", "Ann lives in Lille.")
    assert isinstance(found, Update) and found.targets == ("m1", "m2")
    assert found.text == "Ann lives in Oslo (since 3 May 2024), before that in Lille."


def test_a_memory_is_ended_once_in_a_turn():
    live = tuple(bank("Ann likes chess.").live.values())
    ended = decide([fact("Ann no longer likes chess.")] * 2, [live, live])
    assert [one.kind for one in ended] == ["delete", "noop"]


def test_the_answerer_gives_both_where_memories_contradict():
    live = tuple(bank("Ann lives in Lyon.", "Ann lives in Lille.", "Bea lives in Oslo.").live.values())
    found = answer_from("Where does Ann live?", live)
    assert (found.text, found.selected) == ("Lyon or Lille", ("m1", "m2"))
    assert answer_from("What is love?", live).text == "No information available"


# --- mistakes ---------------------------------------------------------------------------------------------------


@some
@given(worlds, st.data())
def test_a_wrong_bank_shows_in_an_answer_and_a_right_one_in_none(world, data):
    """One mistake anywhere: what the bank states differs from the world exactly if a question comes out wrong."""
    facts = facts_by_turn(world)
    live = Memories(world.conversation.turns)
    turn = data.draw(st.integers(0, len(facts) - 1))
    for mine in facts[:turn]:
        live.learn(mine)
    for one in facts[turn][:1]:
        right = right_operation(one, tuple(live.live.values()))
        _, wrong = data.draw(st.sampled_from(list(mistakes(one, right))))
        live.write([wrong])
    live.learn(facts[turn][1:])
    for count, mine in enumerate([[], *facts[turn + 1 :]], turn + 1):
        live.learn(mine)
        asked = world.questions(count)
        right_states = {slot: {state} for slot, state in world.states(count).items()}
        assert bool(live.wrong(asked)) == (live.states() != right_states)


def test_every_mistake_is_tried_and_told():
    found = [one for number in range(2) for one in outcomes(make_world(0, "test", number))]
    table = by_mistake(found)
    assert list(dict.fromkeys(right for right, _ in table)) == [
        "add", "update", "delete", "noop (duplicate)", "noop (not-a-fact)"
    ]  # fmt: skip
    assert {mistake for _, mistake in table} == set(MISTAKES)
    for key in [("add", "left out"), ("update", "left out"), ("update", "added"), ("update", "deleted"),
                ("delete", "left out"), ("delete", "added")]:  # fmt: skip
        assert all(one.at_once > 0 for one in table[key]), f"{key} has no effect on any answer"
    assert sum(one.at_once > 0 for one in table["update", "overwritten"]) > len(table["update", "overwritten"]) / 2
    changing = [one for one in found if one.at_end and one.right in ("add", "update", "delete")]
    assert sum(bool(one.linked) for one in changing) > 0.9 * len(changing)


def test_a_world_without_news_has_nothing_to_ask_and_nothing_to_spoil():
    found = (make_world(0, "train", number, Size(1, 4)) for number in range(300))
    world = next(one for one in found if one.conversation.facts and not one.log)
    assert not world.conversation.questions
    assert {(one.mistake, one.at_once, one.at_end, one.linked) for one in outcomes(world)} == {("added", 0, 0, None)}


def test_memories_fork():
    one = bank("Ann likes chess.")
    other = one.fork()
    other.write([Delete(("m1",), ("D1:2",))])
    assert one.live and not other.live and not other.states()
    assert one.states() == dict([(lambda read: (read[0], {read[1]}))(read_state("Ann likes chess."))])


# --- the rows ---------------------------------------------------------------------------------------------------


@needs_punkt
def test_the_rows_are_a_ceiling_and_two_floors(tmp_path):
    words = ("eval", "--task", "world:conversations=1,sessions=3", "--out", tmp_path)
    table = read(*words, "--system", "oracle,always-add,always-noop,rules", "--adversarial")
    found = {row["system"]: row["overall"] for row in table["rows"]}
    assert all(found["oracle"][measure]["mean"] == 1 for measure in ("mem0.f1", "mem0.bleu1", "mem0.em", "locomo.f1"))
    assert found["always-noop"]["mem0.em"]["mean"] < found["always-add"]["mem0.em"]["mean"] < 0.6
    info = json.loads((tmp_path / "run.json").read_text())
    assert info["task"] == "world:conversations=1,sessions=3" and len(info["data_sha256"]) == 64


async def test_the_oracle_knows_only_its_world(tmp_path):
    models = row_models("oracle", {}, {})
    system = await make_system(Row("oracle", models))
    assert system.describe()["manager"] == "oracle"
    conversation = make_world(0, "test", 0).conversation
    for other in (replace(conversation, facts=()), replace(conversation, facts=(fact("she left"),))):
        with pytest.raises(InputError, match="oracle knows only the synthetic world, and 'world-0-test-0' is none"):
            await system.open(other, tmp_path)
    await system.close()


def test_the_rows_are_asked_for_by_name():
    assert check_names(["all"]) == list(SYSTEMS)
    assert check_names(["oracle", "rules"]) == ["rules", "oracle"]
    assert list(WORLD_SYSTEMS) == ["oracle", "always-add", "always-noop"]
    assert set(WORLD_SYSTEMS) == set(MANAGERS)
    with pytest.raises(InputError, match="there is no manager 'never'"):
        manager_of("never")


def test_a_mistake_table_is_a_command():
    table = read("bench", "world", "--worlds", 1)
    assert Counter(row["right"] for row in table["rows"]) >= Counter({"update": 4, "delete": 2, "add": 1})
    assert "one wrong operation in 1 worlds" in table["note"]
