"""Spans and figures in memory, and a story of runs that makes the agent report everything that it can report."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from graph_fakes import Policy, Says, Scripted, bank, facts, operations, roles, said
from model_server import ModelServer, Status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from memory_r1.graphs import Agent, ModelOptions, Patience, Settings, build_agent
from memory_r1.graphs.completers import Completion
from memory_r1.graphs.telemetry import Telemetry
from memory_r1.memory.errors import ConflictError, MalformedOutputError, ModelUnavailableError
from memory_r1.memory.store import Store
from memory_r1.memory.stores.memory import InMemoryStore

SECRET = "kumquat"
"""A word that stands in every turn, prompt, reply, question, answer and error of the story."""
QUICK = ModelOptions(patience=Patience(tries=2, first=0.01, longest=0.01))


class Watch:
    """Telemetry whose spans and figures stay here. `readers`: further readers of the metrics."""

    def __init__(self, content: bool = False, readers: tuple[MetricReader, ...] = ()) -> None:
        self._out = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._out))
        self._reader = InMemoryMetricReader()
        meters = MeterProvider([self._reader, *readers], shutdown_on_exit=False)
        self.telemetry = Telemetry.of(self.tracers, meters, content)

    def agent(self, store: Store | None = None, **parts: Any) -> Agent:
        """An agent that is watched."""
        return build_agent(
            store or InMemoryStore(), settings=Settings(options=QUICK, telemetry=self.telemetry), **parts
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        """The ended spans, in the order in which they began."""
        return sorted(self._out.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def tree(self) -> list[Any]:
        """The spans as nested lists: [name, child, child, …]."""

        def below(parent: int | None) -> Iterator[Any]:
            for span in self.spans:
                if (span.parent.span_id if span.parent else None) == parent:
                    yield [span.name, *below(span.context.span_id)]

        return list(below(None))

    def figures(self) -> dict[str, list[tuple[Mapping[str, Any], float]]]:
        """By metric, its labels and values (of a histogram: how often it was recorded)."""
        found: dict[str, list[tuple[Mapping[str, Any], float]]] = {}
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                points: Any = metric.data.data_points
                found[metric.name] = [(dict(p.attributes), p.value if hasattr(p, "value") else p.count) for p in points]
        return found

    def value(self, metric: str, **labels: Any) -> float:
        """The value of `metric` where its labels hold `labels`, dots written as __."""
        wanted = {name.replace("__", "."): value for name, value in labels.items()}
        return sum(value for given, value in self.figures().get(metric, []) if wanted.items() <= given.items())


class Busy(InMemoryStore):
    """A store in which another writer is faster, once."""

    behind = True

    async def write(self, bank: str, write: Any, vectors: Any) -> Any:
        if self.behind:
            self.behind = False
            raise ConflictError(f"{SECRET}: the bank moved on")
        return await super().write(bank, write, vectors)


async def everything(watch: Watch) -> None:
    """Runs of all graphs, with all outcomes."""
    ann = "ann"
    script = [
        facts(f"Ann has a {SECRET}."), operations((0, "ADD", [], "")),
        facts(f"Ann has two {SECRET}s."), operations((0, "UPDATE", ["0"], f"Ann has two {SECRET}s.")),
        facts(f"Ann has no {SECRET}."), operations((0, "DELETE", ["0"], "")),
        facts(f"Ann likes {SECRET}s."), operations((0, "NOOP", [], "")),
    ]  # fmt: skip
    store = Busy()
    agent = watch.agent(store, models=Policy(*script))
    for number in range(4):
        await agent.learn(said(f"A {SECRET}, {number}", number), ann)
    await agent.learn(said(f"A {SECRET}, 0", 0), ann)  # known already
    await _questions(watch, store)
    await _faults(watch, store)


async def _questions(watch: Watch, store: Store) -> None:
    good = f'{{"selected": ["0"], "answer": "{SECRET}"}}'
    known = watch.agent(store, models=Policy(facts(f"Bob has a {SECRET}."), operations((0, "ADD", [], "")), good))
    await known.learn(said(f"Bob: {SECRET}", 7), "ann")
    await known.ask(f"Who has a {SECRET}?", "ann")
    await watch.agent(store, models=Policy(f"no {SECRET} JSON")).ask(f"Who has a {SECRET}?", "ann")
    chat = watch.agent(models=Policy(facts(f"I like {SECRET}."), operations((0, "ADD", [], "")), good))
    config = bank("chat")
    await chat.agent.ainvoke({"messages": [("user", f"I like {SECRET}. Do I?")]}, config)


async def _faults(watch: Watch, store: Store) -> None:
    with ModelServer(['{"facts": []}', Status(503, SECRET), Status(503, SECRET), Status(401, SECRET)]) as server:
        served = watch.agent(store, models=f"openai:scripted@{server.url}")
        await served.learn(said(f"A {SECRET}", 13), "ann")
        for number in (8, 9):
            await _fails(served.learn(said(f"A {SECRET}", number), "ann"))
        await _fails(served.ask(f"A {SECRET}?", "ann"))
        await served.close()
    broken = watch.agent(store, roles=roles(extractor=Says(MalformedOutputError(f"no {SECRET}"))))
    await broken.learn(said(f"A {SECRET}", 10), "ann")
    long = Completion(SECRET, (1, 2), (3, 4), ended=False)
    await watch.agent(store, models=Policy(long)).learn(said(f"A {SECRET}", 11), "ann")
    stopped = watch.agent(store, models=Scripted(script=[facts()])).remember.astream(
        {"turn": said(f"A {SECRET}", 12)}, bank(), stream_mode="updates"
    )
    async for _ in stopped:
        break
    await stopped.aclose()
    asked = watch.agent(store, roles=roles()).answer.astream({"question": SECRET}, bank(), stream_mode="updates")
    async for _ in asked:
        break
    await asked.aclose()


async def _fails(work: Any) -> None:
    try:
        await work
    except ModelUnavailableError:
        await asyncio.sleep(0)
    else:
        raise AssertionError("it did not fail")
