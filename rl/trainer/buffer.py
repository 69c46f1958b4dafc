"""The trainer's end of verl's queue: waits for a step's rollouts by being told of their end, not by looking for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from memory_r1.rl.trainer.errors import RolloutsLostError

LOOK = 2.0
"""Seconds between looks into the queue while rollouts run; verl's."""


class Buffer(ReplayBuffer):
    """verl's, told when the rollouts have ended, and refusing what verl passes over: prompts of which a rollout raised.

    `settled`: whether no rollout runs any more, after waiting for it as many seconds at most.
    """

    def __init__(self, settled: Callable[[float], bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settled = settled
        self._over = False

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[KVBatchMeta, dict[str, Any]]:
        """As verl's. Raises RolloutsLostError when verl marked a prompt failed: ours report losses, and never raise."""
        self._over = False
        found = super().sample(global_steps=global_steps, partition_id=partition_id, batch_size=batch_size)
        failed = self.failure_keys[partition_id]
        if failed:
            raise RolloutsLostError(
                f"step {global_steps}: {len(failed)} of {batch_size} prompts failed on their way to the trainer: "
                "see 'a rollout of prompt' in the run's log"
            )
        return found

    def _wait_for_next_poll(self, partition_id: str, last_debug_time: float) -> float:
        """As verl's, no longer than the rollouts take. Raises RolloutsLostError when they have all ended already."""
        if self._over:
            ended = len(self.finished_keys[partition_id] | self.failure_keys[partition_id])
            raise RolloutsLostError(f"no rollout runs any more, and only {ended} prompts came to the trainer")
        self._over = self._settled(LOOK)
        self.poll_interval = 0.0
        return super()._wait_for_next_poll(partition_id, last_debug_time)
