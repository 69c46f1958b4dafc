"""Rewards: gold answers earn everything, empty ones nothing, and what can't be read the least of all."""

import asyncio
import json
from collections.abc import Callable

import pytest
from graph_fakes import Scripted
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.graphs.endpoint import Patience
from memory_r1.graphs.models import ModelOptions
from memory_r1.memory.errors import InputError, ModelUnavailableError
from memory_r1.memory.types import Answer
from memory_r1.rl.judge import Judge
from memory_r1.rl.metrics import locomo, mem0
from memory_r1.rl.rewards import REWARDS, Rewards
from memory_r1.rl.rollouts.types import Outcome, Reply
from memory_r1.rl.tasks.check import REFUSAL
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.training.world_rows import world_answerer_rows

QUALITY = ("em", "f1", "em_mem0", "f1_mem0")
words = st.text("abcdef ,.", min_size=1, max_size=12).filter(lambda text: any(c.isalpha() and c != "a" for c in text))
weights = st.dictionaries(st.sampled_from(sorted(REWARDS)), st.floats(-2, 2), min_size=1).filter(
    lambda found: any(found.values())
)
some = settings(max_examples=60)


def reply(answer: str, gold: str = "7 May 2023", category: str = "date") -> Reply:
    return Reply(Question("q", "When?", gold, category), Answer("When?", answer))


def outcome(*answers: str, gold: str = "7 May 2023", malformed: int = 0, sizes: tuple[int, int] = (0, 0)) -> Outcome:
    return Outcome(tuple(reply(answer, gold) for answer in answers), malformed, *sizes)


outcomes = st.builds(
    Outcome,
    st.lists(st.builds(reply, st.one_of(words, st.just("")), words), max_size=4).map(tuple),
    st.integers(0, 1), st.integers(0, 40), st.integers(0, 40),
)  # fmt: skip


def score(given: dict[str, float], found: Outcome) -> float:
    return asyncio.run(Rewards.of(given).score(found)).reward


@pytest.mark.parametrize("name", QUALITY)
def test_gold_answers_earn_one_and_empty_ones_nothing(name: str) -> None:
    questions = [row.question for row in world_answerer_rows(0, "train", 21)]
    gold = Outcome(tuple(Reply(q, Answer(q.text, q.answer)) for q in questions))
    empty = Outcome(tuple(Reply(q, Answer(q.text, "")) for q in questions))
    assert REWARDS[name](gold) == 1.0
    assert REWARDS[name](empty) == 0.0
    assert REWARDS[name](Outcome(())) == 0.0


@pytest.mark.parametrize("name", QUALITY)
def test_where_nothing_was_told_a_refusal_is_right_and_the_trap_is_not(name: str) -> None:
    assert REWARDS[name](Outcome((reply(REFUSAL, "a trap", "adversarial"),))) == 1.0
    assert REWARDS[name](Outcome((reply("a trap", "a trap", "adversarial"),))) == 0.0


def test_a_refusal_is_not_right_and_not_wrong_either() -> None:
    told = {
        "8 May 2023": -1.0, "7 May 2023": 1.0, REFUSAL: 0.0, "It is not mentioned.": 0.0, "": 0.0, " ": 0.0,
    }  # fmt: skip
    assert {text: score({"em": 1.0, "wrong": -1.0}, outcome(text)) for text in told} == told
    assert REWARDS["wrong"](outcome("7 May 2023", "8 May 2023", REFUSAL, "9")) == 0.5
    assert REWARDS["wrong"](Outcome(())) == 0.0


def test_where_nothing_was_told_whatever_is_no_refusal_is_wrong() -> None:
    asked = {text: reply(text, "a trap", "adversarial") for text in (REFUSAL, "a trap", "another", "")}
    assert [REWARDS["wrong"](Outcome((one,))) for one in asked.values()] == [0.0, 1.0, 1.0, 0.0]


def test_the_two_conventions_go_by_their_names() -> None:
    told = outcome("The cats, 7", gold="cats 7.")
    assert {name: REWARDS[name](told) for name in QUALITY} == {
        "em": locomo.em("The cats, 7", "cats 7."), "f1": locomo.f1("The cats, 7", "cats 7.", ""),
        "em_mem0": mem0.em("The cats, 7", "cats 7."), "f1_mem0": mem0.f1("The cats, 7", "cats 7."),
    }  # fmt: skip
    assert (REWARDS["em"](told), REWARDS["em_mem0"](told)) == (1.0, 0.0)


