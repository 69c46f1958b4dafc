"""Intervals take conversations, not questions, as what was sampled."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.memory.errors import InputError
from memory_r1.rl.metrics.bootstrap import Interval, from_sums, interval, paired

shares = st.floats(0, 1)
answers = st.lists(st.tuples(shares, st.sampled_from("abcd")), min_size=1, max_size=30)


def test_one_conversation_has_a_mean_and_no_interval() -> None:
    assert interval([0.0, 1.0], ["a", "a"]) == Interval(0.5, None, None)


def test_equal_values_leave_no_doubt() -> None:
    assert interval([0.25] * 6, list("aabbcc")) == (0.25, 0.25, 0.25)


def test_the_mean_is_taken_over_questions_not_over_conversations() -> None:
    assert interval([1.0, 0.0, 0.0, 0.0], list("abbb")).mean == 0.25


def test_two_conversations_span_their_means() -> None:
    """Each of them alone is drawn in a quarter of the resamples."""
    assert interval([0.0, 1.0], ["a", "b"]) == (0.5, 0.0, 1.0)


def test_the_percentiles_are_those_of_all_possible_draws() -> None:
    sums, counts = np.array([1.0, 6.0, 2.0, 9.0]), np.array([4, 10, 3, 9])
    draws = [list(draw) for draw in product(range(4), repeat=4)]
    means = [sums[draw].sum() / counts[draw].sum() for draw in draws]
    found = from_sums(sums, counts, resamples=50_000, level=0.8)
    assert found.low == pytest.approx(np.quantile(means, 0.1), abs=0.01)
    assert found.high == pytest.approx(np.quantile(means, 0.9), abs=0.01)


def test_conversations_of_one_question_give_the_interval_of_the_normal_law() -> None:
    values = np.random.RandomState(1).normal(0.4, 0.1, 400)
    found = interval(values.tolist(), [f"c{number}" for number in range(400)], resamples=5_000)
    wide = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - wide, abs=wide / 10)
    assert found.high == pytest.approx(values.mean() + wide, abs=wide / 10)


@given(answers)
@settings(max_examples=40)
def test_asking_every_question_twice_makes_nothing_surer(rows: list[tuple[float, str]]) -> None:
    once = interval([value for value, _ in rows], [name for _, name in rows], resamples=50)
    twice = interval([value for value, _ in rows * 2], [name for _, name in rows * 2], resamples=50)
    assert all(a == b or a == pytest.approx(b, abs=1e-12) for a, b in zip(once, twice, strict=True))


@given(answers)
@settings(max_examples=40)
def test_the_interval_holds_the_mean_and_the_order_makes_no_difference(rows: list[tuple[float, str]]) -> None:
    found = interval([value for value, _ in rows], [name for _, name in rows], resamples=50, level=1.0)
    again = interval([value for value, _ in rows[::-1]], [name for _, name in rows[::-1]], resamples=50, level=1.0)
    assert all(a == b or a == pytest.approx(b, abs=1e-12) for a, b in zip(found, again, strict=True))
    assert found.low is None or found.high is None or 0 <= found.low <= found.high <= 1


def test_the_same_seed_gives_the_same_interval_everywhere() -> None:
    """The figures are written out: a numpy that draws other numbers must not change a table."""
    found = interval([0.1, 0.5, 0.9, 0.2, 0.4, 0.8], list("aabbcd"), seed=7, resamples=200)
    assert found == pytest.approx((0.4833333333333333, 1 / 3, 0.7), abs=1e-12)
    assert found != interval([0.1, 0.5, 0.9, 0.2, 0.4, 0.8], list("aabbcd"), seed=8, resamples=200)


def test_many_conversations_are_drawn_in_parts() -> None:
    size = (1 << 20) + 5
    found = from_sums(np.tile([0.0, 1.0], size // 2 + 1)[:size], np.ones(size), resamples=3)
    assert found.mean == pytest.approx(0.5, abs=1e-5) and found.low == pytest.approx(0.5, abs=0.01)


def test_a_constant_gain_is_sure_though_the_scores_vary() -> None:
    theirs = [0.0, 0.5, 0.25, 0.75]
    assert paired([value + 0.125 for value in theirs], theirs, list("aabc")) == (0.125, 0.125, 0.125)


def test_pairing_is_surer_than_comparing_two_intervals() -> None:
    random = np.random.RandomState(3)
    hard, names = random.uniform(0, 0.8, 60), [str(number % 10) for number in range(60)]
    ours, theirs = (hard + random.uniform(0, 0.1, 60) + 0.1).tolist(), hard.tolist()
    both, one = paired(ours, theirs, names), interval(ours, names)
    assert both.mean == pytest.approx(one.mean - interval(theirs, names).mean)
    assert None not in (both.low, both.high, one.low, one.high)
    assert both.low > 0 and both.high - both.low < (one.high - one.low) / 2  # pyright: ignore[reportOptionalOperand]


@pytest.mark.parametrize(
    ("values", "clusters", "says"), [([], [], "no value"), ([1.0], [], "1 values have 0 clusters")]
)
def test_what_has_no_mean_is_an_error(values: list[float], clusters: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        interval(values, clusters)


def test_systems_with_different_questions_cannot_be_paired() -> None:
    with pytest.raises(InputError, match="2 values can't be paired with 1"):
        paired([1.0, 0.0], [1.0], ["a", "b"])


@pytest.mark.parametrize(("conversations", "low", "high"), [(8, 0.8, 0.93), (50, 0.91, 0.98)])
def test_how_often_it_holds_the_true_mean(conversations: int, low: float, high: float) -> None:
    """Few conversations give too narrow an interval, many the one that was asked for (docstring of `interval`)."""
    random = np.random.RandomState(0)
    trials = 300
    held = 0
    for seed in range(trials):
        places = np.repeat(np.arange(conversations), random.randint(5, 15, conversations))
        values = random.normal(0, 0.5, conversations)[places] + random.normal(0, 1, len(places))
        sums = np.bincount(places, values)
        found = from_sums(sums, np.bincount(places), resamples=400, seed=seed)
        assert found.low is not None and found.high is not None
        held += found.low <= 0 <= found.high
    assert low <= held / trials <= high
