"""verl's workers of agent loops, with one loop of each kind for a process in place of one for each rollout.

verl instantiates a loop by Hydra for every rollout: about a third of the processor time that a rollout of a tiny model
takes here. Ours keep nothing of a rollout between calls, so one serves them all.
"""

from __future__ import annotations

from typing import Any, cast

import hydra
import ray
from verl.experimental.agent_loop.agent_loop import (
    AgentLoopBase,
    DictConfigWrap,
    ToolListWrap,
    _agent_loop_registry,
)
from verl.trainer.ppo.v1 import AgentLoopManagerTQ, AgentLoopWorkerTQ

_Worker: Any = cast(Any, AgentLoopWorkerTQ).__ray_metadata__.modified_class
"""The class behind verl's Ray actor, which can't be subclassed itself."""


SPENT = frozenset({"row", "raw_prompt", "prompt", "dummy_tensor", "tools_kwargs", "interaction_kwargs"})
"""Columns of a row that nobody reads after its rollout; `row` alone is longer than its samples."""


class LoopWorker(_Worker):
    """Runs rollouts. None is traced: verl's workers of this trainer trace none either."""

    async def _run_agent_loop(
        self,
        sampling_params: dict[str, Any],
        trajectory: dict[str, Any],
        *,
        agent_name: str,
        trace: bool = True,
        **row: Any,
    ) -> None:
        """As verl's, without a trace. What only rollouts read doesn't travel on with every sample."""
        output = await self._loop(agent_name).run(sampling_params, **row)
        kept = {name: value for name, value in row.items() if name not in SPENT}
        await self._agent_loop_postprocess(output, trajectory["validate"], **kept)

    def _loop(self, name: str) -> AgentLoopBase:
        """The loop `name`, made as verl makes it for a rollout. Raises KeyError for one that is not registered."""
        kept: dict[str, AgentLoopBase] = self.__dict__.setdefault("_loops", {})
        if name not in kept:
            kept[name] = hydra.utils.instantiate(
                config=_agent_loop_registry[name],
                trainer_config=DictConfigWrap(config=self.config),
                server_manager=self.llm_client,
                tokenizer=self.tokenizer,
                processor=self.processor,
                hf_model_type=self.hf_model_type,
                dataset_cls=self.dataset_cls,
                data_config=DictConfigWrap(self.config.data),
                tools=ToolListWrap(self.tools),
            )
        return kept[name]


class LoopManager(AgentLoopManagerTQ):
    """verl's manager with our workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(LoopWorker)
