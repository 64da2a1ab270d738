"""What the probes and /metrics show of an operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from keywright.api.status import ConditionStatus
from keywright.cluster.access_reviews import AccessReviews
from keywright.cluster.client import KubernetesClient
from keywright.controller.settings import Settings
from keywright.controller.store import Store
from keywright.controller.supervision import Supervisor
from keywright.planning.conditions import READY
from keywright.telemetry.certificates import ServingCertificate
from keywright.telemetry.http import Heartbeat, MetricsListener
from keywright.telemetry.metrics import GrantSample, SourceSample

_STALE_LOOP_SECONDS = 30.0


def not_live(heartbeat: Heartbeat, supervisor: Supervisor) -> str:
    """Why the container must be restarted; empty if it is live."""
    if heartbeat.age() > _STALE_LOOP_SECONDS:
        return "the event loop is held up"
    return supervisor.problem()


def metrics_listener(
    settings: Settings, client: KubernetesClient, *, now: datetime
) -> MetricsListener | None:
    """None if /metrics is served at the address of the probes."""
    host, port = settings.metrics_host, settings.metrics_port
    if not settings.metrics_auth:
        same = (host, port) == (settings.http_host, settings.http_port)
        return None if same else MetricsListener(host, port)
    reviews = AccessReviews(client, path="/metrics", monotonic=time.monotonic)

    async def authorize(authorization: str | None) -> int:
        return (await reviews.check(authorization)).value

    return MetricsListener(
        host,
        port,
        certificate=ServingCertificate(
            settings.metrics_cert_dir,
            host=f"keywright.{settings.own_namespace}.svc",
            now=now,
        ),
        authorize=authorize,
    )


def source_samples(store: Store) -> Iterator[SourceSample]:
    """What a scrape shows of each source."""
    for record in list(store.sources.values()):
        ready = record.status.condition(READY)
        expires_at = record.status.expires_at
        yield SourceSample(
            namespace=record.name[0],
            name=record.name[1],
            ready=ready is not None and ready.status is ConditionStatus.TRUE,
            failing=record.status.failed_attempts > 0,
            expires_at=None if expires_at is None else expires_at.timestamp(),
        )


def grant_samples(store: Store) -> Iterator[GrantSample]:
    """What a scrape shows of each grant."""
    # Read in a thread while the event loop continues: a copy of the current grants.
    for record in list(store.grants.values()):
        ready, expires_at, renew_at = record.readiness
        yield GrantSample(
            namespace=record.namespace,
            name=record.name,
            ready=ready,
            expires_at=expires_at,
            renews_at=renew_at,
        )
