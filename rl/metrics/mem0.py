"""Mem0's convention, which A-Mem and most later papers on LoCoMo follow: F1 on sets, BLEU-1, exact match.

Nothing is stemmed and no article is dropped; a category has no rule of its own. Overall figures are plain means over
the questions. Source: `evaluation/metrics/utils.py` of mem0ai/mem0, and of A-Mem, where Mem0 took it; the tables of
arXiv 2508.19828 are compared with these figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from memory_r1.memory.errors import InputError, MissingExtraError

_SPACED = str.maketrans({".": " ", ",": " ", "!": " ", "?": " "})
_PUNKT = "tokenizers/punkt_tab/english/"
_MISSING = (
    "NLTK's sentence model 'punkt_tab' is missing, without which BLEU-1 would differ: run "
    "`memory-r1 data prepare nltk`, or set NLTK_DATA to a folder that holds tokenizers/punkt_tab"
)


@dataclass(frozen=True, slots=True)
class Scores:
    """The three scores of one answer, each in [0, 1]."""

    f1: float
    bleu1: float
    em: float


def score(prediction: str, gold: str) -> Scores:
    """All three scores of `prediction`. Raises MissingExtraError and InputError as `bleu1` does."""
    return Scores(f1(prediction, gold), bleu1(prediction, gold), em(prediction, gold))


def tokens(text: str) -> set[str]:
    """The set of words that F1 compares: lower case, `. , ! ?` as spaces."""
    return set(text.lower().translate(_SPACED).split())


def f1(prediction: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the two sets of words; 0 when either is empty."""
    ours, theirs = tokens(prediction), tokens(gold)
    common = len(ours & theirs)
    if not common:
        return 0.0
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)


def em(prediction: str, gold: str) -> float:
    """1.0 when the two are equal in lower case, spaces around them apart, and not empty; else 0.0."""
    return float(prediction.strip().lower() == gold.strip().lower() != "")


def bleu1(prediction: str, gold: str) -> float:
    """Sentence BLEU of single words, smoothed by NLTK's method 1; 0 when either text has no word.

    Raises MissingExtraError without NLTK, InputError without its sentence model: a different tokenizer
    would give different figures.
    """
    tokenize, bleu, smooth = _nltk()
    ours, theirs = tokenize(prediction.lower()), tokenize(gold.lower())
    if not ours or not theirs:
        return 0.0
    return float(bleu([theirs], ours, weights=(1, 0, 0, 0), smoothing_function=smooth))


@lru_cache(maxsize=1)
def _nltk() -> tuple[Callable[[str], list[str]], Any, Any]:
    """NLTK's word tokenizer, its sentence BLEU, and the smoothing."""
    try:
        from nltk.tokenize import word_tokenize
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    except ImportError as error:
        raise MissingExtraError.of("rl", "nltk") from error
    find_punkt()
    return word_tokenize, sentence_bleu, SmoothingFunction().method1


def find_punkt() -> str:
    """The place of NLTK's sentence model: where NLTK looks, else where `memory-r1 data prepare nltk` puts it.

    NLTK looks there, too, from then on. Raises MissingExtraError without NLTK, InputError without the model.
    """
    try:
        from nltk import data
    except ImportError as error:
        raise MissingExtraError.of("rl", "nltk") from error
    found = _find(data.path)
    if found is None:
        from memory_r1.rl.tasks.prepare import data_folder

        ours = str(data_folder() / "nltk")
        found = _find([ours])
        if found is None:
            raise InputError(_MISSING)
        data.path.append(ours)
    return found


def _find(folders: Sequence[str]) -> str | None:
    from nltk import data

    try:
        return str(data.find(_PUNKT, [*folders]))
    except LookupError:
        return None
