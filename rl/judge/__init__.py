"""A language model as the judge of answers, and how far to trust it."""

from .agreement import Agreement, agreement, agreements
from .judge import CORRECT, LABELS, UNUSABLE, WRONG, Judge, Verdict, make_judges
from .prompts import STYLES
from .run import judge_answers
from .verdicts import read_verdicts, verdict_path

__all__ = [
    "Agreement", "CORRECT", "LABELS", "STYLES", "UNUSABLE", "WRONG", "Judge", "Verdict", "agreement", "agreements",
    "judge_answers", "make_judges", "read_verdicts", "verdict_path",
]  # fmt: skip
