"""Rows of the synthetic world: the right operations earn every question, doing nothing loses one, and shares hold."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.memory.errors import InputError
from memory_r1.rl.training.leaks import check_apart, check_rows
from memory_r1.rl.training.world_rows import (
    BALANCED,
    KINDS,
    Choice,
    world_answerer_rows,
    world_manager_rows,
    world_rows,
    world_session_rows,
)
from memory_r1.rl.world import Size, make_world
from memory_r1.rl.world.known import CATEGORIES
from memory_r1.rl.world.memories import Memories
from memory_r1.rl.world.oracle import answer_from

SMALL = Choice(Size(3, 12, 60))
some = settings(max_examples=6)
seeds = st.integers(0, 10**6)
splits = st.sampled_from(("train", "validation", "test"))


def kind(row):
    found = {op.kind for step in row.steps for op in step.right}
    return next(one for one in KINDS if one in found)


def bank_of(row):
    turns = {turn.id: turn for turn in (*row.bank.turns, *(step.turn for step in row.steps))}
    return Memories.holding(tuple(turns.values()), row.bank.memories)


@some
@given(seeds, splits, st.integers(1, 4))
def test_the_right_operations_answer_every_question(seed, split, turns):
    for row in world_manager_rows(seed, split, 10, SMALL, turns):
        bank = bank_of(row)
        assert len(row.steps) == turns and any(step.questions for step in row.steps)
        for step in row.steps:
            bank.write(step.right)
            assert not bank.wrong(step.questions), row.id


@some
@given(seeds, splits)
def test_doing_nothing_loses_a_question_unless_it_is_right(seed, split):
    for row in world_manager_rows(seed, split, 20, SMALL):
        (step,) = row.steps
        linked = [one for one in step.questions if step.turn.id in one.evidence]
        assert bool(bank_of(row).wrong(linked)) == (kind(row) != "noop"), row.id
        assert len(linked) <= SMALL.questions and len(step.questions) - len(linked) <= SMALL.guards


def test_the_shares_are_those_asked_for():
    rows = world_manager_rows(5, "train", 50, SMALL)
    assert Counter(map(kind, rows)) == {name: round(50 * share) for name, share in BALANCED.items()}
    only = world_manager_rows(5, "train", 8, Choice(SMALL.size, {"delete": 1}))
    assert set(map(kind, only)) == {"delete"}
    natural = Counter(map(kind, world_manager_rows(5, "train", 100, Choice(SMALL.size, {}))))
    assert natural["add"] > natural["update"] > natural["delete"]
    asked = world_answerer_rows(5, "train", 70, SMALL)
    assert Counter(row.question.category for row in asked) == dict.fromkeys(CATEGORIES, 10)


def test_without_guards_what_changes_nothing_is_no_row():
    rows = world_manager_rows(5, "train", 60, Choice(SMALL.size, {}, guards=0))
    assert all(step.questions for row in rows for step in row.steps)
    with pytest.raises(InputError, match=r"none of the rows still wanted \(\{'noop': 3\}\)"):
        world_manager_rows(5, "train", 3, Choice(Size(1, 4, 60), {"noop": 1}, questions=0, guards=0))


@some
@given(seeds, splits)
def test_an_answerers_bank_tells_the_answer(seed, split):
    for row in world_answerer_rows(seed, split, 10, SMALL):
        assert answer_from(row.question.text, row.bank.memories).text == row.question.answer
        number, count = row.conversation.rpartition("-")[2], row.question.id.rpartition(":")[2].partition("q")[0]
        world = make_world(seed, split, int(number), SMALL.size)
        assert {memory.text for memory in row.bank.memories} == world.memories(int(count))


def test_the_same_arguments_make_the_same_rows_each_with_an_id():
    for make in (world_manager_rows, world_session_rows, world_answerer_rows):
        rows = make(3, "train", 20, SMALL)
        assert rows == make(3, "train", 20, SMALL) and len(rows) == 20
        assert len({row.id for row in rows}) == 20
        assert rows != make(4, "train", 20, SMALL)
        assert {row.task for row in rows} == {"world:seed=3,sessions=3,turns=12,names=60"}
    assert world_rows("manager", "world:seed=3,sessions=3,turns=12,names=60", "train", 20) == world_manager_rows(
        3, "train", 20, SMALL
    )


def test_shares_that_are_not_asked_for_give_way():
    """Worlds of one short session have no past; then other questions fill the file."""
    rows = world_answerer_rows(1, "test", 14, Choice(Size(1, 4, 60)))
    assert len(rows) == 14 and not any(row.question.category == "past" for row in rows)
    with pytest.raises(InputError, match="none of the rows still wanted"):
        world_answerer_rows(1, "test", 14, Choice(Size(1, 4, 60), {"past": 1}))


def test_no_bank_is_larger_than_wanted():
    rows = world_manager_rows(3, "train", 30, Choice(Size(4, 16), memories=6))
    assert max(len(row.bank.memories) for row in rows) <= 6


@some
@given(seeds)
def test_splits_share_nothing(seed):
    train = world_manager_rows(seed, "train", 10, Choice(Size(2, 12)))
    held = [*world_manager_rows(seed, "test", 5, Choice(Size(2, 12))), *world_answerer_rows(seed, "validation", 5)]
    check_rows([*train, *held])
    check_apart(train, held)


@pytest.mark.parametrize(
    ("choice", "turns", "said"),
    [
        (Choice(shares={"merge": 1}), 1, "merge"),
        (Choice(shares={"add": -1}), 1, "add=-1"),
        (Choice(shares={"add": 0}), 1, "at least one"),
        (SMALL, 0, "turns=0"),
    ],
)
def test_what_can_not_be_is_refused(choice, turns, said):
    with pytest.raises(InputError, match=said):
        world_manager_rows(1, "train", 3, choice, turns)


def test_a_negative_number_of_questions_is_refused():
    with pytest.raises(InputError, match="guards=-1"):
        Choice(guards=-1)
    with pytest.raises(InputError, match="'locomo' is none of the synthetic world's"):
        world_rows("manager", "locomo", "train", 3)


def test_every_row_asks_the_manager():
    def word_for_word(row):
        held = {memory.text.casefold() for memory in row.bank.memories}
        return all(fact.text.casefold() in held for step in row.steps for fact in step.facts)

    rows = world_manager_rows(3, "train", 120, Choice(size=Size(names=120), shares={"noop": 1.0}))
    assert len(rows) == 120 and not any(map(word_for_word, rows))
