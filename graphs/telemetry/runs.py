"""A run of a graph while somebody watches: its spans, its figures, and the one line in the log that sums it up.

A run is watched where its agent has telemetry, or where INFO lines of this module are logged. What a step reports here
comes from the update of the state that it returns, so a watched step does just what an unwatched one does.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import RunnableConfig

from memory_r1.graphs.state import Json, setting
from memory_r1.graphs.telemetry import outcome
from memory_r1.graphs.telemetry.telemetry import Telemetry
from memory_r1.memory.errors import InputError
from memory_r1.memory.logs import about

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opentelemetry.trace import Span

log = logging.getLogger(__name__)

_RUN: ContextVar[Run | None] = ContextVar("memory_r1_run", default=None)


def running() -> Run | None:
    """The watched run that this task belongs to."""
    return _RUN.get()


def watched(telemetry: Telemetry | None) -> bool:
    """Whether a run of an agent with `telemetry` is to be watched."""
    return telemetry is not None or log.isEnabledFor(logging.INFO)


class Run:
    """One run of `graph` ("remember", "answer", "chat"). `seen`: the last value of each part of the state."""

    def __init__(self, graph: str, telemetry: Telemetry | None) -> None:
        self.graph = graph
        self.telemetry = telemetry
        self.bank = ""
        self.seen: Json = {}
        self.seconds: dict[str, float] = {}
        self._began = perf_counter()
        labels = {"memory_r1.graph": graph}
        self._span = telemetry.start(f"memory_r1.{graph}", labels) if telemetry else None

    @contextmanager
    def here(self) -> Generator[None]:
        """Make this run, and its span, the current one inside the block."""
        token = _RUN.set(self)
        try:
            with self.telemetry.inside(self._span) if self.telemetry and self._span else nullcontext():
                yield
        finally:
            _RUN.reset(token)

    async def step(self, name: str, work: Callable[[Any, Any], Awaitable[Any]], state: Any, config: Any) -> Any:
        """Run one step: timed, and in a span of its own."""
        self.bank = self.bank or _bank(config)
        began = perf_counter()
        error: BaseException | None = None
        try:
            with about(bank=self.bank or None), self._node(name) as span:
                update: Any = await work(state, config)
                self._note(state, update, span)
                return update
        except BaseException as raised:
            error = raised
            raise
        finally:
            spent = perf_counter() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + spent
            if self.telemetry:
                labels = {"memory_r1.graph": self.graph, "memory_r1.node": name, **_error(error)}
                self.telemetry.count("memory_r1.node.duration", spent, labels)

    def end(self, error: BaseException | None) -> None:
        """Report what became of the run, once. `error`: what ended it, if anything did."""
        stopped = isinstance(error, GeneratorExit)
        found = outcome.of(self.graph, self.seen, None if stopped else error)
        total = perf_counter() - self._began
        with self.here():
            self._log(found, total, None if stopped else error)
        if self.telemetry and self._span:
            labels = {"memory_r1.graph": self.graph, **({} if stopped else _error(error))}
            self.telemetry.count("memory_r1.run.duration", total, labels)
            for metric, value, given in outcome.figures(self.graph, found, self.seen):
                self.telemetry.count(metric, value, given)
            self._span.set_attributes({**self._named(), **outcome.run_attributes(self.graph, found, self.seen)})
            self._say_content()
            if error is not None and not stopped:
                self.telemetry.fail(self._span, error)
            self._span.end()

    @contextmanager
    def _node(self, name: str) -> Generator[Span | None]:
        if self.telemetry is None:
            yield None
            return
        labels = {"memory_r1.graph": self.graph, "memory_r1.node": name, **self._named()}
        with self.telemetry.span(name, labels) as span:
            yield span

    def _note(self, state: Any, update: Any, span: Span | None) -> None:
        """Keep what `update` says, and put what it counts on `span`."""
        said = cast(Json, update) if isinstance(update, dict) else {}
        for name in ("turn", "question"):
            if name in state:
                self.seen[name] = state[name]
        self.seen.update({name: value for name, value in said.items() if name in outcome.KEPT})
        if span is not None and self.graph != "chat":  # whose steps only pass on what the other graphs report
            span.set_attributes(outcome.node_attributes(said))

    def _named(self) -> dict[str, str]:
        return {"memory_r1.bank": self.bank} if self.bank else {}

    def _log(self, found: str, total: float, error: BaseException | None) -> None:
        if self.graph == "chat" or not log.isEnabledFor(logging.INFO):
            return
        fields = outcome.log_fields(self.graph, found, self.seen)
        fields |= {"bank": self.bank or None, "seconds": outcome.rounded({"total": total, **self.seconds})}
        fields |= {"error": type(error).__name__ if error else None}
        level = logging.INFO if error is None else logging.WARNING
        log.log(level, "%s", outcome.sentence(fields), extra=fields)

    def _say_content(self) -> None:
        if self.telemetry and self.telemetry.content and self._span:
            self._span.set_attributes(outcome.content(self.seen))


async def follow(graph: str, telemetry: Telemetry | None, stream: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    """The items of `stream`, a run of `graph`, with the run watched.

    The run is the current one only while the graph works: never in what its caller does between two items.
    """
    run = Run(graph, telemetry)
    error: BaseException | None = None
    try:
        while True:
            with run.here():
                try:
                    item = await anext(stream)
                except StopAsyncIteration:
                    return
            yield item
    except BaseException as raised:
        error = raised
        raise
    finally:
        try:
            await cast("AsyncGenerator[Any]", stream).aclose()
        finally:
            run.end(error)


def follow_sync(graph: str, telemetry: Telemetry | None, stream: Iterator[Any]) -> Generator[Any]:
    """As `follow`, for a synchronous run."""
    run = Run(graph, telemetry)
    error: BaseException | None = None
    try:
        while True:
            with run.here():
                try:
                    item = next(stream)
                except StopIteration:
                    return
            yield item
    except BaseException as raised:
        error = raised
        raise
    finally:
        try:
            cast("Generator[Any]", stream).close()
        finally:
            run.end(error)


def _bank(config: RunnableConfig) -> str:
    try:
        return setting(config, "bank")
    except InputError:
        return ""


def _error(error: BaseException | None) -> dict[str, str]:
    return {"error.type": type(error).__name__} if error is not None else {}
