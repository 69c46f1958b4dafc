"""Who took the time of rollouts that run at once on one event loop.

Waits of concurrent rollouts overlap, so their sum means nothing. Here an interval is divided evenly among those who
share it, and sums over rollouts are real time:

    generation, answering   wall seconds in which at least one call of the policy, of the frozen answerer, ran; where
                            calls of both ran, each has its part, so the two add up to the time in which any ran
    environment             processor seconds of the event loop's thread in which at least one rollout ran, without
                            those inside the calls above; whatever else the loop did meanwhile counts, so it is an
                            upper bound of what the environment itself took
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from memory_r1.rl.rollouts.floor import leave
from memory_r1.rl.rollouts.types import Seconds

T = TypeVar("T")
Phase = Literal["generation", "answering"]


@dataclass(slots=True)
class Ledger:
    """The seconds of one rollout so far."""

    generation: float = 0.0
    answering: float = 0.0
    environment: float = 0.0

    def seconds(self) -> Seconds:
        """The same, frozen."""
        return Seconds(self.generation, self.answering, self.environment)


class Shared:
    """Divides the time that `read` tells evenly among those who run at once."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self._running = 0
        self._each = 0.0
        self._last = 0.0

    def enter(self) -> float:
        """Begin to run; give what it returns to `leave`."""
        self._advance()
        self._running += 1
        return self._each

    def leave(self, entered: float) -> float:
        """End; the share of time since."""
        self._advance()
        self._running -= 1
        return self._each - entered

    def _advance(self) -> None:
        now = self._read()
        if self._running:
            self._each += (now - self._last) / self._running
        self._last = now


class Clocks:
    """The clocks of one process, whose rollouts run on the event loop of one thread.

    `wall`, `cpu`: tell seconds of the wall's clock, and of this thread's work.
    """

    def __init__(
        self, wall: Callable[[], float] = time.perf_counter, cpu: Callable[[], float] = time.thread_time
    ) -> None:
        self._cpu = cpu
        self._foreign = 0.0
        self._calls = Shared(wall)
        self._own = Shared(lambda: cpu() - self._foreign)

    @contextmanager
    def rollout(self, ledger: Ledger) -> Generator[None]:
        """Charge the environment's share of the block to `ledger`."""
        entered = self._own.enter()
        try:
            yield
        finally:
            ledger.environment += self._own.leave(entered)

    async def call(self, phase: Phase, ledger: Ledger, work: Coroutine[Any, Any, T]) -> T:
        """What `work`, a call of a model, returns; its share of the time is charged to `phase` of `ledger`.

        Ends the rollout's turn on the floor.
        """
        leave()
        entered = self._calls.enter()
        try:
            return await _Apart(work, self._stretch)
        finally:
            took = self._calls.leave(entered)
            if phase == "generation":
                ledger.generation += took
            else:
                ledger.answering += took

    @contextmanager
    def _stretch(self) -> Generator[None]:
        began = self._cpu()
        try:
            yield
        finally:
            self._foreign += self._cpu() - began


class _Apart(Generic[T]):
    """Awaits `work`, with each stretch in which it runs inside a `stretch` block."""

    def __init__(self, work: Coroutine[Any, Any, T], stretch: Callable[[], AbstractContextManager[None]]) -> None:
        self._work = work
        self._stretch = stretch

    def __await__(self) -> Generator[Any, Any, T]:
        step: Callable[[Any], Any] = self._work.send
        value: Any = None
        while True:
            try:
                with self._stretch():
                    wanted = step(value)
            except StopIteration as end:
                return end.value
            try:
                value, step = (yield wanted), self._work.send
            except BaseException as error:  # noqa: BLE001 - a cancellation, too, is the work's to hear of
                value, step = error, self._work.throw
