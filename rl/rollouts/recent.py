"""Two caches of the environment's: of what was made lately, and of what is being made right now."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from memory_r1.rl.rollouts.floor import leave

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A dict of the `size` entries used last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """The entry of `key`, which counts as used now; None without one."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Keep `value`, which is not None, in place of the entry that was used longest ago."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


class Once(Generic[K, V]):
    """Makes the value of a key once, also for those who ask while it is being made. `made`: how often it did."""

    def __init__(self, size: int) -> None:
        self.made = 0
        self._done: Recent[K, V] = Recent(size)
        self._making: dict[K, asyncio.Future[None]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """The value of `key`, by `make` unless it is there or on its way.

        What `make` raises reaches all who wait, and nothing is kept. When its caller is cancelled, one of those who
        wait makes the value. A rollout that waits gives up the floor, for which the one that makes may be waiting.
        """
        while (found := self._done.get(key)) is None:
            making = self._making.get(key)
            if making is None:
                return await self._make(key, make)
            leave()
            await asyncio.shield(making)
        return found

    async def _make(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        mine = self._making[key] = asyncio.get_running_loop().create_future()
        try:
            found = await make()
            self._done.put(key, found)
            self.made += 1
            return found
        except Exception as error:
            mine.set_exception(error)
            mine.exception()  # looked at here: it may be that no one else waits
            raise
        finally:
            del self._making[key]
            if not mine.done():
                mine.set_result(None)
