"""Traces of reconciles; without `--traces` there is no tracer and no import of OpenTelemetry."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

Attributes = dict[str, str]


class Tracer(Protocol):
    """Records spans; nothing of it waits for the collector, except for `close`."""

    def span(
        self, name: str, attributes: Attributes, *, parent: object | None = None
    ) -> AbstractContextManager[object]:
        """A span around a block, within the current span or `parent`; yields the new parent.

        Of an exception only the type is recorded.
        """

    def annotate(self, attributes: Attributes, *, failed: bool = False) -> None:
        """Add attributes to the current span; `failed` marks it as an error."""

    def cloud_request(
        self, cloud: str, operation: str, *, status: int | None, seconds: float
    ) -> None:
        """Record a request to a cloud that has just ended; nothing outside of a span."""

    def api_request(self, verb: str, resource: str, *, status: int | None, seconds: float) -> None:
        """Record a request to the Kubernetes API in the same way."""

    async def close(self) -> None:
        """Export what is left, for at most three seconds."""


def open_tracer(*, instance: str) -> Tracer:
    """The tracer that exports by OTLP over HTTP, set up by the environment variables OTEL_*.

    Raises:
        ModuleNotFoundError: the extra `traces` is not installed.
        Exception: a variable has an invalid value.
    """
    from keywright.telemetry.otlp import OtlpTracer  # noqa: PLC0415  imported only for the flag

    return OtlpTracer(instance=instance)
