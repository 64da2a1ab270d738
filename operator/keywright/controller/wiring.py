"""The one place that puts the parts of an operator together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import kopf

from keywright.api.status import ConditionStatus, GrantStatus
from keywright.clouds.pacing import Pacing
from keywright.cluster.client import KubernetesClient
from keywright.cluster.connection import Connection
from keywright.cluster.events import EventWriter
from keywright.cluster.fingerprint_key import load_fingerprint_key
from keywright.cluster.leases import Leases
from keywright.cluster.objects import Objects
from keywright.cluster.service_accounts import ServiceAccounts
from keywright.cluster.source_secrets import SecretValues
from keywright.cluster.workloads import Workloads
from keywright.controller.census import Census
from keywright.controller.clouds import Clouds, connect_clouds
from keywright.controller.informer import SEPARATOR, Informer
from keywright.controller.invalid_objects import InvalidObjects
from keywright.controller.leadership import AlwaysLeader, Leadership, Timing
from keywright.controller.queue import DueQueue
from keywright.controller.reconcilers import Edges, grant_reconciler
from keywright.controller.settings import Settings
from keywright.controller.source_secrets import SourceSecretsWatch
from keywright.controller.sources import SourceReconciler
from keywright.controller.store import Store
from keywright.controller.tenancy import Tenancy
from keywright.controller.watches import build_registry
from keywright.controller.workers import WorkerPool
from keywright.planning.conditions import READY
from keywright.telemetry.http import Heartbeat, TelemetryServer
from keywright.telemetry.metrics import GrantReading, Metrics

_SOURCE_WORKERS = 4
_STALE_LOOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts that the process starts and stops."""

    client: KubernetesClient
    writing: KubernetesClient
    clouds: Clouds
    census: Census
    source_secrets: SourceSecretsWatch
    tenancy: Tenancy
    office: Leadership | AlwaysLeader
    pools: tuple[WorkerPool, ...]
    heartbeat: Heartbeat
    server: TelemetryServer
    registry: kopf.OperatorRegistry


def now() -> datetime:
    """The clock of the process."""
    return datetime.now(UTC)


def build(settings: Settings, *, connection: Connection, client: KubernetesClient) -> Operator:
    """An operator, ready to be started."""
    store = Store()
    grants = DueQueue(now=now, order=lambda uid: store.priority(uid, now=now()))
    sources = DueQueue(now=now)
    office = _office(settings, client)
    writing = KubernetesClient(
        connection, connections=settings.workers + _SOURCE_WORKERS, fence=office.check
    )
    objects = Objects(writing, namespaces=settings.namespaces)
    values = SecretValues(objects)
    clouds = connect_clouds(settings, tokens=ServiceAccounts(client), secrets=values, clock=now)
    invalid = InvalidObjects()
    informer = Informer(
        store=store,
        grants=grants,
        sources=sources,
        clock=now,
        forget_source=clouds.forget,
        sources_changed=lambda: _tell(source_secrets, tenancy),
        invalid=invalid,
    )
    source_secrets = SourceSecretsWatch(
        client, store=store, values=values, changed=informer.secret_of_sources
    )
    tenancy = Tenancy(
        client, store=store, namespaces=settings.namespaces, changed=informer.namespaces
    )
    census = Census(
        store=store,
        objects=objects,
        informer=informer,
        load_key=lambda: load_fingerprint_key(client, namespace=settings.own_namespace),
    )
    events = EventWriter(writing, instance=settings.identity)
    metrics = Metrics()
    metrics.watch(
        grants=partial(_readings, store),
        queue_depth=grants.depth,
        leads=office.holds,
        invalid=invalid.count,
    )
    edges = Edges(
        store=store,
        listener=informer,
        objects=objects,
        values=values,
        workloads=Workloads(writing),
        vendors=clouds.vendors,
        tenancy=tenancy,
        fence=office,
        events=events,
        metrics=metrics,
        fingerprint_key=census.fingerprint_key,
        clock=now,
    )
    pools = _pools(
        settings,
        edges,
        queues=(grants, sources),
        informer=informer,
        office=office,
        ready=census.listed,
        lane=partial(_lane, store, clouds.calls.pacing),
    )
    heartbeat = Heartbeat()
    return Operator(
        client=client,
        writing=writing,
        clouds=clouds,
        census=census,
        source_secrets=source_secrets,
        tenancy=tenancy,
        office=office,
        pools=pools,
        heartbeat=heartbeat,
        server=TelemetryServer(
            host=settings.http_host,
            port=settings.http_port,
            live=lambda: (
                "the event loop is held up" if heartbeat.age() > _STALE_LOOP_SECONDS else ""
            ),
            ready=census.missing,
            metrics=metrics.text,
        ),
        registry=build_registry(
            informer, connection, stop=partial(stop_work, pools, office, settings.drain_seconds)
        ),
    )


