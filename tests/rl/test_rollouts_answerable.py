"""Rows keep the questions that a frozen answerer can tell something by."""

from dataclasses import replace

import pytest
from rollout_fakes import Policy, environment, noop, right

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Answer
from memory_r1.rl.training.world_rows import world_manager_rows
from memory_r1.rl.world.oracle import OracleAnswerer

ROWS = world_manager_rows(3, "train", 30)


class Deaf(OracleAnswerer):
    """The oracle, but for questions that it doesn't get."""

    def __init__(self, unknown: str) -> None:
        self.unknown = unknown

    async def answer(self, question, hits, asked=None, **more):
        if question.startswith(self.unknown):
            return Answer(question, "what?", ())
        return await super().answer(question, hits, asked, **more)


async def test_who_knows_all_keeps_every_question():
    env = environment()
    assert [await env.answerable(one) for one in ROWS] == ROWS


async def test_questions_that_the_answerer_gets_wrong_about_the_right_bank_go():
    env = environment(Deaf("W"))
    asked = [question for one in ROWS for question in one.steps[0].questions]
    assert any(question.text.startswith("W") for question in asked)
    found = [await env.answerable(one) for one in ROWS]
    kept = [one for one in found if one is not None]
    assert 0 < len(kept) < len(ROWS)
    for one in kept:
        (before,) = [row for row in ROWS if row.id == one.id]
        left = tuple(question for question in before.steps[0].questions if not question.text.startswith("W"))
        assert one == replace(before, steps=(replace(before.steps[0], questions=left),)) and left
        assert (await env.manage(one, Policy(right))).reward == 1.0
        if any(operation.kind != "noop" for operation in one.steps[0].right):
            assert (await env.manage(one, Policy(noop))).reward < 1.0


async def test_a_row_of_which_nothing_is_left_is_none():
    env = environment(Deaf(""))
    assert [await env.answerable(one) for one in ROWS[:3]] == [None] * 3


async def test_who_doesn_t_say_what_is_right_is_refused():
    (step,) = ROWS[0].steps
    with pytest.raises(InputError, match="doesn't say what is right"):
        await environment().answerable(replace(ROWS[0], steps=(replace(step, right=None),)))
