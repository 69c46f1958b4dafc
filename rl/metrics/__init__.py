"""Scores of an answer against the gold one, in the two conventions of the literature."""

from memory_r1.rl.metrics import locomo, mem0
from memory_r1.rl.metrics.mem0 import Scores, score

__all__ = ["Scores", "locomo", "mem0", "score"]
