"""A task validates itself: its gold answers get 1.0 and an empty answer 0.0, by every measure that allows it.

Not allowed are, by rule (`RULES`): the golds of adversarial questions, which are traps, so that a refusal stands in for
them and Mem0's convention has no say; of LoCoMo's open-domain golds what stands behind the first ";", which its own
convention doesn't read; and golds without a word that the measure counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose

from memory_r1.memory.errors import InputError
from memory_r1.rl.metrics import CONVENTIONS, locomo, mem0, scores
from memory_r1.rl.tasks.types import Question, Task

REFUSAL = "No information available"
"""The right answer to an adversarial question, in the words that LoCoMo's evaluation looks for."""

RULES = {
    "refusal": "adversarial: a refusal is right instead of the gold; Mem0's convention skips the question",
    "first part": "open-domain: LoCoMo's convention reads the gold up to its first ';' only",
    "no word": "the gold has no word that the measure counts",
}
"""Why a gold answer as it stands may not score 1.0."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`questions`: how many were checked. `exceptions`: how many of them needed a rule, by rule."""

    questions: int
    exceptions: Mapping[str, int]


def check(task: Task) -> Checked:
    """Score every gold answer, and an empty one in its place.

    Raises InputError for the first question that scores otherwise without a rule, and as `metrics.scores` does.
    """
    counts: Counter[str] = Counter()
    asked = [question for one in task.conversations for question in one.questions]
    for question in asked:
        rules: set[str] = set()
        for convention, measures in CONVENTIONS.items():
            rules |= _check(question, convention, measures)
        counts.update(RULES[rule] for rule in rules)
    return Checked(len(asked), {rule: counts[rule] for rule in RULES.values() if counts[rule]})


def right_answer(question: Question, convention: str) -> str:
    """The answer that must score 1.0: the gold one, as far as `convention` reads it; a refusal where that is right."""
    if question.category == locomo.ADVERSARIAL:
        return REFUSAL
    return locomo.wanted(question.answer, question.category) if convention == "locomo" else question.answer


def _check(question: Question, convention: str, measures: tuple[str, ...]) -> set[str]:
    """The rules that the question needs in this convention. Raises InputError where none helps."""
    right = right_answer(question, convention)
    full = scores(right, question.answer, question.category).get(convention, {})
    empty = scores("", question.answer, question.category).get(convention, {})
    rules: set[str] = set()
    if right != question.answer or not full:
        rules.add("refusal" if question.category == locomo.ADVERSARIAL else "first part")
    for measure in measures if full else ():
        if not _counts(right, question.category, convention, measure):
            rules.add("no word")
        elif not isclose(full[measure], 1.0, abs_tol=1e-9) or empty[measure] != 0.0:
            raise InputError(
                f"question {question.id!r}: by {convention} {measure}, {right!r} scores {full[measure]} and an empty "
                f"answer {empty[measure]}, where 1.0 and 0.0 are due: the task or the measure is wrong"
            )
    return rules


def _counts(answer: str, category: str, convention: str, measure: str) -> bool:
    """Whether `answer` has words for this measure."""
    if convention == "locomo":
        parts = answer.split(",") if measure == "f1" and category == "multi-hop" else [answer]
        return all(locomo.normalise(part) for part in parts)
    return bool(mem0.tokens(answer) if measure == "f1" else answer.strip())
