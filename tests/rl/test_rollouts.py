"""Episodes in the compiled graphs: the oracle earns the oracle's reward, and no rollout knows of another."""

import asyncio
import pickle
from dataclasses import replace

import pytest
from graph_fakes import START, Scripted, said
from rollout_fakes import Counting, Policy, add, environment, moody, noop, operations, right

from memory_r1.graphs.completers import Completion
from memory_r1.graphs.endpoint import Patience
from memory_r1.graphs.models import ModelOptions
from memory_r1.graphs.remember import Limits
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.memory.errors import InputError, MalformedOutputError, ModelUnavailableError
from memory_r1.memory.types import Add, Delete, Fact, Memory
from memory_r1.rl.judge import Judge
from memory_r1.rl.rewards import Rewards
from memory_r1.rl.rollouts.baselines import Baselines
from memory_r1.rl.rollouts.environment import Environment, Rules
from memory_r1.rl.rollouts.errors import RolloutLostError
from memory_r1.rl.rollouts.types import AnswererRow, BankState, ManagerRow, Step
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.training.world_rows import world_answerer_rows, world_manager_rows

ROWS = world_manager_rows(0, "train", 24)
QUICK = Rules(limits=Limits(candidates=60), retries=0)
HELLO = (said("Hello", 0),)
CAT = Question("q1", "What is the cat called?", "Tom", "present", ("s1:9",))


def memory(number, text="Ann has a dog."):
    return Memory(f"m{number}", text, "Ann", ("s1:0",), "s1", 0, START, 1)


def row(*memories, facts=("Ann has a cat called Tom.",), questions=(CAT,), right=None, turns=HELLO):
    """A row of one step, whose turn is s1:9."""
    told = tuple(Fact(text, "Ann", ("s1:9",)) for text in facts)
    step = Step(said("I have a cat called Tom.", 9), told, questions, right)
    return ManagerRow("r1", "task", "train", "c1", BankState(memories, turns), (step,))


async def test_the_oracle_as_a_policy_earns_the_oracles_reward_and_always_noop_less() -> None:
    env = environment()
    best, idle, rewards = Policy(right), Policy(noop), []
    for one in ROWS:
        expected = await env.baselines(one)
        assert (await env.manage(one, best)).reward == expected.oracle == 1.0
        rewards.append((await env.manage(one, idle)).reward)
        assert rewards[-1] == expected.noop
    changes = [one for one in ROWS if any(op.kind != "noop" for op in one.steps[0].right)]
    assert len(changes) > 12
    assert sum(rewards) < len(rewards) - len(changes) * 0.2


async def test_a_decision_tells_all_about_itself_and_keeps_the_call_as_it_came() -> None:
    policy = Policy(add)
    (decision,) = (await environment().manage(row(memory(3)), policy)).decisions
    assert decision.call is policy.said[0]
    assert decision.operations == (Add("Ann has a cat called Tom.", "Ann", ("s1:9",)),)
    assert (decision.outcome.before, decision.outcome.after, decision.outcome.malformed) == (1, 2, 0)
    assert [reply.question for reply in decision.outcome.replies] == [CAT]
    assert decision.right is None
    assert decision.parts == {"em": decision.reward}


async def test_new_memories_continue_the_numbers_and_find_the_turns_of_the_row() -> None:
    remembered = []

    class Looking(Counting):
        async def answer(self, question, hits, asked):
            remembered.extend(sorted((hit.memory.id, hit.memory.turns, hit.memory.recorded) for hit in hits))
            return await super().answer(question, hits, asked)

    base = row(memory(7), memory(3, "Ann likes tea."))
    step = replace(base.steps[0], facts=(Fact("Ann has a cat called Tom.", "Ann", ("s1:0", "s1:9")),))
    episode = await environment(Looking()).manage(replace(base, steps=(step,)), Policy(add))
    assert not episode.decisions[0].failures, "the fact may name the turn before: it stands in the row's bank"
    assert [id for id, *_ in remembered] == ["m3", "m7", "m8"]
    assert remembered[2][1:] == (("s1:0", "s1:9"), said("", 9).time)


async def test_the_members_of_a_group_start_alike_and_none_sees_anothers_bank() -> None:
    env, one = environment(), ROWS[0]
    first = await env.manage(one, Policy(noop))
    spoiled = await env.manage(one, Policy(add))
    again = await env.manage(one, Policy(noop))
    decisions = [episode.decisions[0] for episode in (first, spoiled, again)]
    assert len({decision.group for decision in decisions}) == 1
    assert {decision.outcome.before for decision in decisions} == {len(one.bank.memories)}
    assert decisions[0].outcome == decisions[2].outcome != decisions[1].outcome
    assert (await env.manage(ROWS[1], Policy(noop))).decisions[0].group != decisions[0].group


