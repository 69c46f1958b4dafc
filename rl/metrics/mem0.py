"""Mem0's convention, which A-Mem and most later papers on LoCoMo follow: F1 on sets, BLEU-1, exact match.

Nothing is stemmed and no article is dropped; a category has no rule of its own. Overall figures are plain means over
the questions. Source: the tables of arXiv 2508.19828 are compared with these figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memory_r1.memory.errors import InputError, MissingExtraError

_SPACED = str.maketrans({".": " ", ",": " ", "!": " ", "?": " "})
_PUNKT = (
    "NLTK's tokenizer data 'punkt_tab' is missing, without which BLEU-1 would differ: run "
    "`python -m nltk.downloader punkt_tab`, or set NLTK_DATA to a folder that holds tokenizers/punkt_tab"
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
    """1.0 when the two are equal in lower case, else 0.0."""
    return float(prediction.lower() == gold.lower())


def bleu1(prediction: str, gold: str) -> float:
    """Sentence BLEU of single words, smoothed by NLTK's method 1; 0 when either text has no word.

    Raises MissingExtraError without NLTK, InputError without its tokenizer data: a different tokenizer
    would give different figures.
    """
    try:
        from nltk.tokenize import word_tokenize
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    except ImportError as error:
        raise MissingExtraError.of("rl", "nltk") from error
    try:
        ours, theirs = word_tokenize(prediction.lower()), word_tokenize(gold.lower())
    except LookupError as error:
        raise InputError(_PUNKT) from error
    if not ours or not theirs:
        return 0.0
    bleu: Any = sentence_bleu  # typed as if it could give a list
    return float(bleu([theirs], ours, weights=(1, 0, 0, 0), smoothing_function=SmoothingFunction().method1))
