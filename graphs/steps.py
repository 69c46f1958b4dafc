# pyright: reportMissingTypeStubs=false
"""One step of a graph that serves `invoke` and `ainvoke` alike.

The step is written once, as a coroutine function. Synchronous callers run it on one background event loop for the
whole process, so that connections that belong to a loop (HTTP clients, drivers) stay usable from call to call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from memory_r1.graphs.telemetry.runs import running

__all__ = ["END", "START", "Fork", "Graph", "StateGraph", "Step", "emit", "run_sync"]

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
        return await self._await(input, config or {})

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the step on the background loop and wait for it."""
        return _LOOP.run(self._await(input, config or {}))

    async def _await(self, input: Any, config: RunnableConfig) -> Any:
        run = running()
        if run is None:
            return await self._run(input, config)
        return await run.step(str(self.name), self._run, input, config)


class Fork(Runnable[Any, str]):
    """A conditional edge: the name of the next step, by a function of the state that does not wait.

    LangGraph would send a plain function to a thread of its own, which costs more than the steps themselves.
    """

    def __init__(self, choose: Callable[[Any], str]) -> None:
        self.name = choose.__name__
        self.choose = choose

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose."""
        return self.choose(input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose."""
        return self.choose(input)


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


def emit(event: str, **data: Any) -> None:
    """Stream a custom event `{"event": event, **data}`; goes nowhere unless the run asks for the stream "custom"."""
    get_stream_writer()({"event": event, **data})
