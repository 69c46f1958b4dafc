"""The synthetic world: one seed makes one world; what is said in it is true, rightly dated, and said in many ways."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.memory.dates import find_dates
from memory_r1.memory.errors import InputError
from memory_r1.rl.metrics import locomo
from memory_r1.rl.tasks import load_task
from memory_r1.rl.tasks.check import check
from memory_r1.rl.world import Size, make_world
from memory_r1.rl.world.chance import SPLITS, Chance, Names, split_of
from memory_r1.rl.world.events import AFTER, Event, Slot, after
from memory_r1.rl.world.known import KINDS, Asking, answer, read_question
from memory_r1.rl.world.language import FACTS, iso, read_event, read_state, write_event, write_state
from memory_r1.rl.world.lexicon import PASSING
from memory_r1.rl.world.life import Told
from memory_r1.rl.world.proposals import MOST
from memory_r1.rl.world.questions import gold_of, known_of, replay
from memory_r1.rl.world.task import NAME, read_options, world_task
from memory_r1.rl.world.wording import OTHER, OWN, say_day
from tests.rl.test_metrics import needs_punkt

sizes = st.builds(Size, st.integers(1, 5), st.integers(4, 24), st.sampled_from([0, 0, 60]))
worlds = st.builds(make_world, st.integers(0, 10**6), st.sampled_from(SPLITS), st.integers(0, 50), sizes)
some = settings(max_examples=25)

GOLDEN = "32f06f2da54182f42e260690d5b4445b833a5a1149eb9d49381de2cad7cd1b3d"
"""The digest of `world:conversations=2`: it is the same on every machine, in every process, with every Python."""


def names_of(conversation):
    """The invented names that a conversation's facts, speakers and questions hold."""
    return {*conversation.speakers, *(name for fact in conversation.facts for name in fact.entities)}


# --- one seed, one world ------------------------------------------------------------------------------------


def test_a_seed_makes_the_same_bytes_everywhere():
    code = "from memory_r1.rl.tasks import load_task; print(load_task('world:conversations=2').sha256)"
    said = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": hashseed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for hashseed in ("1", "2")
    ]
    assert said == [GOLDEN] * 2


def test_chance_is_what_python_promises_to_keep():
    chance = Chance("a", 1)
    assert [chance.below(100) for _ in range(6)] == [77, 69, 44, 34, 45, 80]
    assert Counter(chance.weighted({"a": 3, "b": 1}) for _ in range(400))["a"] in range(260, 340)
    assert sorted(chance.shuffled([3, 1, 2])) == [1, 2, 3]


@some
@given(worlds, st.integers(0, 2**32))
def test_another_seed_or_number_makes_another_world(world, other):
    assert make_world(other + 10**7, "test", 0).conversation.turns != world.conversation.turns


@some
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 2))
def test_nothing_leaks_from_the_future(seed, fewer, more):
    """A world with more sessions begins as the one with fewer, so that nothing rests on what comes later."""
    short = make_world(seed, "train", 0, Size(fewer, 12))
    long = make_world(seed, "train", 0, Size(fewer + more, 12))
    count = len(short.conversation.turns)
    assert long.conversation.turns[:count] == short.conversation.turns
    assert long.until(count) == short.log
    assert long.questions(count) == short.conversation.questions
    said = {turn.id for turn in short.conversation.turns}
    assert {turn for asked in long.questions(count) for turn in asked.evidence} <= said


# --- what is said -------------------------------------------------------------------------------------------


@some
@given(worlds)
def test_ids_are_unique_and_times_run_forward(world):
    conversation = world.conversation
    turns = conversation.turns
    assert len({turn.id for turn in turns}) == len(turns)
    assert [turn.time for turn in turns] == sorted({turn.time for turn in turns})
    assert len({asked.id for asked in conversation.questions}) == len(conversation.questions)
    assert len({asked.text for asked in conversation.questions}) == len(conversation.questions)
    sessions = defaultdict(list)
    for turn in turns:
        sessions[turn.session].append(turn)
    for said in sessions.values():
        assert [turn.index for turn in said] == list(range(len(said)))
        assert len({turn.time.date() for turn in said}) == 1
        assert all(one.speaker != other.speaker for one, other in pairwise(said))


@some
@given(worlds)
def test_every_day_said_is_the_day_meant(world):
    """A turn's days, as any reader of its text finds them, are those of its facts: none more, none contradicting."""
    facts = defaultdict(list)
    for fact in world.conversation.facts:
        facts[fact.turns[-1]].append(fact)
    for turn in world.conversation.turns:
        if any(said in turn.text for said, _ in PASSING):
            continue
        events = [read_event(fact.text) for fact in facts[turn.id]]
        meant = {arg for event in events for arg in event.args if arg[0].isdigit()}
        assert {mention.when for mention in find_dates(turn.text, turn.time) if mention.when} == meant, turn.text


