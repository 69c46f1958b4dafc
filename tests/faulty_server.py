"""A rollout server that fails: one request of the first step, every second one of the next.

Loaded by verl in every process (VERL_USE_EXTERNAL_MODULES), after our own plugin.
"""

from typing import Any

from memory_r1.memory.errors import ModelUnavailableError
from memory_r1.rl.trainer.cpu import rollout

_generate = rollout.LocalServer.generate
_asked = 0


async def generate(self: rollout.LocalServer, *args: Any, **kwargs: Any) -> Any:
    global _asked  # noqa: PLW0603 - of one process, which serves one test
    _asked += 1
    later = bool(self._global_steps)
    if _asked == 1 or (later and _asked % 2):
        raise ModelUnavailableError("a failure made for this test")
    return await _generate(self, *args, **kwargs)


rollout.LocalServer.generate = generate
