"""The graphs for `langgraph dev` (`infra/langgraph.json`), configured by the environment when the server asks for them.

MEMORY_R1_STORE            sqlite:///path | neo4j://… | memory://      (default: a file in the user's data folder)
MEMORY_R1_STORE_PASSWORD   for a Neo4j URL without one
MEMORY_R1_EMBEDDER         see `memory.embedders.load`                 (default: hashed)
MEMORY_R1_MODEL            for all roles, see `graphs.models`          (default: rules)
MEMORY_R1_EXTRACTOR_MODEL, MEMORY_R1_MANAGER_MODEL, MEMORY_R1_ANSWERER_MODEL
MEMORY_R1_API_KEY, MEMORY_R1_EMBEDDER_API_KEY      for models and embedders given by URL
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from memory_r1.graphs.build import Agent, Settings, build_agent
from memory_r1.graphs.models import ModelOptions, load_limits, load_roles
from memory_r1.graphs.steps import Graph
from memory_r1.memory.settings import load_settings, make_embedder, make_store

_AGENTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Agent]] = WeakKeyDictionary()
"""One agent per event loop: the server asks for a graph at every run, and connections belong to a loop."""


async def remember() -> Graph:
    """The graph `remember`."""
    return (await _agent()).remember


async def answer() -> Graph:
    """The graph `answer`."""
    return (await _agent()).answer


async def agent() -> Graph:
    """The graph `agent`."""
    return (await _agent()).agent


async def _agent() -> Agent:
    loop = asyncio.get_running_loop()
    task = _AGENTS.get(loop)
    if task is None or (task.done() and (task.cancelled() or task.exception())):
        task = _AGENTS[loop] = loop.create_task(open_agent())
    return await asyncio.shield(task)


async def open_agent() -> Agent:
    """The agent that the environment describes. Raises SettingsError and what opening its parts raises."""
    said = await asyncio.to_thread(load_settings, {})
    options = ModelOptions(api_key=said.api_key.get_secret_value())
    roles = await asyncio.to_thread(load_roles, said.models, options)  # imports client libraries
    embedder = await make_embedder(said)
    store = await make_store(said)
    settings = Settings(load_limits(said.models), options)
    return build_agent(store, embedder, roles=roles, settings=settings)
