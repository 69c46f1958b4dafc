"""An engine that fails: one request of the first step, every second one of the next.

Loaded by verl in every process (VERL_USE_EXTERNAL_MODULES), after our own plugin. Weights arrive before each step.
"""

from typing import Any

from memory_r1.graphs.local.engine import Engine
from memory_r1.memory.errors import ModelUnavailableError

_generate, _load_weights = Engine.generate, Engine.load_weights
_count = {"asked": 0, "loaded": 0}


async def generate(self: Engine, *args: Any, **kwargs: Any) -> Any:
    _count["asked"] += 1
    if _count["asked"] == 1 or (_count["loaded"] > 1 and _count["asked"] % 2):
        raise ModelUnavailableError("a failure made for this test")
    return await _generate(self, *args, **kwargs)


async def load_weights(self: Engine, *args: Any, **kwargs: Any) -> int:
    _count["loaded"] += 1
    return await _load_weights(self, *args, **kwargs)


Engine.generate, Engine.load_weights = generate, load_weights
