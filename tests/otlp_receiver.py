"""A collector of traces: it receives OTLP over HTTP and decodes its protobuf."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span."""

    name: str
    attributes: dict[str, str | int]
    id: bytes
    parent: bytes
    failed: bool
    seconds: float


@dataclass(slots=True)
class OtlpReceiver:
    """A server on the loopback address; with `hangs`, it accepts a request and never answers."""

    hangs: bool = False
    spans: list[ReceivedSpan] = field(default_factory=list)
    resources: list[dict[str, str | int]] = field(default_factory=list)
    text: str = ""
    """All that was received, as text: names, attributes, events, statuses, headers."""
    requested: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                receiver._receive(self.path, dict(self.headers), self.rfile.read(length))
                if receiver.hangs:
                    receiver._released.wait()
                    return
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Write no access log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def named(self, name: str) -> list[ReceivedSpan]:
        """The received spans of that name."""
        return [span for span in self.spans if span.name == name]

    def _receive(self, path: str, headers: dict[str, str], body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.text += f"{path} {headers} {request}\n"
        for of_resource in request.resource_spans:
            self.resources.append(_attributes(of_resource.resource.attributes))
            for of_scope in of_resource.scope_spans:
                self.spans += map(_span, of_scope.spans)
        self.requested.set()


def _span(span: trace_pb2.Span) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        attributes=_attributes(span.attributes),
        id=span.span_id,
        parent=span.parent_span_id,
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _attributes(found: Any) -> dict[str, str | int]:
    return {
        each.key: each.value.int_value
        if each.value.HasField("int_value")
        else each.value.string_value
        for each in found
    }
