"""The graphs for `langgraph dev` (`infra/langgraph.json`), configured by the environment when the server asks for them.

MEMORY_R1_STORE            sqlite:///path | neo4j://… | memory://      (default: a file in the user's data folder)
MEMORY_R1_STORE_PASSWORD   for a Neo4j URL without one
MEMORY_R1_EMBEDDER         see `memory.embedders.load`                 (default: hashed)
MEMORY_R1_MODEL            for all roles, see `graphs.models`          (default: rules)
MEMORY_R1_EXTRACTOR_MODEL, MEMORY_R1_MANAGER_MODEL, MEMORY_R1_ANSWERER_MODEL
MEMORY_R1_API_KEY, MEMORY_R1_EMBEDDER_API_KEY      for models and embedders given by URL
MEMORY_R1_TOKENS_FILE      who may call, see `graphs.auth`             (default: this machine alone)
MEMORY_R1_TELEMETRY, MEMORY_R1_TELEMETRY_CONTENT   see `graphs.telemetry.environment`
MEMORY_R1_LOG, MEMORY_R1_LOG_CONTENT               see `memory.logs`
MEMORY_R1_POLICIES         the registry that the model "policy" names  (default: a folder in the user's data folder)

A policy that is put in use while the server runs serves the runs that are asked for from then on (`graphs.live`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from weakref import WeakKeyDictionary

from memory_r1.graphs.build import Agent, Settings, build_agent
from memory_r1.graphs.live import Live, Named
from memory_r1.graphs.models import ModelOptions, load_limits, load_roles
from memory_r1.graphs.steps import Graph
from memory_r1.graphs.telemetry import from_environment
from memory_r1.memory import settings
from memory_r1.memory.logs import start_logging
from memory_r1.memory.settings import load_settings, make_embedder, make_store

_AGENTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Live]] = WeakKeyDictionary()
"""One agent per event loop: the server asks for a graph at every run, and connections belong to a loop."""


@asynccontextmanager
async def remember() -> AsyncGenerator[Graph]:
    """The graph `remember`, for one run."""
    async with _agent() as found:
        yield found.remember


@asynccontextmanager
async def answer() -> AsyncGenerator[Graph]:
    """The graph `answer`, for one run."""
    async with _agent() as found:
        yield found.answer


@asynccontextmanager
async def agent() -> AsyncGenerator[Graph]:
    """The graph `agent`, for one run."""
    async with _agent() as found:
        yield found.agent


@asynccontextmanager
async def _agent() -> AsyncGenerator[Agent]:
    loop = asyncio.get_running_loop()
    task = _AGENTS.get(loop)
    if task is None or (task.done() and (task.cancelled() or task.exception())):
        task = _AGENTS[loop] = loop.create_task(start())
    live = await asyncio.shield(task)
    async with live.agent() as found:
        yield found


async def start() -> Live:
    """The agent that the environment describes. Raises SettingsError and what opening its parts raises."""
    start_logging(everything=False)
    said = await asyncio.to_thread(load_settings, {})
    return await Live.start(said.models, partial(open_agent, said))


async def open_agent(said: settings.Settings, models: Named, before: Agent | None = None) -> Agent:
    """The agent that `said` describes, played by `models`, which are pinned; over the store of `before`, if given."""
    options = ModelOptions(api_key=said.api_key.get_secret_value())
    roles = await asyncio.to_thread(load_roles, models, options)  # imports client libraries
    embedder = before.embedder if before else await make_embedder(said)
    store = before.store if before else await make_store(said)
    limits = await asyncio.to_thread(load_limits, models)
    told = await asyncio.to_thread(from_environment)
    return build_agent(store, embedder, roles=roles, settings=Settings(limits, options, telemetry=told))
