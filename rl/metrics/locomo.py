"""LoCoMo's own convention (arXiv 2402.17753): F1 on stems with a rule for each category, and exact match.

Source: `task_eval/evaluation.py` of snap-research/locomo.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import lru_cache
from typing import Any

from memory_r1.memory.errors import MissingExtraError

ADVERSARIAL = "adversarial"
"""The category whose questions the conversation doesn't answer: what counts is a refusal."""

_DROPPED = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the|and)\b")
_REFUSALS = ("no information available", "not mentioned")


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation (no space in its place) and without the words a, an, the, and."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_DROPPED)).split())


def f1(prediction: str, gold: str, category: str) -> float:
    """The score of LoCoMo's evaluation for a question of `category` (`tasks.locomo.CATEGORIES` has the names).

    "multi-hop": both sides are lists split at commas; each gold part takes its best match; their mean. "open-domain":
    only the gold's part before the first ";". "adversarial": whether the prediction refuses. All others, those of
    other tasks too: the F1 on the multisets of stems. Raises MissingExtraError without NLTK.
    """
    if category == ADVERSARIAL:
        return refuses(prediction)
    gold = wanted(gold, category)
    if category == "multi-hop":
        parts = [part.strip() for part in prediction.split(",")]
        golds = [part.strip() for part in gold.split(",")]
        return sum(max(stem_f1(part, one) for part in parts) for one in golds) / len(golds)
    return stem_f1(prediction, gold)


def em(prediction: str, gold: str, category: str = "") -> float:
    """1.0 when both have the same set of normalised words, else 0.0; the gold is the one that `f1` compares with.

    "adversarial": whether the prediction refuses.
    """
    if category == ADVERSARIAL:
        return refuses(prediction)
    return float(set(normalise(prediction).split()) == set(normalise(wanted(gold, category)).split()))


def wanted(gold: str, category: str) -> str:
    """The part of the gold answer that counts: of "open-domain" what stands before the first ";"."""
    return gold.split(";", maxsplit=1)[0].strip() if category == "open-domain" else gold


def refuses(prediction: str) -> float:
    """1.0 when the prediction says that the conversation doesn't tell, in LoCoMo's words; else 0.0."""
    return float(any(refusal in prediction.lower() for refusal in _REFUSALS))


def stem_f1(prediction: str, gold: str) -> float:
    """F1 on the multisets of Porter stems; 0 when either is empty."""
    ours, theirs = _stems(prediction), _stems(gold)
    common = sum((ours & theirs).values())
    if not common:
        return 0.0
    precision, recall = common / ours.total(), common / theirs.total()
    return 2 * precision * recall / (precision + recall)


def _stems(text: str) -> Counter[str]:
    return Counter(_stem(word) for word in normalise(text).split())


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    return _stemmer().stem(word)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    try:
        from nltk.stem import PorterStemmer
    except ImportError as error:
        raise MissingExtraError.of("rl", "nltk") from error
    return PorterStemmer()
