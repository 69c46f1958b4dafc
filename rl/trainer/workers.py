"""verl's workers of agent loops, without what costs nothing beside a large model and much beside a tiny one.

one loop of each kind in a process    verl instantiates one by Hydra for each rollout; ours keep nothing of a rollout
one put into the queue for a group    verl puts each rollout by itself, and a put costs as much for eight
no columns that nobody reads again    `row` is longer than its samples
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
SPENT = frozenset({"row", "raw_prompt", "prompt", "dummy_tensor", "tools_kwargs", "interaction_kwargs"})
"""Columns of a row that nobody reads after its rollout."""


@dataclass(frozen=True, slots=True)
class Queued:
    """One sample as the queue takes it."""

    key: str
    fields: Mapping[str, Any]
    tag: Mapping[str, Any]


class LoopWorker(_Worker):
    """Runs rollouts. None is traced: verl's workers of this trainer trace none either."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loops: dict[str, AgentLoopBase] = {}
        self._running: Counter[str] = Counter()
        self._ready: defaultdict[str, list[Queued]] = defaultdict(list)

    async def _run_agent_loop(
        self,
        sampling_params: dict[str, Any],
        trajectory: dict[str, Any],
        *,
        agent_name: str,
        trace: bool = True,
        **row: Any,
    ) -> None:
        """Run one rollout; the last one of its group to end puts the samples of all of them into the queue."""
        kept = {name: value for name, value in row.items() if name not in SPENT}
        uid = str(row["uid"])
        self._running[uid] += 1
        try:
            output = cast(Any, await self._loop(agent_name).run(sampling_params, **row))
            if self.distillation_enabled or self.processor is not None:
                await self._agent_loop_postprocess(output, trajectory["validate"], **kept)
            else:
                self._ready[uid] += queued(output, kept)
        finally:
            self._running[uid] -= 1
        if not self._running[uid]:
            del self._running[uid]
            await _put(self._ready.pop(uid, []), "val" if trajectory["validate"] else "train")

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


async def _put(samples: Sequence[Queued], partition: str) -> None:
    if samples:
        await tq.async_kv_batch_put(
            keys=[one.key for one in samples],
            fields=list_of_dict_to_tensordict([dict(one.fields) for one in samples]),
            tags=[dict(one.tag) for one in samples],
            partition_id=partition,
        )


class LoopManager(AgentLoopManagerTQ):
    """verl's manager with our workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(LoopWorker)
