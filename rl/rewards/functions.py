"""What can be rewarded: small measures of one outcome, each in [0, 1], by name.

    em, f1              exact match and F1 by LoCoMo's own convention (`metrics.locomo`): normalised, with its rules
    em_mem0, f1_mem0    the same by Mem0's (`metrics.mem0`), which the paper's tables follow: em is equality of strings
    judge               the share of answers that a judge finds right (`rl.judge`); asks an endpoint
    wrong               the share of answers that tell something wrong: neither right by `em`, nor a refusal. With a
                        weight below 0 it pays to say that nothing is known:
                        em=1,wrong=-1 is the reward of TruthRL (arXiv 2509.25760)
    malformed           1.0 when the trained role's reply could not be read
    size                how much the bank grew: a tenth for each memory gained, 1.0 from ten on

The paper's reward is exact match (section 3.1); how it normalises is not given. Here `em` drops case, punctuation,
articles and order, since equal strings would make a full stop wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from statistics import fmean

from memory_r1.rl.judge.judge import CORRECT, UNUSABLE, Judge
from memory_r1.rl.metrics import locomo, mem0
from memory_r1.rl.rollouts.recent import Once
from memory_r1.rl.rollouts.types import Outcome, Reply

log = logging.getLogger(__name__)

Measure = Callable[[Outcome], float]
JUDGE = "judge"
"""The one measure that needs somebody: give `Rewards.of` a judge."""

GROWN = 10
"""So many memories gained by one decision are the most that `size` tells."""


def em(outcome: Outcome) -> float:
    """The share of answers that match the gold exactly, normalised as LoCoMo's evaluation does; 0.0 without any."""
    return _mean(outcome, lambda one: locomo.em(one.answer.text, one.question.answer, one.question.category))


def f1(outcome: Outcome) -> float:
    """The mean F1 on stems, by LoCoMo's rule for each category; 0.0 without any. Raises MissingExtraError (NLTK)."""
    return _mean(outcome, lambda one: locomo.f1(one.answer.text, one.question.answer, one.question.category))


def em_mem0(outcome: Outcome) -> float:
    """The share of answers equal to the gold in lower case. An adversarial question, which Mem0 skips, as in `em`."""
    return _mean(outcome, lambda one: _by_mem0(one, mem0.em))


def f1_mem0(outcome: Outcome) -> float:
    """The mean F1 on sets of words. An adversarial question, which Mem0 skips, as in `em`."""
    return _mean(outcome, lambda one: _by_mem0(one, mem0.f1))


def wrong(outcome: Outcome) -> float:
    """The share of answers that tell something wrong: not right as `em` has it, no refusal in LoCoMo's words, and not
    empty; 0.0 without any.
    """

    def told(one: Reply) -> float:
        text, question = one.answer.text, one.question
        silent = not text.strip() or locomo.refuses(text)
        return float(not silent and not locomo.em(text, question.answer, question.category))

    return _mean(outcome, told)


def malformed(outcome: Outcome) -> float:
    """1.0 when a reply of the trained role could not be used, else 0.0."""
    return float(outcome.malformed > 0)


def size(outcome: Outcome) -> float:
    """The memories that the bank gained by this decision, in tenths; 0.0 when it did not grow, 1.0 at most."""
    return min(max(outcome.after - outcome.before, 0) / GROWN, 1.0)


REWARDS: Mapping[str, Measure] = {
    "em": em, "f1": f1, "em_mem0": em_mem0, "f1_mem0": f1_mem0, "wrong": wrong, "malformed": malformed,
    "size": size,
}  # fmt: skip
"""By name; `JUDGE` comes on top."""


class Judged:
    """The share of answers that `judge` finds right. It judges an answer to a question once.

    A verdict that could not be read counts as wrong, and is logged. Raises ModelUnavailableError.
    """

    def __init__(self, judge: Judge, size: int = 50_000) -> None:
        self._judge = judge
        self._verdicts: Once[str, str] = Once(size)

    async def __call__(self, outcome: Outcome) -> float:
        """The share, in [0, 1]; 0.0 without answers."""
        labels = [await self._label(reply) for reply in outcome.replies]
        return fmean(label == CORRECT for label in labels) if labels else 0.0

    async def _label(self, reply: Reply) -> str:
        asked = reply.question
        given = (asked.text, asked.answer, reply.answer.text, asked.unanswerable)
        return await self._verdicts.get(self._judge.key(*given), lambda: self._ask(*given))

    async def _ask(self, question: str, gold: str, answer: str, unanswerable: bool) -> str:
        verdict = await self._judge.verdict(question, gold, answer, unanswerable)
        if verdict.label == UNUSABLE:
            told = {"content": f"{question!r}: {verdict.reason}"}
            log.warning("the judge's verdict on a question counts as wrong", extra=told)
        return verdict.label


def _mean(outcome: Outcome, score: Callable[[Reply], float]) -> float:
    return fmean(map(score, outcome.replies)) if outcome.replies else 0.0


def _by_mem0(reply: Reply, score: Callable[[str, str], float]) -> float:
    if reply.question.category == locomo.ADVERSARIAL:
        return locomo.refuses(reply.answer.text)
    return score(reply.answer.text, reply.question.answer)
