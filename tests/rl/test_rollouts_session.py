"""Sessions: each decision is compared with others from the same bank, and one of them goes on."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from rollout_fakes import Policy, add, environment, moody, noop, right

from memory_r1.memory.errors import InputError
from memory_r1.rl.rollouts.environment import Session
from memory_r1.rl.rollouts.types import BankState
from memory_r1.rl.training.world_rows import world_session_rows

TURNS = 4
ROWS = world_session_rows(0, "train", 3, turns=TURNS)
FOUR = Session(rolls=4)


def plain(decisions):
    """Decisions without their calls, which are numbered as they came."""
    return [replace(one, call=None) for one in decisions]


async def test_the_oracle_earns_everything_at_every_turn_and_knows_that_it_was_right() -> None:
    env = environment()
    for one in ROWS:
        episode = await env.session(one, Policy(right), FOUR)
        assert Counter(decision.step for decision in episode.decisions) == dict.fromkeys(range(TURNS), 4)
        assert episode.reward == (await env.baselines(one)).oracle == 1.0
        assert [decision.right for decision in episode.decisions] == [s.right for s in one.steps for _ in range(4)]


async def test_the_decisions_of_a_group_met_the_same_bank_and_the_next_turn_follows_one_of_them() -> None:
    env = environment()
    for seed, one in enumerate(ROWS):
        episode = await env.session(one, moody(seed), FOUR)
        steps = [[d for d in episode.decisions if d.step == number] for number in range(TURNS)]
        assert all(len({(d.group, d.outcome.before) for d in step}) == 1 for step in steps)
        assert len({step[0].group for step in steps}) == TURNS
        for before, after in pairwise(steps):
            assert after[0].outcome.before in {d.outcome.after for d in before}


async def test_which_decision_goes_on_is_drawn_by_the_seed_and_blind_to_the_reward() -> None:
    steps = tuple(replace(step, right=None, questions=step.questions[:1]) for step in ROWS[0].steps[:2])
    env, one = environment(), replace(ROWS[0], bank=BankState(), steps=steps)

    def rolling() -> Policy:
        """Of the four rolls of a turn, the first stores, the others don't."""
        asked = Counter()

        def reply(messages):
            asked[messages[-1]["content"]] += 1
            return add(messages) if asked[messages[-1]["content"]] == 1 else noop(messages)

        return Policy(reply, lambda: 1)

    def kept(episode):
        return next(d.outcome.before for d in episode.decisions if d.step == 1)

    followed = [kept(await env.session(one, rolling(), replace(FOUR, seed=seed))) for seed in range(24)]
    grown = len(one.steps[0].facts)
    assert set(followed) == {0, grown}
    assert 2 <= followed.count(grown) <= 12, "one in four, whatever it earned"
    again = [kept(await env.session(one, rolling(), replace(FOUR, seed=seed))) for seed in range(6)]
    assert followed[:6] == again


async def test_the_right_operations_are_unknown_once_the_policy_went_its_own_way() -> None:
    env = environment()
    changed = next(one for one in ROWS if any(op.kind != "noop" for op in one.steps[0].right))
    episode = await env.session(changed, Policy(noop), FOUR)
    known = {decision.step: decision.right is not None for decision in episode.decisions}
    assert known == {0: True, 1: False, 2: False, 3: False}


async def test_credit_by_broadcast_gives_each_decision_the_reward_of_its_whole_session() -> None:
    env, one = environment(), ROWS[0]
    how = Session(rolls=4, credit="broadcast")
    episode = await env.session(one, moody(3), how)
    sessions = [episode.decisions[at : at + TURNS] for at in range(0, 4 * TURNS, TURNS)]
    for session in sessions:
        assert [decision.step for decision in session] == list(range(TURNS))
        assert len({decision.reward for decision in session}) == 1
        earned = [d.parts["em"] for d in session if d.outcome.replies]
        assert session[0].reward == pytest.approx(sum(earned) / len(earned))
    groups = {
        decision.group: [d.step for d in episode.decisions if d.group == decision.group] for decision in sessions[0]
    }
    assert list(groups.values()) == [[step] * 4 for step in range(TURNS)]


async def test_rows_of_several_steps_can_be_played_through_once() -> None:
    env, one = environment(), ROWS[1]
    twice = [await env.manage(one, Policy(right)) for _ in range(2)]
    assert [d.step for d in twice[0].decisions] == list(range(TURNS))
    assert [d.group for d in twice[0].decisions] == [d.group for d in twice[1].decisions]
    idle = await env.manage(one, Policy(noop))
    assert idle.decisions[0].group == twice[0].decisions[0].group
    assert idle.reward == (await env.baselines(one)).noop


async def test_a_turn_without_facts_is_played_once() -> None:
    one = replace(ROWS[0], steps=(replace(ROWS[0].steps[0], facts=(), right=()), ROWS[0].steps[1]))
    episode = await environment().session(one, Policy(noop), FOUR)
    assert Counter(decision.step for decision in episode.decisions) == {0: 1, 1: 4}
    assert episode.decisions[0].call is None


@pytest.mark.parametrize("credit", ["decision", "broadcast"])
async def test_sessions_at_once_come_out_as_one_after_the_other(credit) -> None:
    how = Session(rolls=2, credit=credit)
    alone, at_once = environment(), environment()
    expected = [await alone.session(one, moody(number), how) for number, one in enumerate(ROWS)]
    found = await asyncio.gather(*(at_once.session(one, moody(number), how) for number, one in enumerate(ROWS)))
    assert [plain(one.decisions) for one in found] == [plain(one.decisions) for one in expected]


def test_a_session_says_what_it_cant_be() -> None:
    with pytest.raises(InputError, match="rolls=0"):
        Session(rolls=0)
    with pytest.raises(InputError, match="credit 'none'"):
        Session(credit="none")