def _pools(
    settings: Settings,
    edges: Edges,
    *,
    queues: tuple[DueQueue, DueQueue],
    informer: Informer,
    office: Leadership | AlwaysLeader,
    ready: asyncio.Event,
    lane: Callable[[str], str | None],
) -> tuple[WorkerPool, ...]:
    """The workers of grants and those of sources, each with their queue."""
    sources = SourceReconciler(
        store=edges.store,
        objects=edges.objects,
        vendors=edges.vendors,
        listener=informer,
        wake_grants=informer.wake_grants,
        count_settles_at=informer.count_settles_at,
        tenancy=edges.tenancy,
        fence=edges.fence,
        events=edges.events,
        clock=edges.clock,
    )
    return (
        WorkerPool(
            "grant",
            queue=queues[0],
            reconcile=grant_reconciler(edges).reconcile,
            settled=edges.store.settled,
            office=office,
            ready=ready,
            clock=now,
            size=settings.workers,
            lane=lane,
        ),
        WorkerPool(
            "source",
            queue=queues[1],
            reconcile=lambda key: sources.reconcile(_name(key)),
            settled=lambda _: False,
            office=office,
            ready=ready,
            clock=now,
            size=_SOURCE_WORKERS,
        ),
    )


async def stop_work(
    pools: tuple[WorkerPool, ...], office: Leadership | AlwaysLeader, seconds: float
) -> None:
    """Let what is in hand end, then leave the office to another replica; harmless when repeated.

    Out of office it is ended at once: a write that is still on its way would come after those of
    the replica that has taken over.
    """
    seconds = seconds if office.holds() else 0.0
    await asyncio.gather(*(pool.drain(seconds=seconds) for pool in pools))
    await office.resign()


def _office(settings: Settings, client: KubernetesClient) -> Leadership | AlwaysLeader:
    if not settings.leader_election:
        return AlwaysLeader()
    return Leadership(
        Leases(client, settings.own_namespace, settings.lease_name),
        identity=settings.identity,
        timing=Timing.of(settings.lease_seconds),
        monotonic=time.monotonic,
    )


def _lane(store: Store, pacing: Pacing, uid: str) -> str | None:
    """The account of a grant, where its cloud has said "slow down"."""
    grant = store.grants.get(uid)
    source = store.sources.get(grant.source) if grant is not None else None
    account = source.status.account_id if source is not None else None
    return account if account and pacing.is_paced(account) else None


def _tell(*watches: SourceSecretsWatch | Tenancy) -> None:
    """Sources have changed, and with them what is watched for their sake."""
    for each in watches:
        each.sources_changed()


def _name(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition(SEPARATOR)
    return namespace, name


def _readings(store: Store) -> Iterator[GrantReading]:
    for known in store.grants.values():
        status = GrantStatus.parse(known.parsed()["status"])
        ready = status.condition(READY)
        yield GrantReading(
            namespace=known.namespace,
            name=known.name,
            ready=ready is not None and ready.status is ConditionStatus.TRUE,
            expires_at=status.expires_at.timestamp() if status.expires_at else None,
            renews_at=status.renew_at.timestamp() if status.renew_at else None,
        )
