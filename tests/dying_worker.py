"""A process that rolls out and is killed in the second step, as one that takes too much memory is.

Loaded by verl in every process (VERL_USE_EXTERNAL_MODULES), after our own plugin.
"""

import os
import signal
from typing import Any

from memory_r1.rl.rollouts.play import Player

_through = Player.through
_count = {"played": 0}


async def through(self: Player, *args: Any, **kwargs: Any) -> Any:
    _count["played"] += 1
    if _count["played"] == 60:
        os.kill(os.getpid(), signal.SIGKILL)
    return await _through(self, *args, **kwargs)


Player.through = through
