"""Rewards: named measures of what came of a decision, composed by weights."""

from .compose import Rewards, Scored
from .functions import REWARDS

__all__ = ["REWARDS", "Rewards", "Scored"]
