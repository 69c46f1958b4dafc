"""The manager of the processes that roll out, on a real Ray: whether they have ended, and that none has died."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests import verl_imports  # noqa: F401  isort: skip - first of all that imports verl

import ray

from memory_r1.rl.trainer.errors import RolloutsLostError
from memory_r1.rl.trainer.workers import LoopManager

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(300)]


@ray.remote
class Worker:
    """Rolls out until it is told to end."""

    def __init__(self) -> None:
        self._running = 0

    async def generate_sequences(self, count: int) -> None:
        self._running += count

    async def settled(self) -> None:
        while self._running:
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        self._running = 0


class Prompts(list[int]):
    """Rollouts for each worker."""

    def chunk(self, count: int) -> list[int]:
        assert count == len(self)
        return list(self)


@pytest.fixture
def manager() -> Iterator[Any]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        made: Any = LoopManager.__new__(LoopManager)
        made._ends, made.agent_loop_workers = [], [Worker.remote(), Worker.remote()]
        yield made
    finally:
        ray.shutdown()


def test_the_end_of_what_was_handed_out_is_told_and_no_earlier_one(manager: Any) -> None:
    one, two = manager.agent_loop_workers
    manager.generate_sequences(Prompts([1, 1]))
    assert not manager.settled(0.2)
    ray.get(one.end.remote())
    assert not manager.settled(0.2)
    ray.get(two.end.remote())
    ray.get([worker.settled.remote() for worker in (one, two)])
    # The trainer may find all in the queue without asking again: what was asked before answers nothing now.
    manager.generate_sequences(Prompts([1, 0]))
    assert not manager.settled(0.2)
    ray.get(one.end.remote())
    assert manager.settled(60)
    assert manager.settled(60)
    manager.generate_sequences(Prompts([0, 1]))
    assert not manager.settled(0.2)
    ray.kill(two)
    with pytest.raises(RolloutsLostError, match="a process that rolls out failed"):
        manager.settled(60)
