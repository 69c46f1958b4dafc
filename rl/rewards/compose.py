"""Rewards composed in a config: `{"em": 1.0, "malformed": -0.2}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from memory_r1.memory.errors import InputError
from memory_r1.rl.judge.judge import Judge
from memory_r1.rl.rewards.functions import JUDGE, REWARDS, Judged
from memory_r1.rl.rollouts.types import Outcome


@dataclass(frozen=True, slots=True)
class Scored:
    """The reward of one outcome. `parts`: what was measured, by name, unweighted, each in [0, 1]."""

    reward: float
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rewards:
    """A weighted sum of measures (`functions`), each the mean over an outcome's questions. Make it by `Rewards.of`."""

    weights: Mapping[str, float]
    judge: Judged | None = None

    @classmethod
    def of(cls, weights: Mapping[str, float], judge: Judge | None = None) -> Rewards:
        """Rewards by the weight of each measure. `judge`: who judges where "judge" has a weight.

        Raises InputError for a name that is unknown, a weight that is no number, and none other than 0.
        """
        known = (*REWARDS, JUDGE)
        for name, weight in weights.items():
            if name not in known:
                raise InputError(f"there is no reward {name!r}: choose of {', '.join(known)}")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not isfinite(weight):
                raise InputError(f"the weight {weight!r} of reward {name!r} is no number: write one, as 1.0")
        if not any(weights.values()):
            raise InputError(f"the rewards {dict(weights)!r} reward nothing: give one a weight, as {{'em': 1.0}}")
        if JUDGE in weights and judge is None:
            raise InputError("the reward 'judge' needs a judge: name its model, as openai:MODEL@URL")
        made = Judged(judge) if judge is not None and JUDGE in weights else None
        return cls({name: float(weight) for name, weight in weights.items()}, made)

    @property
    def lowest(self) -> float:
        """The lowest reward that any outcome can earn: every measure is in [0, 1]."""
        return sum(min(weight, 0.0) for weight in self.weights.values())

    async def score(self, outcome: Outcome) -> Scored:
        """The reward of `outcome`.

        A malformed one earns `lowest`, whatever the bank would answer: else a policy that knows no good operation would
        learn to write nothing that can be read. Raises ModelUnavailableError (the judge), MissingExtraError (NLTK).
        """
        parts = {name: REWARDS[name](outcome) for name in self.weights if name != JUDGE}
        if self.judge is not None:
            parts[JUDGE] = await self.judge(outcome)
        if outcome.malformed:
            return Scored(self.lowest, parts)
        return Scored(sum(self.weights[name] * value for name, value in parts.items()), parts)
