"""What verl imports in every process of a run on CPUs (`VERL_USE_EXTERNAL_MODULES`): importing it is installing it.

Where another platform is chosen (`VERL_PLATFORM` is not "cpu") it only adds entries to verl's registries.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from memory_r1.rl.trainer.cpu.environment import PLATFORM, ROLLOUT

if TYPE_CHECKING:
    from verl.workers.rollout.replica import RolloutReplica

_installed: list[str] = []


def install() -> None:
    """Registers platform, engines and rollout, and applies the patches; once in a process.

    Raises MissingExtraError when verl is of another version than the patches.
    """
    if _installed:
        return
    _installed.append("verl imports this module again while it is imported here")
    from verl.workers.rollout import base
    from verl.workers.rollout.replica import RolloutReplicaRegistry

    from memory_r1.rl.trainer.cpu import engines, patches, platform  # noqa: F401  the platform registers itself

    RolloutReplicaRegistry.register(ROLLOUT, _replica)
    base._ROLLOUT_REGISTRY[ROLLOUT, "async"] = "memory_r1.rl.trainer.cpu.rollout.Pusher"
    if os.environ.get("VERL_PLATFORM") == PLATFORM:
        engines.register()
        patches.apply()


def _replica() -> type[RolloutReplica]:
    from memory_r1.rl.trainer.cpu.rollout import LocalReplica

    return LocalReplica


install()