async def test_64_episodes_at_once_come_out_as_one_after_the_other() -> None:
    rows = [one for one in ROWS[:16] for _ in range(4)]
    alone, at_once = environment(), environment()
    expected = [await alone.manage(one, moody(number)) for number, one in enumerate(rows)]
    found = await asyncio.gather(*(at_once.manage(one, moody(number)) for number, one in enumerate(rows)))
    for left, mine in zip(expected, found, strict=True):
        assert [replace(one, call=None) for one in left.decisions] == [
            replace(one, call=None) for one in mine.decisions
        ]
        assert [one.call and one.call.text for one in left.decisions] == [
            one.call and one.call.text for one in mine.decisions
        ]
    assert len({episode.reward for episode in found}) > 2


async def test_a_bank_is_built_once_for_all_rows_that_share_it() -> None:
    env = environment()
    twin = replace(ROWS[0], id="another")
    await asyncio.gather(*(env.manage(one, Policy(noop)) for one in (ROWS[0], twin, ROWS[0])))
    assert env.banks == 1
    await env.manage(replace(twin, bank=BankState()), Policy(noop))
    assert env.banks == 2, "an id is taken for the content that it comes with"


async def test_equal_outcomes_ask_the_frozen_answerer_once_also_while_it_answers() -> None:
    answerer = Counting()
    env, one = environment(answerer), ROWS[0]
    await asyncio.gather(*(env.manage(one, Policy(noop)) for _ in range(8)))
    assert len(answerer.asked) == len(one.steps[0].questions)
    await env.baselines(one)
    await env.manage(one, Policy(right))
    assert len(answerer.asked) == 2 * len(one.steps[0].questions), "always-NOOP was known, the oracle's is by now"


@pytest.mark.parametrize(
    ("reply", "said"),
    [("no JSON", "breaks its schema"), (operations([]), "fact 0 has no operation"), ("cut", "ended early")],
)
async def test_a_malformed_reply_is_a_counted_failure_with_the_lowest_reward(reply: str, said: str) -> None:
    answerer = Counting()
    policy = Policy(lambda _: Completion(reply, (1,), (2,), (-1.0,), ended=reply != "cut"))
    env = environment(answerer, {"em": 1.0, "malformed": -0.2})
    (decision,) = (await env.manage(row(memory(1)), policy)).decisions
    assert (decision.reward, decision.outcome.malformed, decision.outcome.after) == (-0.2, 1, 1)
    assert said in decision.failures[0].detail
    assert decision.call is policy.said[0], "what was said is what is punished"
    assert not answerer.asked and len(policy.said) == 1, "no repair, and no question"


async def test_a_prompt_that_is_too_long_for_the_policy_is_malformed_too() -> None:
    policy = Policy(lambda _: MalformedOutputError("the prompt has 900 tokens, of 512", repair=False))
    (decision,) = (await environment().manage(row(), policy)).decisions
    assert (decision.call, decision.outcome.malformed, decision.reward) == (None, 1, 0.0)


@pytest.mark.parametrize("one", [row(facts=()), row(memory(1), facts=("Ann has a dog.",))], ids=["none", "repeated"])
async def test_where_the_graph_asks_nothing_there_is_no_call(one: ManagerRow) -> None:
    policy = Policy(noop)
    (decision,) = (await environment().manage(one, policy)).decisions
    assert decision.call is None and not policy.said
    assert len(decision.outcome.replies) == 1


# --- the answerer ---------------------------------------------------------------------------------------------


async def test_the_oracle_as_an_answerer_earns_everything_and_any_other_answer_nothing() -> None:
    rows = world_answerer_rows(0, "train", 21)
    env = environment()
    for one in rows:
        good = await env.answer(one, Policy(right))
        assert good.reward == 1.0, one.question
        bad = await env.answer(one, Policy(lambda _: '{"selected":[],"answer":"a bicycle"}'))
        assert (bad.reward, bad.decisions[0].group) == (0.0, good.decisions[0].group)
        assert await env.baselines(one) == Baselines()


