"""Keeps the agent that a server runs up to date with the policy in use (`graphs.policies.pinned`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from memory_r1.graphs.build import Agent
from memory_r1.graphs.policies.pinned import is_policy, mark, pinned
from memory_r1.memory.errors import MemoryR1Error
from memory_r1.memory.stores.open import redacted

log = logging.getLogger(__name__)

Named = Mapping[str, str]
"""The model string of each role."""

Build = Callable[[Named, Agent | None], Awaitable[Agent]]
"""Makes the agent of pinned models; given the agent before, over the same store and embedder."""


@dataclass(slots=True, eq=False)
class _Serving:
    models: Named
    agent: Agent
    runs: int = 0


class Live:
    """An agent whose models are those of the policy in use when a run begins.

    Each run looks whether another policy was put in use: one read of a small file, and none where no model is a policy.
    Then the new one is loaded, models in this process included, while the runs asked for meanwhile wait. Runs under way
    end with the policy that they began with, whose models are closed behind the last of them; until then both are in
    memory. A policy that can't be loaded leaves the one before serving; the error is logged once, and tried again when
    the next policy is put in use.
    """

    def __init__(self, models: Named, build: Build, seen: tuple[bytes, ...], serving: _Serving) -> None:
        self._models = models
        self._build = build
        self._seen = seen
        self._serving = serving
        self._switching = asyncio.Lock()
        self._follows = any(map(is_policy, models.values()))

    @classmethod
    async def start(cls, models: Named, build: Build) -> Live:
        """The agent of `models`, a model string for each role. Raises what `pinned` and `build` raise."""
        seen = await asyncio.to_thread(mark, models)
        fixed = await asyncio.to_thread(pinned, models)
        return cls(models, build, seen, _Serving(fixed, await build(fixed, None)))

    @asynccontextmanager
    async def agent(self) -> AsyncGenerator[Agent]:
        """The agent for one run, whose models stay open until the block ends."""
        serving = await self._latest() if self._follows else self._serving
        serving.runs += 1
        try:
            yield serving.agent
        finally:
            serving.runs -= 1
            await self._retire(serving)

    async def _latest(self) -> _Serving:
        try:
            seen = await asyncio.to_thread(mark, self._models)
        except MemoryR1Error as error:
            seen = (str(error).encode(),)
        if seen != self._seen:
            async with self._switching:
                if seen != self._seen:
                    await self._switch()
                    self._seen = seen
        return self._serving

    async def _switch(self) -> None:
        try:
            models = await asyncio.to_thread(pinned, self._models)
            if models == self._serving.models:
                return
            new = _Serving(models, await self._loaded(models))
        except Exception as error:  # noqa: BLE001 - whatever it is, runs go on with the policy before
            log.error("the policy now in use can't be loaded, so the one before goes on serving: %s", error)
            return
        told = ", ".join(f"{role} {redacted(name)}" for role, name in models.items())
        log.info("another policy is in use: %s", told)
        old, self._serving = self._serving, new
        await self._retire(old)

    async def _loaded(self, models: Named) -> Agent:
        """The agent of `models`, with what runs in this process in memory."""
        from memory_r1.graphs.local.completer import LocalCompleter

        agent = await self._build(models, self._serving.agent)
        try:
            for model in agent.roles.owned:
                if isinstance(model, LocalCompleter):
                    await model.load()
        except BaseException:
            await agent.close()
            raise
        return agent

    async def _retire(self, serving: _Serving) -> None:
        """Close the models of `serving` if no run needs them now or later."""
        if serving is not self._serving and not serving.runs:
            await asyncio.shield(serving.agent.close())
