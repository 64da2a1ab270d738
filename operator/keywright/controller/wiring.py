"""Connect the parts of an operator; the only module that does so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import kopf

from keywright.clouds.rate_limit import AdaptiveRateLimiter, pace_key
from keywright.cluster.client import KubernetesClient
from keywright.cluster.connection import Connection
from keywright.cluster.events import EventWriter
from keywright.cluster.leases import Leases
from keywright.cluster.objects import ResourceClient
from keywright.cluster.operator_state import OrphanList, load_cluster_id, load_fingerprint_key
from keywright.cluster.service_accounts import ServiceAccounts
from keywright.cluster.source_secrets import SecretCache
from keywright.cluster.workloads import Workloads
from keywright.controller.clients import Clients, lease_client, open_clients
from keywright.controller.clock_watch import ClockWatch
from keywright.controller.clouds import Clouds, connect_clouds
from keywright.controller.context import Context
from keywright.controller.event_handlers import EventHandlers
from keywright.controller.grants.source_access import Tenancy
from keywright.controller.initial_sync import InitialSync
from keywright.controller.invalid_objects import InvalidObjects
from keywright.controller.leadership import AlwaysLeader, LeaderElector, LeaseTimings
from keywright.controller.monitoring import (
    grant_samples,
    metrics_listener,
    not_live,
    source_samples,
)
from keywright.controller.observers import Observers, open_observers
from keywright.controller.orphan_register import OrphanRegister
from keywright.controller.pools import Queues, build_pools, build_queues
from keywright.controller.referenced_secrets import Coalesced, ReferencedSecretsWatch
from keywright.controller.session_keeper import SessionKeeper
from keywright.controller.settings import Settings
from keywright.controller.store import Store
from keywright.controller.supervision import Supervisor
from keywright.controller.watches import build_registry
from keywright.controller.workers import WorkerPool
from keywright.telemetry.http import Heartbeat, TelemetryServer
from keywright.telemetry.loop_lag import LoopWatchdog
from keywright.telemetry.traces import Tracer

_ORPHAN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts that the process starts and stops."""

    clients: Clients
    session_keeper: Callable[[], Coroutine[Any, Any, None]]
    orphan_sweep: Callable[[], Coroutine[Any, Any, None]]
    event_writer: Callable[[], Coroutine[Any, Any, None]]
    clouds: Clouds
    initial_sync: InitialSync
    source_secrets: ReferencedSecretsWatch
    tenancy: Tenancy
    elector: LeaderElector | AlwaysLeader
    pools: tuple[WorkerPool, ...]
    supervisor: Supervisor
    heartbeat: Heartbeat
    watchdog: LoopWatchdog
    clock_watch: ClockWatch
    server: TelemetryServer
    registry: kopf.OperatorRegistry
    tracer: Tracer | None


def now() -> datetime:
    """The clock of the process."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The dependencies that the reconciles, the watches and the telemetry share."""

    store: Store
    observers: Observers
    supervisor: Supervisor
    queues: Queues
    elector: LeaderElector | AlwaysLeader
    clients: Clients
    values: SecretCache
    clouds: Clouds
    invalid: InvalidObjects
    event_handlers: EventHandlers
    source_secrets: ReferencedSecretsWatch
    tenancy: Tenancy
    initial_sync: InitialSync

    def leads(self) -> bool:
        """Whether this process is the leader, and has listed all objects."""
        return self.elector.holds() and self.initial_sync.synced.is_set()


