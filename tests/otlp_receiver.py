"""A real OTLP/HTTP receiver on loopback, as a collector is one: it takes protobuf, and keeps what it got."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


class Receiver:
    """Serves while its `with` block runs. `hang`: it takes requests and answers none until the block ends."""

    def __init__(self, hang: bool = False) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()
        if not hang:
            self.over.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                receiver.bodies.append((self.path, body))
                receiver.over.wait()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def raw(self) -> bytes:
        """All bytes that came."""
        return b"".join(body for _, body in self.bodies)

    def messages(self, path: str) -> Iterator[Any]:
        """The parsed requests to `path`."""
        for where, body in list(self.bodies):
            if where == path:
                request = KINDS[path]()
                request.ParseFromString(body)
                yield request

    @property
    def spans(self) -> list[Any]:
        """All spans, as protobuf has them."""
        found = [request.resource_spans for request in self.messages("/v1/traces")]
        return [span for group in found for one in group for scope in one.scope_spans for span in scope.spans]

    @property
    def metrics(self) -> set[str]:
        """The names of all metrics."""
        found = [request.resource_metrics for request in self.messages("/v1/metrics")]
        scopes = [scope for group in found for one in group for scope in one.scope_metrics]
        return {metric.name for scope in scopes for metric in scope.metrics}

    @property
    def services(self) -> set[str]:
        """The names of the services that sent something."""
        resources = [one.resource for request in self.messages("/v1/traces") for one in request.resource_spans]
        resources += [one.resource for request in self.messages("/v1/metrics") for one in request.resource_metrics]
        named = [pair for resource in resources for pair in resource.attributes if pair.key == "service.name"]
        return {pair.value.string_value for pair in named}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
