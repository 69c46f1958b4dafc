"""Cohen's kappa, against worked examples of the literature, and what has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.rl.evaluation.records import VerdictRow
from memory_r1.rl.judge import agreement, agreements


def verdicts(judge: str, labels: str) -> list[VerdictRow]:
    """A verdict for each letter: c(orrect), w(rong), u(nusable); a space is no verdict."""
    names = {"c": "CORRECT", "w": "WRONG", "u": "UNUSABLE"}
    return [
        VerdictRow(f"{judge}-answer{at}", judge, "ours", f"q{at}", names[letter], "")
        for at, letter in enumerate(labels)
        if letter != " "
    ]


def of_counts(both: int, first: int, second: int, neither: int):
    """The agreement of two judges by how many answers they call right: both, the first only, the second only, none."""
    ours = "c" * (both + first) + "w" * (second + neither)
    theirs = "c" * both + "w" * first + "c" * second + "w" * neither
    return agreement(verdicts("a", ours), verdicts("b", theirs))


@pytest.mark.parametrize(
    ("counts", "agreed", "kappa"),
    [
        ((20, 5, 10, 15), 0.70, 0.40),  # 50 grant proposals, two readers
        ((45, 15, 25, 15), 0.60, 0.1304),  # the same agreement as the next, less kappa
        ((25, 35, 5, 35), 0.60, 0.2593),
        ((118, 5, 2, 0), 0.944, -0.0234),  # nearly always "correct": high agreement says nothing
        ((10, 0, 0, 10), 1.0, 1.0),
        ((0, 10, 10, 0), 0.0, -1.0),
    ],
)
def test_worked_examples(counts, agreed, kappa):
    found = of_counts(*counts)
    assert found.agreed == pytest.approx(agreed)
    assert found.kappa == pytest.approx(kappa, abs=5e-5)
    assert (found.answers, found.left_out, found.why) == (sum(counts), 0, "")
    assert found.table == {
        "CORRECT": {"CORRECT": counts[0], "WRONG": counts[1]}, "WRONG": {"CORRECT": counts[2], "WRONG": counts[3]}
    }  # fmt: skip


@pytest.mark.parametrize("labels", ["cccc", "ww"])
def test_without_any_difference_there_is_no_kappa(labels: str):
    found = agreement(verdicts("a", labels), verdicts("b", labels))
    assert (found.agreed, found.kappa) == (1.0, None)
    assert found.why.startswith("both gave every answer the same verdict")


def test_one_constant_judge_has_kappa_0():
    assert of_counts(5, 5, 0, 0).kappa == 0


def test_without_common_answers_there_is_nothing():
    for ours, theirs in (("", ""), ("cw", ""), ("cw  ", "  cw"), ("uu", "cw")):
        found = agreement(verdicts("a", ours), verdicts("b", theirs))
        assert (found.answers, found.agreed, found.kappa) == (0, None, None)
        assert found.why == "no answer has a verdict of both"


def test_what_has_not_two_verdicts_is_left_out_and_counted():
    found = agreement(verdicts("a", "ccwu w"), verdicts("b", "cwwcc "))
    assert (found.answers, found.left_out, found.agreed) == (3, 3, pytest.approx(2 / 3))


def test_an_answer_given_anew_is_not_compared_with_the_old_one():
    old, new = verdicts("a", "cw"), verdicts("b", "cw")
    new[1] = VerdictRow("b-other", "b", "ours", "q1", "CORRECT", "")
    assert (agreement(old, new).answers, agreement(old, new).left_out) == (1, 1)


def test_each_pair_of_judges_is_compared():
    pairs = agreements([verdicts(judge, "cw") for judge in "abc"])
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert agreements([verdicts("a", "cw")]) == []


@given(st.tuples(*[st.integers(0, 30)] * 4))
def test_kappa_is_symmetric_and_bounded(counts):
    found, turned = of_counts(*counts), of_counts(counts[0], counts[2], counts[1], counts[3])
    assert found.kappa == pytest.approx(turned.kappa)
    assert found.kappa is None or -1 <= found.kappa <= 1
    assert (found.kappa == 1) <= (counts[1] + counts[2] == 0)
