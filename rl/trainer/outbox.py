"""The way of finished rollouts into verl's queue, at the price of one put for many.

A put costs about as much for one sample as for ten, and one that is made while others roll out slows them. So what has
ended waits until nothing of its kind runs any more, or until there is much of it.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
import transfer_queue as tq
from tensordict import NonTensorStack, TensorDict
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput

log = logging.getLogger(__name__)

Status = Literal["running", "finished", "failure"]
MOST = 256
"""Samples that wait, at most, while other prompts run."""
UNREAD = frozenset({
    "row", "raw_prompt", "prompt", "dummy_tensor", "tools_kwargs", "interaction_kwargs", "extra_info", "index",
    "agent_name", "reward_model", "session_id", "global_steps", "metrics", "multi_modal_inputs",
})  # fmt: skip
"""Columns that nobody reads after the rollout, of text alone: each one costs a put, and is fetched for every pass."""


@dataclass(frozen=True, slots=True)
class Queued:
    """One sample as the queue takes it."""

    key: str
    fields: Mapping[str, Any]
    tag: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Settled:
    """A prompt of which no rollout runs any more."""

    uid: str
    status: Status
    samples: Sequence[Queued]


class Outbox:
    """The way into one partition of verl's queue."""

    def __init__(self, partition: str) -> None:
        self._partition = partition
        self._running = 0
        self._settled: list[_Settled] = []
        self._telling = asyncio.Lock()

    async def settle(self, uid: str, rollouts: Awaitable[Sequence[Queued]]) -> None:
        """Await `rollouts`, all those of the prompt `uid`; the last prompt's call sends what all of them became.

        A prompt whose rollouts raise, or whose samples can't be put, is marked as failed, and the reason is logged.
        Raises what marking raised: then the queue is gone.
        """
        self._running += 1
        try:
            made = _Settled(uid, "finished", await rollouts)
        except Exception:
            log.exception("a rollout of prompt %s raised", uid)
            made = _Settled(uid, "failure", ())
        finally:
            self._running -= 1
        self._settled.append(made)
        if not self._running or sum(len(one.samples) for one in self._settled) >= MOST:
            await self._send()

    async def mark(self, statuses: Mapping[str, Status]) -> None:
        """Tell the queue how prompts, by their uids, stand. What is told first arrives first."""
        async with self._telling:
            tags = [{"status": status} for status in statuses.values()]
            await tq.async_kv_batch_put(keys=list(statuses), partition_id=self._partition, tags=tags)

    async def _send(self) -> None:
        batch, self._settled = self._settled, []
        statuses: dict[str, Status] = {one.uid: one.status for one in batch}
        samples = [sample for one in batch for sample in one.samples]
        try:
            if samples:
                await tq.async_kv_batch_put(
                    keys=[one.key for one in samples],
                    fields=columns([one.fields for one in samples]),
                    tags=[dict(one.tag) for one in samples],
                    partition_id=self._partition,
                )
        except Exception:
            log.exception("%d samples of %d prompts could not be put into verl's queue", len(samples), len(batch))
            statuses = dict.fromkeys(statuses, "failure")
        await self.mark(statuses)


def queued(outputs: Sequence[AgentLoopOutput], row: Mapping[str, Any]) -> list[Queued]:
    """The outputs of one rollout of `row` as verl's `AgentLoopWorkerTQ` would queue them, each with its own reward.

    Mirrors `_agent_loop_postprocess` for text alone, without a teacher and with rewards that are known; the columns in
    `UNREAD` are left out.
    """
    found: list[Queued] = []
    for number, output in enumerate(outputs):
        fields = {**output.as_dict(), **row}
        ids = torch.cat([fields["prompts"], fields["responses"]])
        fields |= {"loss_mask": fields["response_mask"], "input_ids": ids, "position_ids": torch.arange(len(ids))}
        tag = {
            "status": "success",
            "prompt_len": len(fields["prompts"]),
            "response_len": len(fields["responses"]),
            "seq_len": len(ids),
            "global_steps": row["global_steps"],
            "min_global_steps": output.extra_fields["min_global_steps"],
            "max_global_steps": output.extra_fields["max_global_steps"],
        }
        kept = {name: value for name, value in fields.items() if name not in UNREAD}
        found.append(Queued(f"{row['uid']}_{row['session_id']}_{number}", kept, tag))
    return found


def columns(rows: Sequence[Mapping[str, Any]]) -> TensorDict:
    """`rows`, which have the same columns, as the queue takes them: what `list_of_dict_to_tensordict` makes of them.

    Ragged columns are nested tensors of strided layout, not of jagged as there: the queue takes them apart again for
    each sample, which costs a fifth, and gives jagged ones back either way.
    """
    return TensorDict({name: _column([row[name] for row in rows]) for name in rows[0]}, batch_size=[len(rows)])


def _column(values: Sequence[Any]) -> Any:
    if not all(isinstance(value, torch.Tensor) for value in values):
        return cast(Any, NonTensorStack)(*values)
    if all(value.shape == values[0].shape for value in values):
        return torch.stack(list(values))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The PyTorch API of nested tensors is in prototype stage")
        return torch.nested.as_nested_tensor(list(values), layout=torch.strided)