def build(settings: Settings, *, connection: Connection) -> Operator:
    """Build an operator that can be started."""
    parts = _parts(settings, connection)
    context = _context(settings, parts)
    pools = build_pools(
        context,
        parts.queues,
        workers=settings.workers,
        event_handlers=parts.event_handlers,
        elector=parts.elector,
        ready=parts.initial_sync.synced,
        throttle_key=partial(_throttle_key, parts.store, parts.clouds.calls.rate_limiter),
        supervisor=parts.supervisor,
        skews=parts.clouds.skews,
    )
    parts.observers.metrics.watch(
        grants=partial(grant_samples, parts.store),
        sources=partial(source_samples, parts.store),
        queue_depth=parts.queues.grants.depth,
        due_by_urgency=parts.queues.grants.due_by_urgency,
        deferred_statuses=parts.queues.grants.rests,
        leads=parts.elector.holds,
        invalid=parts.invalid.count,
        orphans=context.orphans.count,
        clock_skews=parts.clouds.skews.by_vendor,
    )
    return _operator(settings, connection, parts=parts, context=context, pools=pools)


def _parts(settings: Settings, connection: Connection) -> _Parts:
    store = Store()
    observers = open_observers(traces=settings.traces, instance=settings.identity)
    supervisor = Supervisor(restarted=observers.metrics.task_restarted)
    queues = build_queues(store, now, workers=settings.workers)
    lease = lease_client(connection, observe=observers.api_request)
    elector = _elector(settings, lease)
    clients = open_clients(
        settings, connection, lease=lease, fence=elector.check, observe=observers.api_request
    )
    objects = ResourceClient(clients.reading, namespaces=settings.namespaces)
    values = SecretCache(objects, needs_consent=settings.secrets_need_consent)
    clouds = connect_clouds(
        settings,
        tokens=ServiceAccounts(clients.reading),
        secrets=values,
        clock=now,
        observe=observers.cloud_request,
        skew_changed=lambda name: event_handlers.look_at_source(name),  # noqa: PLW0108  see below
    )
    invalid = InvalidObjects()
    event_handlers = EventHandlers(
        store=store,
        grants=queues.grants,
        sources=queues.sources,
        clock=now,
        forget_source=clouds.forget,
        # Each reads all sources: not once for each of them that arrives.
        sources_changed=Coalesced(lambda: _notify_sources_changed(source_secrets, tenancy)),
        invalid=invalid,
        expiries=queues.expiries,
    )
    source_secrets = ReferencedSecretsWatch(
        clients.watching,
        store=store,
        values=values,
        changed=event_handlers.secret_of_sources,
        everywhere=not settings.namespaces,
        tasks=supervisor,
    )
    tenancy = Tenancy(
        clients.watching,
        store=store,
        namespaces=settings.namespaces,
        changed=event_handlers.namespaces,
        tasks=supervisor,
    )
    return _Parts(
        store,
        observers,
        supervisor,
        queues,
        elector,
        clients,
        values,
        clouds,
        invalid,
        event_handlers,
        source_secrets,
        tenancy,
        _initial_sync(settings, clients, store, event_handlers),
    )


def _initial_sync(
    settings: Settings, clients: Clients, store: Store, event_handlers: EventHandlers
) -> InitialSync:
    reading = clients.reading
    return InitialSync(
        store=store,
        objects=ResourceClient(reading, namespaces=settings.namespaces),
        event_handlers=event_handlers,
        load_key=lambda: load_fingerprint_key(reading, namespace=settings.own_namespace),
        load_cluster_id=lambda: load_cluster_id(reading),
    )


def _context(settings: Settings, parts: _Parts) -> Context:
    clients, cluster_id = parts.clients, parts.initial_sync.cluster_id
    return Context(
        store=parts.store,
        listener=parts.event_handlers,
        objects=ResourceClient(clients.writing, namespaces=settings.namespaces),
        values=parts.values,
        workloads=Workloads(clients.background),
        providers=parts.clouds.providers,
        tenancy=parts.tenancy,
        fence=parts.elector,
        events=EventWriter(
            clients.background,
            instance=settings.identity,
            busy=lambda: parts.queues.grants.depth() > 0,
        ),
        metrics=parts.observers.metrics,
        tracer=parts.observers.tracer,
        docs_url=settings.docs_url,
        fingerprint_key=parts.initial_sync.fingerprint_key,
        cluster_id=cluster_id,
        clock=now,
        key_times=settings.key_times,
        orphans=OrphanRegister(
            OrphanList(clients.writing, namespace=settings.own_namespace),
            store=parts.store,
            tenancy=parts.tenancy,
            clock=now,
            cluster_id=cluster_id,
        ),
    )


