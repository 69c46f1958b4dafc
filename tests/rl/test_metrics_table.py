"""Rows of answers are read strictly and added up by category and conversation."""

from typing import Any

import pytest

from memory_r1.memory.errors import FileFormatError
from memory_r1.rl.metrics.table import Row, Totals, read_row, shown

BARE = {"question": "Where?", "gold": "Rome", "prediction": "in Rome"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (1, "multi-hop"), (2.0, "temporal"), ("3", "open-domain"), (" single-hop ", "single-hop"),
        ("Multi Hop", "multi-hop"), ("OPEN_DOMAIN", "open-domain"), (5, "adversarial"), (None, ""), ("", ""),
        ("single-session-user", "single-session-user"), ("My Own", "My Own"), ("6", "6"),
    ],
)  # fmt: skip
def test_a_category_is_a_number_or_a_name(given: Any, name: str) -> None:
    assert read_row({**BARE, "category": given}, "here").category == name


def test_numbers_are_read_as_texts() -> None:
    found = read_row({"question": "When?", "gold": 2022, "prediction": 1.5, "conversation": 7}, "here")
    assert found == Row("1.5", "2022", "", "7")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"question": None}, "here question: expected str, found None"),
        ({"gold": None}, "gold should be a text, not None"),
        ({"gold": ["Rome"]}, r"gold should be a text, not \['Rome'\]"),
        ({"prediction": None}, 'prediction should be a text, not None; write "" for an empty one'),
        ({"prediction": True}, "prediction should be a text, not True"),
        ({"category": 6}, "category 6 should be LoCoMo's number, 1 to 5, or a name"),
        ({"category": True}, "category True"),
        ({"category": 1.5}, "category 1.5"),
        ({"category": [1]}, r"category \[1\]"),
        ({"conversation": {}}, "conversation should be a text"),
    ],
)
def test_what_is_of_another_type_is_an_error_that_names_it(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(FileFormatError, match=says):
        read_row({**BARE, **changes}, "here")


@pytest.mark.parametrize("key", ["question", "gold", "prediction"])
def test_what_is_missing_is_an_error_that_names_it(key: str) -> None:
    with pytest.raises(FileFormatError, match=f"here: '{key}' is missing"):
        read_row({name: value for name, value in BARE.items() if name != key}, "here")


def test_an_adversarial_question_needs_no_gold_answer() -> None:
    assert read_row({"question": "q", "prediction": "p", "category": 5}, "here").gold == ""


def scored(category: str, value: float, conversation: str = "") -> tuple[Row, dict[str, dict[str, float]]]:
    own = {"f1": value, "em": value}
    mem0s = {} if category == "adversarial" else {"mem0": {"f1": value, "bleu1": value / 2, "em": value}}
    return Row("", "", category, conversation), {"locomo": own, **mem0s}


def test_a_convention_that_leaves_a_question_out_shows_null() -> None:
    assert shown(scored("adversarial", 1.0)[1]) == {
        "locomo": {"f1": 1.0, "em": 1.0},
        "mem0": {"f1": None, "bleu1": None, "em": None},
    }


def test_means_are_over_questions_and_mem0s_without_the_adversarial() -> None:
    totals = Totals()
    for row in (scored("temporal", 1.0), scored("temporal", 0.0), scored("adversarial", 1.0), scored("", 0.5)):
        totals.add(*row)
    line = totals.line()
    assert line["overall"] == {
        "locomo": {"f1": 0.625, "em": 0.625},
        "mem0": {"f1": 0.5, "bleu1": 0.25, "em": 0.5},
        "questions": 4,
    }
    assert list(line["by_category"]) == ["temporal", "adversarial"]
    assert line["by_category"]["temporal"] == {
        "category": 2,
        "paper": "Temporal",
        "locomo": {"f1": 0.5, "em": 0.5},
        "mem0": {"f1": 0.5, "bleu1": 0.25, "em": 0.5},
        "questions": 2,
    }
    assert line["by_category"]["adversarial"]["mem0"] == {"f1": None, "bleu1": None, "em": None}


def test_locomos_categories_stand_first_then_others_by_name() -> None:
    totals = Totals()
    for category in ("zoo", "single-hop", "ant", "multi-hop"):
        totals.add(*scored(category, 1.0))
    assert list(totals.line()["by_category"]) == ["multi-hop", "single-hop", "ant", "zoo"]


def test_intervals_are_drawn_by_conversation() -> None:
    totals = Totals(clustered=True)
    for conversation, value in (("a", 0.0), ("a", 0.0), ("b", 1.0), ("b", 1.0)):
        totals.add(*scored("temporal", value, conversation))
    totals.add(*scored("single-hop", 1.0, "a"))
    line = totals.line()
    assert line["overall"]["interval"]["locomo"]["f1"] == [pytest.approx(1 / 3), 1.0]
    assert line["by_category"]["temporal"]["interval"]["mem0"]["bleu1"] == [0.0, 0.5]
    assert line["by_category"]["single-hop"]["interval"]["mem0"]["em"] is None, "one conversation tells nothing"