async def test_a_malformed_answer_and_an_empty_bank() -> None:
    env = environment(weights={"em": 1.0, "malformed": -0.5})
    one = AnswererRow("a1", "task", "train", "c1", BankState((memory(1),)), CAT)
    (decision,) = (await env.answer(one, Policy(lambda _: '{"selected":["7"],"answer":"Tom"}'))).decisions
    assert (decision.reward, decision.outcome.malformed, decision.outcome.replies[0].answer.text) == (-0.5, 1, "")
    (decision,) = (await env.answer(replace(one, bank=BankState()), Policy(right))).decisions
    assert (decision.call, decision.outcome.replies[0].answer.text) == (None, "not mentioned")


# --- what goes wrong ------------------------------------------------------------------------------------------


async def test_a_policy_that_comes_back_is_asked_again_on_a_fresh_fork() -> None:
    broken = [ConnectionError("gone"), ModelUnavailableError("busy"), add]
    policy = Policy(lambda messages: one(messages) if callable(one := broken.pop(0)) else one)
    (decision,) = (await environment().manage(row(memory(1)), policy)).decisions
    assert (decision.outcome.before, decision.outcome.after) == (1, 2)


@pytest.mark.parametrize("error", [ConnectionError("gone"), RuntimeError("the server died"), TimeoutError()])
async def test_a_policy_that_stays_away_loses_the_rollout_and_earns_nothing(error: Exception) -> None:
    policy = Policy(lambda _: error)
    with pytest.raises(RolloutLostError, match="rollout of row 'r1' failed at all of 3 attempts") as caught:
        await environment().manage(row(), policy)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.details == {"row": "r1", "attempts": 3, "cause": "ModelUnavailableError"}
    assert str(copy) == str(caught.value)


async def test_a_frozen_answerer_that_stays_away_loses_all_that_wait_and_is_asked_again_later() -> None:
    answerer = Counting()
    env, one = environment(answerer, rules=QUICK), row(memory(1))
    answerer.broken = ModelUnavailableError("busy")
    lost = await asyncio.gather(*(env.manage(one, Policy(noop)) for _ in range(4)), return_exceptions=True)
    assert [type(error) for error in lost] == [RolloutLostError] * 4
    assert len(answerer.asked) == 1
    assert await env.baselines(one) == Baselines()
    answerer.broken = None
    assert (await env.manage(one, Policy(noop))).decisions[0].outcome.replies
    assert (await env.baselines(one)).noop == 0.0


async def test_a_judge_that_stays_away_loses_the_rollout() -> None:
    judge = Judge(Scripted(script=[ConnectionError("gone")]), options=ModelOptions(patience=Patience(tries=1)))
    env = Environment(HashedEmbedder(), Counting(), Rewards.of({"judge": 1.0}, judge), QUICK)
    with pytest.raises(RolloutLostError, match="the judge"):
        await env.manage(row(memory(1)), Policy(add))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (row(turns=(said("I have a cat called Tom.", 9),)), "its bank holds turn 's1:9' already"),
        (row(memory(1), memory(1)), "memory 'm1' of its bank must be"),
        (row(replace(memory(2), id="x2")), "memory 'x2' of its bank must be"),
        (row(replace(memory(2), died=4)), "memory 'm2' of its bank has ended"),
    ],
)
async def test_a_row_that_cant_be_played_is_the_callers_to_mend(one: ManagerRow, said: str) -> None:
    with pytest.raises(InputError, match=said):
        await environment().manage(one, Policy(noop))


async def test_right_operations_that_cant_be_applied_are_an_error() -> None:
    with pytest.raises(InputError, match="right operations of row 'r1' can't be applied: memory 'm5' was never stored"):
        await environment().baselines(row(memory(1), right=(Delete(("m5",), ("s1:9",)),)))


async def test_without_right_operations_only_the_floor_is_known_and_without_questions_nothing() -> None:
    env = environment()
    found = await env.baselines(row(memory(1)))
    assert (found.noop, found.oracle) == (0.0, None)
    silent = await env.baselines(row(memory(1), questions=(), right=()))
    assert (silent.noop, silent.oracle) == (None, None)


async def test_an_environment_outlives_its_event_loop() -> None:
    env = environment()
    rewards = [await asyncio.to_thread(asyncio.run, env.manage(ROWS[0], Policy(noop))) for _ in range(2)]
    assert rewards[0].reward == rewards[1].reward


def test_rules_say_how_often_at_least() -> None:
    with pytest.raises(InputError, match="retries=-1"):
        Rules(retries=-1)
