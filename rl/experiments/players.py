"""Who plays in an experiment: the policy that is measured, and who answers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from memory_r1.rl.experiments.types import Role
from memory_r1.rl.rollouts.environment import Environment
from memory_r1.rl.rollouts.types import Row
from memory_r1.rl.trainer.environments import Policy, build_environment
from memory_r1.rl.trainer.settings import LimitSettings, TrainingSettings

AT_ONCE = 64
"""Episodes that are played at the same time."""
LIMITS = LimitSettings(candidates=5, hits=8, per_speaker=8, answer_chars=2_000)
"""What policies are shown that state no limits of their own, as in the config `tiny-cpu`."""

R = TypeVar("R", bound=Row)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Players:
    """Who plays a test: the folder of the policy that is measured, and the model string of who answers beside it."""

    policy: Path
    answerer: str
    distil: bool = True

    def environment(self, role: Role) -> Environment:
        """Where the policy plays `role`, rewarded by exact match. Raises as `build_environment`."""
        settings = TrainingSettings(
            role=role, rewards={"em": 1.0}, answerer=self.answerer, limits=LIMITS, distil=self.distil
        )
        return build_environment(settings, Policy.at(str(self.policy)))


async def each(rows: Sequence[R], play: Callable[[R], Awaitable[T]]) -> list[T]:
    """What `play` makes of each of `rows`, `AT_ONCE` at the same time."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(row: R) -> T:
        async with turn:
            return await play(row)

    return list(await asyncio.gather(*map(one, rows)))
