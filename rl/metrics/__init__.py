"""Scores of an answer against the gold one, in the two conventions of the literature, and what a run costs."""

from . import locomo, mem0
from .answers import CONVENTIONS, scores
from .evidence import recall
from .mem0 import Scores, score

__all__ = ["CONVENTIONS", "Scores", "locomo", "mem0", "recall", "score", "scores"]