def _operator(
    settings: Settings,
    connection: Connection,
    *,
    parts: _Parts,
    context: Context,
    pools: tuple[WorkerPool, ...],
) -> Operator:
    heartbeat = Heartbeat()
    clouds, elector, supervisor = parts.clouds, parts.elector, parts.supervisor
    keeper = SessionKeeper(
        store=parts.store,
        providers=clouds.providers,
        leads=parts.leads,
        source_failed=parts.event_handlers.source_failed,
    )
    return Operator(
        clients=parts.clients,
        session_keeper=keeper.run,
        orphan_sweep=partial(
            context.orphans.sweep,
            providers=context.grant_providers,
            leads=parts.leads,
            seconds=min(_ORPHAN_SECONDS, settings.sweep_seconds),
        ),
        event_writer=context.events.run,
        clouds=clouds,
        initial_sync=parts.initial_sync,
        source_secrets=parts.source_secrets,
        tenancy=parts.tenancy,
        elector=elector,
        pools=pools,
        supervisor=supervisor,
        heartbeat=heartbeat,
        watchdog=LoopWatchdog(parts.observers.metrics.loop_lag),
        clock_watch=ClockWatch(
            now=now,
            monotonic=time.monotonic,
            stepped=partial(_clock_was_set, clouds, parts.event_handlers),
        ),
        server=TelemetryServer(
            host=settings.http_host,
            port=settings.http_port,
            live=partial(not_live, heartbeat, supervisor),
            ready=parts.initial_sync.not_ready_reason,
            metrics=parts.observers.metrics.text,
            listener=metrics_listener(settings, parts.clients.reviewing, now=now()),
        ),
        registry=build_registry(
            parts.event_handlers,
            connection,
            stop=partial(stop_work, pools, elector, settings.drain_seconds, supervisor=supervisor),
            observe=parts.observers.api_request,
        ),
        tracer=context.tracer,
    )


def _clock_was_set(clouds: Clouds, event_handlers: EventHandlers) -> None:
    clouds.skews.clock_was_set()
    event_handlers.look_at_all()


async def stop_work(
    pools: tuple[WorkerPool, ...],
    elector: LeaderElector | AlwaysLeader,
    seconds: float,
    *,
    supervisor: Supervisor,
) -> None:
    """Drain work in progress, then release the Lease to another replica; idempotent.

    If leadership is lost, work is cancelled immediately: a write in transit would arrive after
    those of the replica that has taken over.
    """
    supervisor.close()
    seconds = seconds if elector.holds() else 0.0
    await asyncio.gather(*(pool.drain(seconds=seconds) for pool in pools))
    await elector.release_lease()


def _elector(settings: Settings, client: KubernetesClient) -> LeaderElector | AlwaysLeader:
    if not settings.leader_election:
        return AlwaysLeader()
    return LeaderElector(
        Leases(client, settings.own_namespace, settings.lease_name),
        identity=settings.identity,
        timing=LeaseTimings.of(settings.lease_seconds),
        monotonic=time.monotonic,
    )


def _throttle_key(store: Store, rate_limiter: AdaptiveRateLimiter, uid: str) -> str | None:
    """The rate limit key of a grant's calls, if its cloud is throttling; otherwise None."""
    grant = store.grants.get(uid)
    source = store.sources.get(grant.source) if grant is not None else None
    if source is None or isinstance(source.value, list):
        return None
    key = pace_key(source.value, account=source.status.account_id)
    return key if rate_limiter.is_paced(key) else None


def _notify_sources_changed(*watches: ReferencedSecretsWatch | Tenancy) -> None:
    """Update what is watched for sources that have changed."""
    for each in watches:
        each.sources_changed()
