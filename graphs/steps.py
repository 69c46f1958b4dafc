# pyright: reportMissingTypeStubs=false
"""One step of a graph that serves `invoke` and `ainvoke` alike.

The step is written once, as a coroutine function. Synchronous callers run it on one background event loop for the
whole process, so that connections that belong to a loop (HTTP clients, drivers) stay usable from call to call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

__all__ = ["END", "START", "Fork", "Graph", "Plain", "Plan", "StateGraph", "Step", "emit", "run_sync"]

T = TypeVar("T")
Graph = CompiledStateGraph[Any, Any, Any, Any]
Run = Callable[[Any, RunnableConfig], Awaitable[Any]]
"""A step: the graph's state and the run's config in, an update of the state out."""


class Step(Runnable[Any, Any]):
    """A node: `run` behind both calling styles."""

    def __init__(self, name: str, run: Run) -> None:
        self.name = name
        self._run = run

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the step on this event loop."""
        return await self._run(input, config or {})

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the step on the background loop and wait for it."""
        return _LOOP.run(self._await(input, config or {}))

    async def _await(self, input: Any, config: RunnableConfig) -> Any:
        return await self._run(input, config)


class Fork(Runnable[Any, str]):
    """A conditional edge: the name of the next step, one of `ends`, by a function of the state that does not wait.

    LangGraph would send a plain function to a thread of its own, which costs more than the steps themselves.
    """

    def __init__(self, choose: Callable[[Any], str], *ends: str) -> None:
        self.name = choose.__name__
        self.choose = choose
        self.ends = ends

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose."""
        return self.choose(input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose."""
        return self.choose(input)


class Plain(dict[str, Any]):
    """The config of a run without LangGraph: no runtime stands behind it, no stream takes its events."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, and what follows each: the one drawing behind the compiled graph and the plain run.

    `then`: by a step's name, or START, the name of the next, or a fork.
    """

    name: str
    steps: Mapping[str, Run]
    then: Mapping[str, str | Fork]

    def compile(self, state: type, given: type, out: type, context: type) -> Graph:
        """The LangGraph graph, with its schemas of state, input, output and context."""
        graph = cast(Any, StateGraph(state, context, input_schema=given, output_schema=out))
        for name, run in self.steps.items():
            graph.add_node(name, Step(name, run))
        for name, then in self.then.items():
            if isinstance(then, Fork):
                graph.add_conditional_edges(name, then, list(then.ends))
            else:
                graph.add_edge(name, then)
        return graph.compile(name=self.name)

    async def run(self, given: Mapping[str, Any], **configurable: str) -> dict[str, Any]:
        """The state after the last step, as the compiled graph would reach it.

        For steps whose state has no reducers. There is no checkpoint, stream or trace: LangGraph's work for these is
        half of what a turn costs besides its models.
        """
        state, config = dict(given), cast(RunnableConfig, Plain(configurable=configurable))
        at = self._next(START, state)
        while at != END:
            state.update(await self.steps[at](state, config))
            at = self._next(at, state)
        return state

    def _next(self, at: str, state: dict[str, Any]) -> str:
        then = self.then[at]
        return then if isinstance(then, str) else then.choose(state)


class _Loop:
    """An event loop in a daemon thread, started at the first use and again in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "invoke was called from inside an asynchronous step and would wait for itself: use ainvoke"
            )
        future = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="memory-r1-sync", daemon=True)
                self._thread.start()
            return self._loop


_LOOP = _Loop()


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Wait for `work` on the background loop that synchronous graph runs use (to open or close a store for them)."""
    return _LOOP.run(work)


def emit(config: RunnableConfig, event: str, **data: Any) -> None:
    """Stream a custom event `{"event": event, **data}`; goes nowhere unless the run asks for the stream "custom"."""
    if not isinstance(config, Plain):
        get_stream_writer()({"event": event, **data})
