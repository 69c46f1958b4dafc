"""Who computes, of many rollouts on one event loop: one after another, so that models are asked early.

Between two calls of models a rollout only computes. Left to the event loop, all would compute in turns of microseconds
and ask for their first tokens together, when the last is ready; one after another, the models work from the first on.
A turn ends when its rollout calls a model, waits for another rollout, or is over. It ends after `seconds` in any case:
what it waits for may be something else, such as an embedding server.

    with floor.seat():       # a rollout, or a part of it that runs beside other parts
        await floor.take()
        …                    # computes, alone
        leave()              # a model is called
        await floor.take()   # it has replied
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class _Seat:
    """Of a rollout or a part of one, shared by the tasks that it starts. `turn`: not done while it has the floor."""

    turn: asyncio.Future[None] | None = None


_SEAT: ContextVar[_Seat | None] = ContextVar("memory_r1_seat", default=None)


class Floor:
    """Gives turns in the order in which they are asked for, of `seconds` at most."""

    def __init__(self, seconds: float = 0.01) -> None:
        self._seconds = seconds
        self._last: asyncio.Future[None] | None = None

    @contextmanager
    def seat(self) -> Generator[None]:
        """The block may take turns, and has none when it ends. One inside another goes on with the outer one's turn."""
        outer, mine = _SEAT.get(), _Seat()
        if outer is not None:
            mine.turn, outer.turn = outer.turn, None
        token = _SEAT.set(mine)
        try:
            yield
        finally:
            leave()
            _SEAT.reset(token)

    async def take(self) -> None:
        """Wait for a turn, unless there is one still; without a seat there is none to wait for."""
        seat = _SEAT.get()
        if seat is None or (seat.turn is not None and not seat.turn.done()):
            return
        loop = asyncio.get_running_loop()
        before, mine = self._last, loop.create_future()
        self._last = mine
        try:
            if before is not None and not before.done() and before.get_loop() is loop:
                await asyncio.wait((before,))
        except BaseException:
            _end(mine)
            raise
        seat.turn = mine
        loop.call_later(self._seconds, _end, mine)


def leave() -> None:
    """End the turn of the seat that this is called in, if it has one."""
    seat = _SEAT.get()
    if seat is not None and seat.turn is not None:
        _end(seat.turn)
        seat.turn = None


def _end(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
