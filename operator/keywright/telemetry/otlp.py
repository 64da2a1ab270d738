"""Traces by OpenTelemetry's SDK and its own OTLP exporter; imported only for `--traces=otlp`.

Spans go into a bounded queue of the SDK; a thread of the SDK exports them, and drops what does not
fit while the collector does not respond.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from keywright.telemetry.logs import redact
from keywright.telemetry.traces import Attributes
from keywright.version import product_version

CLOSE_SECONDS: Final = 3.0
_SERVICE: Final = "keywright"
# Values are names and codes; a longer one would be a bug.
_MAX_VALUE: Final = 256
_LOG = logging.getLogger(__name__)


class OtlpTracer:
    """Implements `Tracer`; `exporter` replaces the one of the environment variables."""

    def __init__(self, *, instance: str, exporter: SpanExporter | None = None) -> None:
        version = product_version()
        own = {
            "service.name": _SERVICE,
            "service.version": version,
            "service.instance.id": instance,
        }
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
        resource = Resource(own).merge(OTELResourceDetector().detect())
        # `close` ends it, within its time; the SDK's own handler would wait for half a minute.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(_SERVICE, version)

    @contextmanager
    def span(
        self, name: str, attributes: Attributes, *, parent: object | None = None
    ) -> Iterator[object]:
        """Record a span; messages of exceptions and tracebacks are not recorded."""
        context = trace.set_span_in_context(parent) if isinstance(parent, Span) else None
        with self._tracer.start_as_current_span(
            name,
            context,
            attributes=_bounded(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def annotate(self, attributes: Attributes, *, failed: bool = False) -> None:
        """Add attributes to the current span."""
        span = trace.get_current_span()
        span.set_attributes(_bounded(attributes))
        if failed:
            span.set_status(Status(StatusCode.ERROR))

    def cloud_request(
        self, cloud: str, operation: str, *, status: int | None, seconds: float
    ) -> None:
        """Record a request to a cloud; thread-safe."""
        attributes = {"cloud.provider": cloud, "keywright.operation": operation}
        self._ended(f"{cloud} {operation}", attributes, status=status, seconds=seconds)

    def api_request(self, verb: str, resource: str, *, status: int | None, seconds: float) -> None:
        """Record a request to the Kubernetes API."""
        attributes = {"k8s.verb": verb, "k8s.resource": resource}
        self._ended(f"{verb} {resource}", attributes, status=status, seconds=seconds)

    def _ended(
        self, name: str, attributes: Attributes, *, status: int | None, seconds: float
    ) -> None:
        # Outside of a reconcile (Leases, watches), or in one that is not sampled.
        if not trace.get_current_span().is_recording():
            return
        end = time.time_ns()
        span = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes=_bounded(attributes),
            start_time=end - round(seconds * 1e9),
        )
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or status >= 400:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    async def close(self) -> None:
        """Export what is left, for at most three seconds."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop has ended first
                loop.call_soon_threadsafe(ended.set)

        # Not one of the loop's threads: the process would wait for it.
        threading.Thread(target=shut_down, name="traces", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await ended.wait()
        except TimeoutError:
            _LOG.warning("exporting the last traces failed: the collector does not respond")


def _bounded(attributes: Attributes) -> Attributes:
    """The attributes, redacted as a second safeguard, like the log."""
    return {name: redact(value)[:_MAX_VALUE] for name, value in attributes.items()}
