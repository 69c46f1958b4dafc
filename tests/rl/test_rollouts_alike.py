"""What is said alike from one state is played once, and nobody can tell."""

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_fakes import Policy, add, environment, moody, noop, right

from memory_r1.graphs.completers import Completion
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.rl.rollouts.alike import Alike
from memory_r1.rl.rollouts.session import Session
from memory_r1.rl.training.world_rows import world_answerer_rows, world_manager_rows

ROWS = world_manager_rows(0, "train", 12)
ASK = [{"role": "user", "content": "What now?"}]


class Runs:
    """A play that asks once, and ends with what it heard; counts what began and what ended."""

    def __init__(self, prompt=ASK):
        self.prompt, self.began, self.ended = prompt, 0, []

    async def __call__(self, voice):
        self.began += 1
        await asyncio.sleep(0)
        if not self.prompt:
            return "nothing asked"
        try:
            heard = (await voice.complete(self.prompt)).text
        except MalformedOutputError as error:
            heard = f"not asked: {error}"
        await asyncio.sleep(0)
        self.ended.append(heard)
        return heard.upper()


def says(*texts):
    given = iter(texts)
    return Policy(lambda _: next(given))


async def test_each_member_is_asked_and_what_they_say_alike_is_played_once() -> None:
    alike, runs = Alike(10), Runs()
    policies = [says(text) for text in ("a", "b", "a", "a", "b")]
    heard = await asyncio.gather(*[alike.play("state", policy, runs) for policy in policies])
    assert [one.played for one in heard] == ["A", "B", "A", "A", "B"]
    assert [one.call for one in heard] == [policy.said[0] for policy in policies], "each keeps its own tokens"
    assert Counter(runs.ended) == {"a": 1, "b": 1} and alike.made == 2
    assert runs.began == 2, "the run that told the prompt is one of the two"
    again = await alike.play("state", says("a"), runs)
    assert again.played == "A" and runs.began == 2
    assert (await alike.play("another", says("a"), runs)).played == "A" and runs.began == 3


async def test_a_reply_that_broke_off_is_another_one() -> None:
    alike, runs = Alike(10), Runs()
    whole, broken = Completion("a"), Completion("a", ended=False)
    found = await asyncio.gather(*[alike.play("state", says(one), runs) for one in (whole, broken)])
    assert [one.call for one in found] == [whole, broken] and alike.made == 2


async def test_a_run_that_asks_nothing_is_played_once_and_has_no_call() -> None:
    alike, runs, policy = Alike(10), Runs(prompt=()), says()
    found = await asyncio.gather(*[alike.play("state", policy, runs) for _ in range(3)])
    assert [(one.played, one.call) for one in found] == [("nothing asked", None)] * 3
    assert runs.began == 1 and not policy.said


async def test_the_graph_hears_why_a_policy_cannot_be_asked_and_the_others_do_not() -> None:
    alike, runs = Alike(10), Runs()
    policies = [says(MalformedOutputError("too long")), says("a"), says(MalformedOutputError("too long"))]
    found = await asyncio.gather(*[alike.play("state", policy, runs) for policy in policies])
    assert [one.played for one in found] == ["NOT ASKED: TOO LONG", "A", "NOT ASKED: TOO LONG"]
    assert [one.call is None for one in found] == [True, False, True]


async def test_what_a_run_raises_reaches_all_who_wait_and_nothing_of_it_stays() -> None:
    alike, broken = Alike(10), [True]

    async def run(voice):
        await voice.complete(ASK)
        await asyncio.sleep(0)
        if broken:
            raise ConnectionError("gone")
        return "well"

    found = await asyncio.gather(*[alike.play(1, says("a"), run) for _ in range(3)], return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError] * 3
    broken.clear()
    assert (await alike.play(1, says("a"), run)).played == "well"


async def test_runs_that_ask_different_things_from_one_state_are_a_defect() -> None:
    alike = Alike(10)
    await alike.play("state", says("a"), Runs())
    with pytest.raises(AssertionError, match="asked different things"):
        await alike.play("state", says("b"), Runs([{"role": "user", "content": "And now?"}]))


async def test_a_member_that_is_cancelled_leaves_its_work_to_the_others() -> None:
    alike, runs, gate = Alike(10), Runs(), asyncio.Event()

    class Slow(Policy):
        async def complete(self, messages):
            await gate.wait()
            return await super().complete(messages)

    first = asyncio.create_task(alike.play("state", Slow(lambda _: "a"), runs))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(alike.play("state", says("a"), runs))
    first.cancel()
    assert (await second).played == "A"
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1, "the run of the first is given up"


def alone(decision):
    """A decision without what is each member's own."""
    return replace(decision, call=None)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), row=st.sampled_from(ROWS))
async def test_members_of_a_group_end_as_each_would_alone(seed, row) -> None:
    env = environment()
    moods = [Random(f"{seed}/{member}").choice([right, noop, add]) for member in range(6)]
    together = await asyncio.gather(*[env.manage(row, Policy(mood)) for mood in moods])
    for mood, episode in zip(moods, together, strict=True):
        by_itself = await environment().manage(row, Policy(mood))
        assert list(map(alone, episode.decisions)) == list(map(alone, by_itself.decisions))
        assert episode.reward == by_itself.reward and all(one.call for one in episode.decisions)


async def test_a_group_is_played_as_often_as_it_differs() -> None:
    env = environment()
    moods = [right, noop, right, right, noop, right, right, right]
    await asyncio.gather(*[env.manage(ROWS[0], Policy(mood)) for mood in moods])
    assert env.plays == 2
    (asked,) = world_answerer_rows(0, "train", 1)
    policies = [Policy(right) for _ in range(4)]
    found = await asyncio.gather(*[env.answer(asked, policy) for policy in policies])
    assert env.plays == 3
    assert [one.decisions[0].call for one in found] == [policy.said[0] for policy in policies]


async def test_a_session_goes_on_from_what_was_said() -> None:
    row = world_manager_rows(1, "train", 2, turns=3)[0]
    for credit in ("decision", "broadcast"):
        episode = await environment().session(row, moody(3), Session(4, credit))
        fresh = await environment().session(row, moody(3), Session(4, credit))
        assert list(map(alone, episode.decisions)) == list(map(alone, fresh.decisions))
