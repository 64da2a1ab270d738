"""Pods that send metrics, logs or traces with the exporters of the OpenTelemetry SDK.

The exporters read OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, _HEADERS and the like, and no other
configuration.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from testbed.readers.answers import QUESTION, Answer, once, pod_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

METRICS, LOGS, TRACES = "otlp-metrics", "otlp-logs", "otlp-traces"
SIGNALS = (METRICS, LOGS, TRACES)


class ExportError(Exception):
    """The exporter has given up; the message is what it has logged."""


def _metrics() -> Any:
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    provider.get_meter("pod").create_counter("prompts").add(1)
    return reader.get_metrics_data()


def _logs() -> Any:
    record = LogRecord(timestamp=time.time_ns(), body=QUESTION)
    return [ReadableLogRecord(record, resource=Resource.create({}))]


def _spans() -> Any:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("pod").start_span("prompt").end()
    return memory.get_finished_spans()


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Exporter:
    """A pod started with this Secret; requests proxies and certificates from its environment."""

    def __init__(
        self, signal: str, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]
    ) -> None:
        self._environment = {**cloud_environment, **data}
        make, self._content = {
            METRICS: (OTLPMetricExporter, _metrics),
            LOGS: (OTLPLogExporter, _logs),
            TRACES: (OTLPSpanExporter, _spans),
        }[signal]
        with pod_environment(self._environment):
            self._exporter: Any = make(timeout=5)

    def ask(self) -> str:
        """Send one metric, record or span."""
        kept = _Kept()
        logger = logging.getLogger(type(self._exporter).__module__)
        # The one for logs reports an error that repeats only once.
        filters, logger.filters = logger.filters, []
        logger.addHandler(kept)
        try:
            with pod_environment(self._environment):
                result = self._exporter.export(self._content())
        finally:
            logger.removeHandler(kept)
            logger.filters = filters
        if result.name != "SUCCESS":
            raise ExportError("; ".join(kept.lines))
        return "accepted"

    def close(self) -> None:
        """Close the connections."""
        self._exporter.shutdown()


def metrics(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Exporter:
    """A pod that sends metrics."""
    return Exporter(METRICS, data, cloud_environment=cloud_environment)


def logs(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Exporter:
    """A pod that sends logs."""
    return Exporter(LOGS, data, cloud_environment=cloud_environment)


def traces(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Exporter:
    """A pod that sends traces."""
    return Exporter(TRACES, data, cloud_environment=cloud_environment)


def call(signal: str, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One export, by a pod started for it."""
    connect = {METRICS: metrics, LOGS: logs, TRACES: traces}[signal]
    return once(signal, connect, data=data, cloud_environment=cloud_environment)
