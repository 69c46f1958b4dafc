"""What every task has in common: it is consistent, its splits share nothing, and its golds score 1.0."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.memory.types import Turn
from memory_r1.rl.tasks import Conversation, Question, Task, load_task, stream
from memory_r1.rl.tasks.check import REFUSAL, check, right_answer
from memory_r1.rl.tasks.load import TASKS
from memory_r1.rl.tasks.locomo import locomo_task
from memory_r1.rl.tasks.sources import SOURCES
from memory_r1.rl.tasks.stream import read_list
from memory_r1.rl.tasks.summary import summarise
from tests.conftest import DATA

FILES = {
    "locomo": DATA / "locomo" / "locomo10.json",
    "longmemeval-oracle": DATA / "samples" / "longmemeval_handmade.json",
    "msc": DATA / "samples" / "msc_self_instruct_handmade.jsonl",
}
NOON = datetime(2024, 5, 1, 12)


def talk(id: str, *texts: str, answer: str = "Oslo", **question: Any) -> Conversation:
    turns = tuple(Turn(f"t{at}", "1", at, "Ann", text, NOON) for at, text in enumerate(texts))
    asked = Question(f"{id}/q", "Where?", answer, **{"category": "single-hop", **question})
    return Conversation(id, ("Ann",), turns, (asked,))


def task(*conversations: Conversation, **splits: tuple[str, ...]) -> Task:
    categories = {name: name for name in ("single-hop", "multi-hop", "open-domain", "adversarial")}
    return Task("made", conversations, categories, splits or {"test": tuple(one.id for one in conversations)})


def test_a_split_is_given_by_name() -> None:
    made = task(talk("a", "x"), talk("b", "y"), train=("a",), test=("b",), validation=())
    assert [one.id for one in made.split("test")] == ["b"]
    assert made.split("all") == made.conversations
    with pytest.raises(InputError, match="no split 'validation': choose one of train, test, all"):
        made.split("validation")


@pytest.mark.parametrize(
    ("conversations", "splits", "message"),
    [
        ([talk("a", "x"), talk("a", "y")], {}, "conversation id 'a' stands twice"),
        (
            [talk("a", "x"), replace(talk("b", "y"), questions=talk("a").questions)],
            {},
            "question id 'a/q' stands twice",
        ),
        ([replace(talk("a"), turns=talk("a", "x").turns * 2)], {}, "turn id 't0' stands twice"),
        ([talk("a", "x", evidence=("t0", "t7"))], {}, "evidence 't7', which is no turn"),
        ([talk("a", "x", category="trivia")], {}, "category 'trivia' of question 'a/q' is none"),
        ([talk("a", "x")], {"test": ("z",)}, "split 'test' names 'z'"),
        ([talk("a", "x")], {"train": ("a",), "test": ("a",)}, "are one dialogue; splits must share none"),
        ([talk("a", "x"), talk("b", "x")], {"train": ("a",), "test": ("b",)}, "'a' of split 'train' and 'b' of split"),
    ],
)
def test_an_inconsistent_task_is_refused(
    conversations: list[Conversation], splits: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        task(*conversations, **splits)


def test_a_dialogue_may_stand_twice_in_one_split() -> None:
    assert len(task(talk("a", "x"), talk("b", "x"), talk("c", "y"), train=("c",), test=("a", "b")).split("test")) == 2


def test_every_task_has_a_source() -> None:
    assert set(TASKS) == set(SOURCES) - {"nltk"}
    with pytest.raises(InputError, match="there is no task 'nltk': choose one of locomo"):
        load_task("nltk")


@pytest.mark.parametrize("name", FILES)
def test_golds_score_1_and_silence_scores_0(name: str) -> None:
    if not FILES[name].exists():
        pytest.skip(f"put the file at {FILES[name]}")
    made = load_task(name, FILES[name])
    checked = check(made)
    assert checked.questions == sum(len(one.questions) for one in made.conversations)
    expected = {"adversarial": 446, "open-domain": 11} if name == "locomo" else {}
    assert {rule.partition(":")[0]: count for rule, count in checked.exceptions.items()} == expected


@pytest.mark.parametrize(
    ("answer", "category", "exceptions"),
    [
        ("Oslo", "single-hop", []),
        ("yes; she does", "open-domain", ["open-domain"]),
        ("a trap", "adversarial", ["adversarial"]),
        ("The", "single-hop", ["the gold has no word that the measure counts"]),
        ("?!", "single-hop", ["the gold has no word that the measure counts"]),
        ("red, , blue", "multi-hop", ["the gold has no word that the measure counts"]),
        ("", "single-hop", ["the gold has no word that the measure counts"]),
        ("; nothing before it", "open-domain", ["open-domain", "the gold has no word that the measure counts"]),
    ],
)
def test_only_a_rule_excuses_a_gold(answer: str, category: str, exceptions: list[str]) -> None:
    checked = check(task(talk("a", "x", answer=answer, category=category)))
    assert [rule.partition(":")[0] for rule in checked.exceptions] == exceptions


def test_a_measure_that_fails_its_gold_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(prediction: str, gold: str, category: str) -> Mapping[str, Mapping[str, float]]:
        return {"locomo": {"f1": 0.5, "em": 1.0}, "mem0": {"f1": 1.0, "bleu1": 1.0, "em": 1.0}}

    monkeypatch.setattr("memory_r1.rl.tasks.check.scores", wrong)
    with pytest.raises(InputError, match=r"'a/q': by locomo f1, 'Oslo' scores 0\.5"):
        check(task(talk("a", "x")))


def test_the_right_answer_is_the_gold_as_the_convention_reads_it() -> None:
    open_domain = Question("q", "Would she?", "Yes; she likes it", "open-domain")
    assert right_answer(open_domain, "locomo") == "Yes"
    assert right_answer(open_domain, "mem0") == "Yes; she likes it"
    assert right_answer(replace(open_domain, category="adversarial"), "locomo") == REFUSAL


@pytest.mark.skipif(not FILES["locomo"].exists(), reason=f"put LoCoMo's locomo10.json at {FILES['locomo']}")
def test_locomo_has_the_papers_splits_under_both_names() -> None:
    summary = summarise(locomo_task(FILES["locomo"]))
    assert {name: split.questions for name, split in summary.splits.items()} == {
        "train": 152, "validation": 81, "test": 1307, "all": 1540,
    }  # fmt: skip
    test = summary.splits["test"]
    assert {summary.columns[name]: count for name, count in test.categories.items()} == {
        "Single Hop": 239, "Temporal": 258, "Multi-Hop": 83, "Open Domain": 727, "–": 375,
    }  # fmt: skip
    assert (test.conversations, test.turns, test.unanswerable) == (8, 5094, 375)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@example(rows=[1.5, -2e30, True], chunk=1, indent=None, raw=False)
@given(rows=st.lists(JSON, max_size=6), chunk=st.integers(1, 40), indent=st.sampled_from([None, 2]), raw=st.booleans())
def test_a_list_read_in_pieces_is_the_list(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], chunk: int, indent: int | None, raw: bool
) -> None:
    path = tmp_path_factory.mktemp("stream") / "made.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=not raw), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK", chunk)
        assert [value for _, value in read_list(path, "it")] == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected list"), ("[", "is not JSON"), ("[1", "ends or goes on wrongly"), ("[1 2]", "'2]'"),
        ("[1,]", "is not JSON"), ("[,1]", "is not JSON"), ("[1]]", "behind the list"), ('["a]', "is not JSON"),
        ('{"a": 1}', "expected list"), ("[" * 100_000, "is not JSON"),
    ],
)  # fmt: skip
def test_a_damaged_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "made.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileFormatError, match=message):
        list(read_list(path, "it"))


def test_counts_of_a_summary_add_up() -> None:
    made = task(
        talk("a", "x", category="adversarial", unanswerable=True), talk("b", "y", "z"), train=("a",), test=("b",)
    )
    splits = summarise(made).splits
    assert Counter({name: splits[name].turns for name in ("train", "test")}).total() == splits["all"].turns == 3
    assert (splits["train"].questions, splits["train"].unanswerable, splits["train"].categories["adversarial"]) == (
        0,
        1,
        1,
    )