@given(st.integers(0, 800), st.integers(-70, 70), st.integers(0, 30))
def test_a_day_is_said_so_that_it_is_understood(start, ahead, seed):
    said = date.fromordinal(date(2023, 1, 1).toordinal() + start)
    day = date.fromordinal(said.toordinal() + ahead)
    text = f"I {'will go' if ahead > 0 else 'went'} there {say_day(day.isoformat(), said, Chance(seed))}."
    found = find_dates(text, datetime.combine(said, time()))
    assert [mention.when for mention in found] == [day.isoformat()], text


@some
@given(worlds)
def test_facts_name_their_turn_their_speaker_and_the_people(world):
    turns = {turn.id: turn for turn in world.conversation.turns}
    for fact in world.conversation.facts:
        event = read_event(fact.text)
        (turn,) = fact.turns
        assert fact.speaker == turns[turn].speaker
        assert event.slot.person in fact.entities
        assert all(name in fact.text for name in fact.entities)
        assert fact.when == next((arg for arg in event.args if arg[0].isdigit()), "")


@some
@given(worlds)
def test_a_life_has_its_measure(world):
    count = len(world.conversation.turns)
    live = Counter((slot.person, slot.topic) for slot in world.states(count))
    assert all(number <= max(MOST.get(topic, 1), 1) for (_, topic), number in live.items())
    told = dict.fromkeys(world.conversation.speakers, 0)
    tellers = {name: name for name in told} | {t.event.args[0]: t.speaker for t in world.log if t.event.kind == "is"}
    for slot in world.states(count):
        told[tellers[slot.person]] += 1
    assert max(told.values()) <= 30, "more than an answerer is shown of each speaker"


def test_the_same_is_said_in_many_ways():
    assert all(len(ways) >= 3 for (topic, _), ways in OWN.items() if topic != "trip")
    assert set(OWN) == set(FACTS) - {("passing", "remark")} == set(AFTER) - {("passing", "remark")}
    assert {topic for topic, _ in OTHER} == {"home", "job", "pets"}
    made = [make_world(3, "train", number).conversation for number in range(20)]
    telling = {(one.id, turn) for one in made for fact in one.facts for turn in fact.turns}
    texts = [turn.text for one in made for turn in one.turns if (one.id, turn.id) in telling]
    assert len(set(texts)) > 0.9 * len(texts)


def test_what_happens_is_of_every_kind():
    kinds = Counter(
        (event.slot.topic, event.kind)
        for n in range(20)
        for fact in make_world(4, "train", n).conversation.facts
        if (event := read_event(fact.text))
    )
    told = {("pets", "gain") if key == ("pets", "have") else key for key in kinds}
    assert set(AFTER) - {("pets", "have")} <= told
    assert ("pets", "have") in kinds


# --- the two plain forms ------------------------------------------------------------------------------------


@some
@given(worlds)
def test_facts_and_memories_are_read_as_they_were_written(world):
    for fact in world.conversation.facts:
        assert write_event(read_event(fact.text)) == fact.text
    for slot, state in world.states(len(world.conversation.turns)).items():
        assert read_state(write_state(slot, state)) == (slot, state)


def test_the_papers_example_is_a_merge():
    pets = Slot("Andrew", "pets")
    state = after((), Event(pets, "gain", ("dog", "Buddy")))
    assert write_state(pets, state) == "Andrew has one pet: a dog named Buddy."
    state = after(state, Event(pets, "gain", ("dog", "Scout")))
    assert write_state(pets, state) == "Andrew has two pets: a dog named Buddy and a dog named Scout."
    known = known_of({pets: state})
    assert answer(Asking("pets", ("Andrew",)), known) == "Buddy and Scout"
    assert answer(Asking("pets-count", ("Andrew",)), known) == "two"


@pytest.mark.parametrize(
    "text", ["", "ann lives in Lyon.", "Ann has two pets: .", "Ann has two pets: a dog.", "Ann lives.", "She left."]
)
def test_what_states_nothing_is_no_state(text):
    assert read_state(text) is None


def test_a_day_that_is_none_is_not_read():
    assert iso("31 February 2024") == iso("3 Mayday 2024") == ""
    assert read_state("Ann owns a red bicycle, bought on 31 February 2024.") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_is_read_as_what_it_asks(kind):
    values = {"person": "Ann", "key": "Lyon" if kind.startswith("trip") else "red van", "value": "Rex"}
    labels = KINDS[kind].forms[0].labels
    if kind in ("job-before", "job-since", "like-still"):
        values["value"] = "night nurse"
    asking = Asking(kind, tuple(values[label] for label in labels))
    for way in range(len(KINDS[kind].forms)):
        assert KINDS[kind].forms[way].labels == labels
        assert read_question(asking.put(way)) == asking
    assert read_question("What is love?") is None


# --- questions ----------------------------------------------------------------------------------------------


