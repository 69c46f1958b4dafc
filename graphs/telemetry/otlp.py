"""Sends spans and metrics by OTLP over HTTP, as OpenTelemetry's own variables say (`OTEL_EXPORTER_OTLP_ENDPOINT`, …).

The queue is bounded, a thread of its own sends, and nobody waits for the collector: what can't be delivered is dropped
and counted, and the log says so once for each time that the collector goes away.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Sequence
from threading import Lock
from time import monotonic

from memory_r1 import __version__
from memory_r1.graphs.telemetry.telemetry import Telemetry
from memory_r1.memory.errors import MissingExtraError

try:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
except ImportError:
    raise MissingExtraError.of("otel", "the exporter of OpenTelemetry") from None

log = logging.getLogger(__name__)

FLUSH = 3.0
"""Seconds that the end of the process waits for the collector, at most."""
TALKERS = ("opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk._shared_internal")
"""OpenTelemetry's loggers that speak of every single failure: `Tally` says it once."""

_MADE: dict[bool, Pipeline] = {}
_LOCK = Lock()


def exported(content: bool) -> Telemetry:
    """The process's telemetry by OTLP, made at the first call; what waits is sent at the end of the process."""
    with _LOCK:
        if content not in _MADE:
            _MADE[content] = Pipeline(content)
            atexit.register(_MADE[content].close)
        return _MADE[content].telemetry


class Pipeline:
    """Providers that send by OTLP. `close` sends what waits, and ends them."""

    def __init__(self, content: bool = False) -> None:
        for name in TALKERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        resource = _resource()
        self.tally = Tally(OTLPSpanExporter())
        self._queue = Queue(self.tally)
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(self._queue)
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self.telemetry = Telemetry.of(self._tracers, self._meters, content)

    def close(self, seconds: float = FLUSH) -> None:
        """Send what waits, for at most `seconds`, then end; what is left then is lost, and the log says how much."""
        until = monotonic() + seconds
        self._queue.patience = seconds / 2
        self._tracers.shutdown()
        self._meters.shutdown(timeout_millis=max(100.0, 1000 * (until - monotonic())))
        lost = self._queue.ended - self.tally.delivered
        if lost > 0:
            log.warning("%d of %d spans were not delivered to the collector", lost, self._queue.ended)


class Queue(BatchSpanProcessor):
    """A bounded queue of ended spans, which are counted. `patience`: seconds that its end waits for the last ones."""

    def __init__(self, exporter: SpanExporter) -> None:
        super().__init__(exporter)
        self.ended = 0
        self.patience = FLUSH

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span; when the queue is full, the oldest one is dropped."""
        self.ended += 1
        super().on_end(span)

    def shutdown(self) -> None:
        """Send what waits, within the patience."""
        self._batch_processor.shutdown(timeout_millis=int(1000 * self.patience))


class Tally(SpanExporter):
    """The exporter `inner`, its delivered spans counted. Says once that it can't send, and once that it can again."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner
        self.delivered = 0
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans."""
        result = self.inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
            if self._lost:
                log.warning("the collector takes spans again; %d were lost", self._lost)
            self._lost = 0
            return result
        if not self._lost:
            log.warning("the collector takes no spans: is OTEL_EXPORTER_OTLP_ENDPOINT right? The agent goes on without")
        self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        """End the exporter: a try that is under way is its last."""
        self.inner.shutdown()


def _resource() -> Resource:
    """Who sends: what the environment says, and "memory-r1" where it names no service."""
    said = Resource.create({"service.version": __version__})
    if str(said.attributes.get("service.name", "")).startswith("unknown_service"):
        return said.merge(Resource({"service.name": "memory-r1"}))
    return said
