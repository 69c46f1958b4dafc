"""Recall counts evidence turns among the best k things found."""

from hypothesis import given
from hypothesis import strategies as st

from memory_r1.rl.metrics.evidence import recall

turns = st.sampled_from([f"D1:{number}" for number in range(1, 9)])


def test_each_cut_counts_what_stands_before_it() -> None:
    found = [("D1:9",), ("D1:1",), (), ("D1:2", "D1:3")]
    assert recall(found, ["D1:1", "D1:2", "D1:3", "D2:7"], (1, 2, 3, 4, 60)) == {
        "1": 0.0, "2": 0.25, "3": 0.25, "4": 0.75, "60": 0.75,
    }  # fmt: skip


def test_a_turn_counts_once_however_often_it_is_found_or_named() -> None:
    assert recall([("a",), ("a", "a"), ("a",)], ["a", "b", "a"], (3,)) == {"3": 0.5}


def test_a_question_without_evidence_has_no_recall() -> None:
    assert recall([("a",)], [], (10,)) is None


def test_nothing_found_is_none_of_the_evidence() -> None:
    assert recall([], ["a"], (10, 30)) == {"10": 0.0, "30": 0.0}


@given(st.lists(st.lists(turns, max_size=3)), st.sets(turns, min_size=1))
def test_recall_grows_with_k_up_to_all_that_was_found(found: list[list[str]], evidence: set[str]) -> None:
    cuts = range(len(found) + 1)
    shares = list((recall(found, evidence, cuts) or {}).values())
    assert shares == sorted(shares) and shares[0] == 0.0
    assert shares[-1] == len(evidence & {turn for named in found for turn in named}) / len(evidence)
