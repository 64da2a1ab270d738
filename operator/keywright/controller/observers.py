"""Who receives the requests to clouds and to the Kubernetes API: metrics, and traces if set."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from keywright.clouds.interfaces import RequestObserver
from keywright.cluster.api_requests import ApiRequestObserver
from keywright.controller.tracing import each
from keywright.telemetry.metrics import Metrics
from keywright.telemetry.traces import Tracer, open_tracer


class OpenTracer(Protocol):
    """Opens a tracer, such as `open_tracer`."""

    def __call__(self, *, instance: str) -> Tracer:
        """Return the tracer of this replica."""


_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observers:
    """Metrics and tracer, and the two observers of requests that feed both."""

    metrics: Metrics
    tracer: Tracer | None
    cloud_request: RequestObserver
    api_request: ApiRequestObserver


def open_observers(*, traces: bool, instance: str, opened: OpenTracer = open_tracer) -> Observers:
    """Metrics, and traces if they are set and can be set up: keys are renewed without them."""
    metrics, tracer = Metrics(), None
    if traces:
        try:
            tracer = opened(instance=instance)
        except Exception as error:
            # The value of a variable may be a credential of the collector.
            _LOG.error(
                "setting up traces failed, continuing without them: %s; check the variables OTEL_*",
                type(error).__name__,
            )
    if tracer is None:
        return Observers(metrics, None, metrics.cloud_request, metrics.api_request)
    return Observers(
        metrics,
        tracer,
        each(metrics.cloud_request, tracer.cloud_request),
        each(metrics.api_request, tracer.api_request),
    )
