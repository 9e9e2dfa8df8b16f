"""Real receivers on loopback: one that understands OTLP over HTTP, one that takes JSON, one that takes the call and hangs."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Received:
    """All that came in."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    resources: list[Any] = field(default_factory=list)
    documents: list[Any] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def span(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def points(self, name: str) -> dict[tuple[str, ...], Any]:
        """Label values (by label name) -> the last point of a metric."""
        found: dict[tuple[str, ...], Any] = {}
        for metric in self.metrics:
            if metric.name == name:
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    found[tuple(str(value) for _, value in sorted(attributes(point).items()))] = point
        return found


def attributes(message: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in message.attributes}


@contextmanager
def receiver(status: int = 200) -> Iterator[Received]:
    got = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            got.bodies.append(body)
            got.headers.append({name.lower(): value for name, value in self.headers.items()})
            try:
                self._take(body)
            except Exception as error:  # noqa: BLE001 - the test looks at what went wrong
                got.wrong.append(repr(error))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _take(self, body: bytes) -> None:
            if self.path == "/v1/traces":
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    got.resources.append(resource.resource)
                    got.spans += [span for scope in resource.scope_spans for span in scope.spans]
            elif self.path == "/v1/metrics":
                told = ExportMetricsServiceRequest.FromString(body)
                for place in told.resource_metrics:
                    got.resources.append(place.resource)
                    got.metrics += [metric for scope in place.scope_metrics for metric in scope.metrics]
            elif self.path == "/api/v1/lineage":
                got.documents.append(json.loads(body))
            else:
                got.wrong.append(self.path)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    got.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield got
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def hanging() -> Iterator[str]:
    """An endpoint that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for one in held:
            one.close()
