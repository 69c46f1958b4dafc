"""Spans and metrics of the agent, through OpenTelemetry providers that an app has or that `otlp` makes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from memory_r1.graphs.telemetry.names import METRICS, Metric
from memory_r1.memory.errors import MissingExtraError

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

Attributes = Mapping[str, str | int | float | bool]
SCOPE = "memory_r1"


class Telemetry:
    """Where the agent's spans and figures go. Make one by `of`, and give it to `build_agent` in `Settings.telemetry`.

    `content`: whether spans hold the text of turns, prompts, replies, answers and errors.
    """

    def __init__(self, tracer: Tracer, meter: Meter, content: bool = False) -> None:
        self.content = content
        self._tracer = tracer
        self._instruments: dict[str, Any] = {metric.name: _instrument(meter, metric) for metric in METRICS}

    @classmethod
    def of(
        cls, tracers: TracerProvider | None = None, meters: MeterProvider | None = None, content: bool = False
    ) -> Self:
        """Spans and metrics through these providers; where none is given, through OpenTelemetry's global one.

        Raises MissingExtraError without OpenTelemetry.
        """
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise MissingExtraError.of("otel", "opentelemetry-sdk") from None
        tracer = (tracers or trace.get_tracer_provider()).get_tracer(SCOPE)
        return cls(tracer, (meters or metrics.get_meter_provider()).get_meter(SCOPE), content)

    @contextmanager
    def span(self, name: str, attributes: Attributes, client: bool = False) -> Generator[Span]:
        """A span around the block, below the current one. An exception is marked on it and goes on."""
        span = self.start(name, attributes, client)
        try:
            with self.inside(span):
                yield span
        except BaseException as error:
            self.fail(span, error)
            raise
        finally:
            span.end()

    def start(self, name: str, attributes: Attributes, client: bool = False) -> Span:
        """A span below the current one, which the caller ends. `client`: it stands for a request to a service."""
        from opentelemetry.trace import SpanKind

        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        return self._tracer.start_span(name, attributes=attributes, kind=kind)

    @contextmanager
    def inside(self, span: Span) -> Generator[None]:
        """Make `span` the current one inside the block, for this task and those that it starts."""
        from opentelemetry.context import attach, detach
        from opentelemetry.trace import set_span_in_context

        token = attach(set_span_in_context(span))
        try:
            yield
        finally:
            detach(token)

    def fail(self, span: Span, error: BaseException) -> None:
        """Mark `span` as failed by `error`: its class, and what it says only where content is asked for."""
        from opentelemetry.trace import Status, StatusCode

        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        if self.content:
            span.set_attribute("error.message", str(error))

    def flag(self, attribute: str) -> None:
        """Set `attribute` on the current span."""
        from opentelemetry.trace import get_current_span

        get_current_span().set_attribute(attribute, True)

    def count(self, metric: str, value: float, labels: Attributes | None = None) -> None:
        """Add `value` to a counter, or record it in a histogram."""
        instrument = self._instruments[metric]
        record = getattr(instrument, "add", None) or instrument.record
        record(value, labels)


def _instrument(meter: Meter, metric: Metric) -> Any:
    if metric.kind == "counter":
        return meter.create_counter(metric.name, metric.unit, metric.tells)
    return meter.create_histogram(
        metric.name, metric.unit, metric.tells, explicit_bucket_boundaries_advisory=metric.bounds
    )
