"""verl's workers of agent loops, without what costs nothing beside a large model and much beside a tiny one.

one loop of each kind in a process    verl instantiates one by Hydra for each rollout; ours keep nothing of a rollout
one put into the queue for many       verl puts each rollout by itself, and a put costs much, whatever it holds
no columns that nobody reads again    `row` is longer than its samples
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import hydra
import ray
import torch
import transfer_queue as tq
from verl.experimental.agent_loop.agent_loop import (
    AgentLoopBase,
    AgentLoopOutput,
    DictConfigWrap,
    ToolListWrap,
    _agent_loop_registry,
)
from verl.trainer.ppo.v1 import AgentLoopManagerTQ, AgentLoopWorkerTQ
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

_Worker: Any = cast(Any, AgentLoopWorkerTQ).__ray_metadata__.modified_class
"""The class behind verl's Ray actor, which can't be subclassed itself."""
SPENT = frozenset({
    "row", "raw_prompt", "prompt", "dummy_tensor", "tools_kwargs", "interaction_kwargs", "extra_info", "index",
})  # fmt: skip
"""Columns of a row that nobody reads after its rollout."""
GATHERING = 0.005
"""Seconds that a put waits for rollouts that end just after the first one of it."""


@dataclass(frozen=True, slots=True)
class Queued:
    """One sample as the queue takes it."""

    key: str
    fields: Mapping[str, Any]
    tag: Mapping[str, Any]


@dataclass(slots=True)
class _Batch:
    """Samples that are put together. `error`: why they could not be."""

    samples: list[Queued] = field(default_factory=list[Queued])
    error: BaseException | None = None


class Outbox:
    """The way into one partition of verl's queue: what gets ready while a put is under way goes with the next one."""

    def __init__(self, partition: str) -> None:
        self._partition = partition
        self._batch = _Batch()
        self._sending = asyncio.Lock()

    async def put(self, samples: Sequence[Queued]) -> None:
        """Returns when `samples` are in the queue. Raises what putting them, and those they went with, raised."""
        if not samples:
            return
        batch = self._batch
        batch.samples += samples
        async with self._sending:
            if batch is self._batch:
                await asyncio.sleep(GATHERING)
                self._batch = _Batch()
                await self._send(batch)
        if batch.error is not None:
            raise batch.error

    async def _send(self, batch: _Batch) -> None:
        try:
            await tq.async_kv_batch_put(
                keys=[one.key for one in batch.samples],
                fields=list_of_dict_to_tensordict([dict(one.fields) for one in batch.samples]),
                tags=[dict(one.tag) for one in batch.samples],
                partition_id=self._partition,
            )
        except BaseException as error:
            batch.error = error
            raise


class LoopWorker(_Worker):
    """Runs rollouts. None is traced: verl's workers of this trainer trace none either."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loops: dict[str, AgentLoopBase] = {}
        self._outboxes = {"train": Outbox("train"), "val": Outbox("val")}

    async def _run_agent_loop(
        self,
        sampling_params: dict[str, Any],
        trajectory: dict[str, Any],
        *,
        agent_name: str,
        trace: bool = True,
        **row: Any,
    ) -> None:
        """Run one rollout; it ends when its samples are in the queue."""
        kept = {name: value for name, value in row.items() if name not in SPENT}
        output = cast(Any, await self._loop(agent_name).run(sampling_params, **row))
        if self.distillation_enabled or self.processor is not None:
            await self._agent_loop_postprocess(output, trajectory["validate"], **kept)
        else:
            await self._outboxes["val" if trajectory["validate"] else "train"].put(queued(output, kept))

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


def queued(outputs: Sequence[AgentLoopOutput], row: Mapping[str, Any]) -> list[Queued]:
    """The outputs of one rollout of `row` as verl's `AgentLoopWorkerTQ` would queue them, each with its own reward.

    Mirrors `_agent_loop_postprocess` for text alone, without a teacher and with rewards that are known.
    """
    found: list[Queued] = []
    for number, output in enumerate(outputs):
        fields = {**output.as_dict(), **row}
        ids = torch.cat([fields["prompts"], fields["responses"]])
        fields |= {
            "loss_mask": fields["response_mask"],
            "input_ids": ids,
            "position_ids": torch.arange(len(ids)),
            "multi_modal_inputs": {},
        }
        tag = {
            "status": "success",
            "prompt_len": len(fields["prompts"]),
            "response_len": len(fields["responses"]),
            "seq_len": len(ids),
            "global_steps": row["global_steps"],
            "min_global_steps": output.extra_fields["min_global_steps"],
            "max_global_steps": output.extra_fields["max_global_steps"],
        }
        found.append(Queued(f"{row['uid']}_{row['session_id']}_{number}", fields, tag))
    return found


class LoopManager(AgentLoopManagerTQ):
    """verl's manager with our workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(LoopWorker)