@some
@given(worlds)
def test_golds_follow_from_the_world_at_the_time_of_asking(world):
    for count in (len(world.conversation.turns) // 2, len(world.conversation.turns)):
        known = known_of(replay(world.until(count)))
        for asked in world.questions(count):
            assert answer(read_question(asked.text), known) == asked.answer
            assert asked.asked > world.conversation.turns[count - 1].time
            assert asked.unanswerable == asked.apart == (asked.category == locomo.ADVERSARIAL) == (not asked.evidence)
            assert bool(locomo.refuses(asked.answer)) == asked.unanswerable


def test_evidence_is_what_the_answer_needs():
    pets = Slot("Ann", "pets")
    said = [Event(pets, "gain", ("dog", "Rex")), Event(pets, "rename", ("dog", "Max", "Rex"))]
    home = Slot("Ann", "home")
    said += [Event(home, "settle", ("Lyon",)), Event(home, "correct", ("Lille", "Lyon"))]
    said += [Event(home, "move", ("Oslo", "2024-05-03"))]
    log = [Told(f"t{at}", 0, "Ann", event) for at, event in enumerate(said)]

    def found(kind, *values):
        return gold_of(Asking(kind, values), log, replay(log))

    assert found("pets-count", "Ann") == ("one", ("t0",))
    assert found("pets", "Ann") == ("Max", ("t1",))
    assert found("home-before", "Ann", "Oslo") == ("Lille", ("t3", "t4"))
    assert found("homes-count", "Ann") == ("two", ("t2", "t4"))
    assert found("owner-home", "Max") == ("Oslo", ("t1", "t4"))


@needs_punkt
def test_every_gold_scores_1_and_silence_0():
    checked = check(world_task("conversations=2"))
    assert checked.questions > 500


# --- names and splits ---------------------------------------------------------------------------------------


def test_splits_share_no_name():
    task = world_task("conversations=6,seed=9")
    found = {split: {name for one in task.split(split) for name in names_of(one)} for split in SPLITS}
    assert all(split_of(name) == split for split, names in found.items() for name in names)
    assert not found["train"] & found["test"] and not found["train"] & found["validation"]
    assert min(map(len, found.values())) > 50


def test_a_closed_list_has_so_many_names_and_is_every_worlds():
    names = set()
    for seed in range(4):
        for split in SPLITS:
            names |= names_of(make_world(seed, split, 0, Size(names=60)).conversation)
    assert 100 < len(names) <= 120
    left = Names(Chance(1), "test", 60)
    assert len({left.name() for _ in range(60)} | {left.town() for _ in range(60)}) == 120
    assert left.name() == left.town() == ""


@some
@given(worlds)
def test_names_of_one_world_begin_differently(world):
    names = names_of(world.conversation)
    assert len({name[:3] for name in names}) == len(names)


# --- the task -----------------------------------------------------------------------------------------------


def test_the_tasks_name_says_what_is_not_by_default():
    assert read_options("").name == NAME
    assert load_task("world:conversations=1,seed=3").name == "world:seed=3,conversations=1"
    assert world_task("conversations=2,sessions=1,turns=5").split("validation")[1].id == "world-0-validation-1"
    task = world_task("conversations=3,sessions=2")
    assert [len(task.split(split)) for split in SPLITS] == [3, 3, 3]
    assert all(one.facts for one in task.conversations)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed", "'seed' is no option of task 'world': write world:KEY=NUMBER"),
        ("seed=x", "'seed=x' is no option"),
        ("seed=1,seed=2", "'seed=2' is no option"),
        ("size=3", "each key once, out of seed, conversations, sessions, turns, names"),
        ("seed=-1", "'seed=-1' is no option"),
        ("conversations=0", "conversations=0 is outside of 1 to 100000"),
        ("turns=3", "turns=3 is outside of 4 to 100"),
        ("sessions=61", "sessions=61 is outside of 1 to 60"),
        ("names=10", "names=10 is neither 0, for an open vocabulary, nor in 60 to 300"),
    ],
)
def test_an_option_that_cant_be_is_refused_by_name(text, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        load_task(f"world:{text}")


def test_a_world_is_read_from_no_file_and_splits_have_names():
    with pytest.raises(InputError, match="task 'world' is made, not read"):
        load_task("world", "file.json")
    with pytest.raises(InputError, match="there is no split 'dev'"):
        make_world(0, "dev", 0)
    for count in (0, 97):
        with pytest.raises(InputError, match=f"count={count} is no number of turns from 1 to 96"):
            make_world(0, "test", 0).questions(count)


def test_the_readmes_sample_is_what_its_code_prints():
    text = (Path(__file__).resolve().parents[2] / "rl" / "README.md").read_text(encoding="utf-8")
    code, sample = re.search(
        r"## The synthetic world\n.*?```python\n(.*?)```\n```text\n(.*?)```", text, re.DOTALL
    ).groups()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.rstrip() for line in done.stdout.splitlines()] == sample.splitlines()
