"""Promotion: a candidate is weighed against the policy in use, and published if it is better by a margin."""

from memory_r1.rl.promotion.publish import publish
from memory_r1.rl.promotion.weigh import Score, Trial, Weighed, weigh

__all__ = ["Score", "Trial", "Weighed", "publish", "weigh"]
