"""One answer scored by both conventions: what `memory-r1 score`, the evaluation and the rewards share."""

from __future__ import annotations

from . import locomo, mem0

CONVENTIONS = {"locomo": ("f1", "em"), "mem0": ("f1", "bleu1", "em")}
"""The measures of each convention."""


def scores(prediction: str, gold: str, category: str) -> dict[str, dict[str, float]]:
    """The measures of `prediction` by convention (`CONVENTIONS`), each in [0, 1].

    `category`: its official name. "adversarial" has no "mem0": Mem0's evaluation skips those questions. Raises
    MissingExtraError without NLTK, InputError without its sentence model.
    """
    own = {"f1": locomo.f1(prediction, gold, category), "em": locomo.em(prediction, gold, category)}
    if category == locomo.ADVERSARIAL:
        return {"locomo": own}
    found = mem0.score(prediction, gold)
    return {"locomo": own, "mem0": {"f1": found.f1, "bleu1": found.bleu1, "em": found.em}}