def test_a_mean_over_questions_and_a_weighted_sum_over_measures() -> None:
    found = outcome("7 May 2023", "8 May 2023", sizes=(4, 6))
    scored = asyncio.run(Rewards.of({"em": 2.0, "size": -0.5, "malformed": -1.0}).score(found))
    assert scored.parts == {"em": 0.5, "size": 0.2, "malformed": 0.0}
    assert scored.reward == pytest.approx(2.0 * 0.5 - 0.5 * 0.2)


@pytest.mark.parametrize(("sizes", "expected"), [((3, 3), 0.0), ((3, 1), 0.0), ((3, 5), 0.2), ((0, 99), 1.0)])
def test_size_tells_what_was_gained(sizes: tuple[int, int], expected: float) -> None:
    assert REWARDS["size"](outcome(sizes=sizes)) == expected


@some
@given(weights, outcomes)
def test_no_outcome_earns_less_than_a_malformed_one(given_weights: dict[str, float], found: Outcome) -> None:
    rewards = Rewards.of(given_weights)
    scored = asyncio.run(rewards.score(found))
    assert scored.reward >= rewards.lowest - 1e-9
    assert set(scored.parts) == set(given_weights)
    assert all(0.0 <= value <= 1.0 for value in scored.parts.values())
    if found.malformed:
        assert scored.reward == rewards.lowest
    else:
        assert scored.reward == pytest.approx(sum(given_weights[n] * value for n, value in scored.parts.items()))


@some
@given(weights, outcomes, st.floats(0.1, 3))
def test_rewards_scale_with_their_weights(given_weights: dict[str, float], found: Outcome, factor: float) -> None:
    scaled = {name: weight * factor for name, weight in given_weights.items()}
    if any(scaled.values()):
        assert score(scaled, found) == pytest.approx(factor * score(given_weights, found), abs=1e-9)


def test_a_malformed_reply_earns_the_least_even_where_the_untouched_bank_answers_well() -> None:
    assert score({"em": 1.0}, outcome("7 May 2023", malformed=1)) == 0.0
    assert score({"em": 1.0, "malformed": -0.2}, outcome("7 May 2023", malformed=1)) == -0.2
    assert score({"em": 1.0, "malformed": -0.2}, outcome("8 May 2023")) == 0.0


@pytest.mark.parametrize(
    ("given_weights", "said"),
    [
        ({"rouge": 1.0}, "no reward 'rouge': choose of em, f1, em_mem0, f1_mem0, wrong, malformed, size, judge"),
        ({"em": float("nan")}, "weight nan of reward 'em' is no number"),
        ({"em": "1"}, "weight '1' of reward 'em' is no number"),
        ({"em": True}, "weight True of reward 'em'"),
        ({"em": 0.0}, "reward nothing"),
        ({}, "reward nothing"),
        ({"judge": 1.0}, "needs a judge: name its model"),
    ],
)
def test_rewards_that_cant_be(given_weights: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Rewards.of(given_weights)


# --- the judge ------------------------------------------------------------------------------------------------


def verdict(label: str) -> str:
    return json.dumps({"reason": "So it is.", "label": label})


def judge(*script: str | Exception | Callable[..., str]) -> tuple[Judge, Scripted]:
    model = Scripted(script=list(script))
    return Judge(model, options=ModelOptions(patience=Patience(tries=1))), model


async def test_a_judge_gives_the_share_that_is_right_and_judges_an_answer_once() -> None:
    one, model = judge(verdict("CORRECT"), verdict("WRONG"))
    rewards = Rewards.of({"judge": 1.0, "em": 0.5}, one)
    found = outcome("on the seventh", "on the eighth")
    for _ in range(2):
        scored = await rewards.score(found)
        assert (scored.reward, scored.parts) == (0.5, {"em": 0.0, "judge": 0.5})
    assert len(model.seen) == 2
    assert (await rewards.score(outcome(""))).parts["judge"] == 0.0
    assert len(model.seen) == 2, "an empty answer is wrong without a call"


async def test_an_unreadable_verdict_counts_as_wrong_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    one, _ = judge("I would say so.")
    assert (await Rewards.of({"judge": 1.0}, one).score(outcome("seventh"))).reward == 0.0
    assert "the judge's verdict on a question counts as wrong" in caplog.text


async def test_a_judge_that_stays_away_is_no_reward() -> None:
    one, model = judge(ConnectionError("gone"))
    rewards = Rewards.of({"judge": 1.0}, one)
    with pytest.raises(ModelUnavailableError, match="the judge"):
        await rewards.score(outcome("seventh"))
    model.script = [verdict("CORRECT")]
    assert (await rewards.score(outcome("seventh"))).reward == 1.0
