"""verl's workers of agent loops, without what costs nothing beside a large model and much beside a tiny one.

one loop of each kind in a process    verl instantiates one by Hydra for each rollout; ours keep nothing of a rollout
one put into the queue for many       verl puts each rollout, and each prompt's status twice, by itself (`outbox`)
the end is told                       verl's trainer looks into the queue until it finds it
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, cast

import hydra
import ray
from tensordict import TensorDict
from verl.experimental.agent_loop.agent_loop import (
    AgentLoopBase,
    DictConfigWrap,
    ToolListWrap,
    _agent_loop_registry,
)
from verl.trainer.ppo.v1 import AgentLoopManagerTQ, AgentLoopWorkerTQ
from verl.trainer.ppo.v1.agent_loop_tq import apply_greedy_sampling_params

from memory_r1.rl.rollouts.play import together
from memory_r1.rl.trainer.errors import RolloutsLostError
from memory_r1.rl.trainer.outbox import Outbox, Queued, Status, queued

_Worker: Any = cast(Any, AgentLoopWorkerTQ).__ray_metadata__.modified_class
"""The class behind verl's Ray actor, which can't be subclassed itself."""


class LoopWorker(_Worker):
    """Runs rollouts. None is traced: verl's workers of this trainer trace none either."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loops: dict[str, AgentLoopBase] = {}
        self._outboxes = {False: Outbox("train"), True: Outbox("val")}

    async def generate_sequences(self, batch: Any) -> None:
        """As verl's: begin the rollouts of `batch`, and don't wait for them."""
        running: dict[str, Status] = dict.fromkeys(batch["uid"], "running")
        validate = "validate" in batch and batch["validate"]
        marked = asyncio.create_task(self._outboxes[bool(validate)].mark(running))
        await super().generate_sequences(batch)
        await marked

    async def settled(self) -> None:
        """Returns when no rollout runs any more and all samples are in the queue. Raises what putting them raised."""
        while self.background_tasks:
            await asyncio.gather(*self.background_tasks)

    async def _run_prompt(
        self, prompt: dict[str, Any], sampling_params: dict[str, Any], trajectory: dict[str, Any], trace: bool = False
    ) -> None:
        """As verl's: run the rollouts of one prompt."""
        validate = bool(trajectory["validate"])
        config = self.config.actor_rollout_ref.rollout
        count = prompt.pop("__rollout_n__", config.val_kwargs.n if validate else config.n)
        sampling = dict(sampling_params)
        if not prompt.pop("__do_sample__", True) and not validate:
            apply_greedy_sampling_params(sampling)
        runs = [
            self._run_agent_loop(sampling, trajectory, session_id=number, trace=trace, **prompt)
            for number in range(int(count))
        ]
        await self._outboxes[validate].settle(prompt["uid"], _all(runs))

    async def _run_agent_loop(
        self,
        sampling_params: dict[str, Any],
        trajectory: dict[str, Any],
        *,
        agent_name: str,
        trace: bool = True,
        **row: Any,
    ) -> Sequence[Queued]:
        """Run one rollout: its samples. Where verl has more to do with them, verl puts them into the queue itself."""
        validate = bool(trajectory["validate"])
        output = cast(Any, await self._loop(agent_name).run(sampling_params, validate=validate, **row))
        if self.distillation_enabled or self.processor is not None:
            await self._agent_loop_postprocess(output, validate, **row)
            return ()
        return queued(output, row)

    def _loop(self, name: str) -> AgentLoopBase:
        """The loop `name`, made as verl makes it for a rollout. Raises KeyError for one that is not registered."""
        if name not in self._loops:
            self._loops[name] = hydra.utils.instantiate(
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
        return self._loops[name]


async def _all(runs: Sequence[Awaitable[Sequence[Queued]]]) -> list[Queued]:
    """The samples of `runs`. Raises what one raised when all have ended: none writes after its prompt has failed."""
    return [sample for one in await together(runs) for sample in one]


class LoopManager(AgentLoopManagerTQ):
    """verl's manager with our workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(LoopWorker)
        self._ends: list[Any] = []

    def generate_sequences(self, prompts: TensorDict) -> None:
        """As verl's: hand the rollouts of `prompts` out to the workers."""
        self._ends = []
        super().generate_sequences(prompts)

    def settled(self, seconds: float) -> bool:
        """Whether no rollout runs of those handed out, after waiting `seconds` at most. Raises RolloutsLostError.

        That is where a worker has died or can't reach the queue; verl would wait on.
        """
        self._ends = self._ends or [cast(Any, worker).settled.remote() for worker in self.agent_loop_workers]
        over, running = ray.wait(self._ends, num_returns=len(self._ends), timeout=seconds)
        try:
            ray.get(over)
        except Exception as error:
            raise RolloutsLostError(f"a process that rolls out failed: {error}") from error
        self._ends = self._ends if running else []
        return not running
