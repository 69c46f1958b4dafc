"""The metrics agree with the worked examples of both conventions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.rl.metrics import CONVENTIONS, locomo, mem0, scores
from memory_r1.rl.tasks.locomo import CATEGORIES

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nltk_data"
needs_punkt = pytest.mark.skipif(not DATA.exists(), reason=f"needs NLTK's punkt_tab at {DATA}")

# category, prediction, gold, LoCoMo F1, Mem0 F1, BLEU-1
EXAMPLES = [
    (2, "May 7th, 2023", "7 May 2023", 0.6667, 0.6667, 0.5),
    (2, "9 June 2023", "The week before 9 June 2023", 0.75, 0.6667, 0.3679),
    (4, "Yes", "Yes, John and James studied together", 0.3333, 0.2857, 0.0025),
    (1, "pottery, camping, painting, swimming", "painting, pottery, swimming, camping", 1, 1, 1),
    (4, "U.S.A.", "USA", 1, 0, 0),
    (4, "rock and roll", "rock roll", 1, 0.8, 0.6667),
    (4, "running shoes", "run shoe", 1, 0, 0),
    (4, "cat cat cat", "cat", 0.5, 1, 0.3333),
    (3, "Likely no", "Likely no; she prefers art", 1, 0.2857, 0.1353),
]


@pytest.fixture(autouse=True)
def _tokenizer_data(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(DATA)])


@pytest.mark.parametrize(("category", "prediction", "gold", "own", "mem0s", "bleu"), EXAMPLES)
def test_f1_agrees_with_the_worked_examples(
    category: int, prediction: str, gold: str, own: float, mem0s: float, bleu: float
) -> None:
    assert locomo.f1(prediction, gold, CATEGORIES[category]) == pytest.approx(own, abs=5e-5)
    assert mem0.f1(prediction, gold) == pytest.approx(mem0s, abs=5e-5)


@needs_punkt
@pytest.mark.parametrize(("category", "prediction", "gold", "own", "mem0s", "bleu"), EXAMPLES)
def test_bleu_agrees_with_the_worked_examples(
    category: int, prediction: str, gold: str, own: float, mem0s: float, bleu: float
) -> None:
    assert mem0.bleu1(prediction, gold) == pytest.approx(bleu, abs=5e-5)


def test_adversarial_counts_a_refusal() -> None:
    assert locomo.f1("No information available.", "anything", "adversarial") == 1.0
    assert locomo.f1("Rome", "anything", "adversarial") == 0.0


def test_exact_match_of_the_two_conventions() -> None:
    assert mem0.em("Rome", "rome") == mem0.em("23 July, 2023", " 23 July, 2023") == 1.0
    assert mem0.em("Rome.", "rome") == mem0.em("", "") == mem0.em(" ", "") == 0.0
    assert locomo.em("the Rome trip.", "trip Rome") == 1.0


def test_exact_match_compares_with_the_gold_that_f1_compares_with() -> None:
    assert locomo.em("Likely no", "Likely no; she prefers art", "open-domain") == 1.0
    assert locomo.em("Likely no", "Likely no; she prefers art", "single-hop") == 0.0
    assert locomo.em("It was not mentioned.", "Rome", "adversarial") == 1.0
    assert locomo.em("Rome", "Rome", "adversarial") == 0.0


@needs_punkt
def test_one_call_brings_both_conventions_and_mem0s_skips_the_adversarial() -> None:
    found = scores("U.S.A.", "USA", "single-hop")
    assert found == {"locomo": {"f1": 1.0, "em": 1.0}, "mem0": {"f1": 0.0, "bleu1": 0.0, "em": 0.0}}
    assert {name: tuple(measures) for name, measures in found.items()} == CONVENTIONS
    assert scores("not mentioned", "USA", "adversarial") == {"locomo": {"f1": 1.0, "em": 1.0}}


@pytest.mark.parametrize("category", [1, 2, 3, 4])
@pytest.mark.parametrize("gold", ["7 May 2023", "pottery, camping", "Likely no", "rock and roll"])
def test_gold_scores_one_and_nothing_scores_zero(gold: str, category: int) -> None:
    assert (
        mem0.f1(gold, gold)
        == locomo.f1(gold, gold, CATEGORIES[category])
        == mem0.em(gold, gold)
        == locomo.em(gold, gold)
        == 1.0
    )
    assert (
        mem0.f1("", gold)
        == locomo.f1("", gold, CATEGORIES[category])
        == mem0.em("", gold)
        == locomo.em("", gold)
        == 0.0
    )


@needs_punkt
def test_score_brings_all_three() -> None:
    assert mem0.score("7 May 2023", "7 May 2023") == mem0.Scores(1.0, 1.0, 1.0)
    assert mem0.score("", "7 May 2023") == mem0.Scores(0.0, 0.0, 0.0)


@given(st.text(), st.text())
def test_f1_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert 0.0 <= mem0.f1(one, other) <= 1.0
    assert mem0.f1(one, other) == pytest.approx(mem0.f1(other, one))
    assert 0.0 <= locomo.f1(one, other, "single-hop") <= 1.0


def test_missing_tokenizer_data_is_an_error_not_another_tokenizer(tmp_path: Path) -> None:
    code = (
        "import nltk\nnltk.data.path[:] = []\nfrom memory_r1.memory.errors import InputError\n"
        "from memory_r1.rl.metrics import mem0\n"
        "try:\n    mem0.bleu1('a b', 'a')\nexcept InputError as error:\n    assert 'data prepare nltk' in str(error)\n"
        "else:\n    raise SystemExit('no error')\n"
    )
    env = {**os.environ, "NLTK_DATA": str(tmp_path), "HOME": str(tmp_path), "MEMORY_R1_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
