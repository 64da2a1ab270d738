"""The work queues of the operator and their workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.sessions import Clock
from keywright.controller.clients import SOURCE_WORKERS
from keywright.controller.context import Context
from keywright.controller.event_handlers import SEPARATOR, EventHandlers
from keywright.controller.grants.expiry import GRACE, report_expiry
from keywright.controller.grants.reconcile import reconcile
from keywright.controller.key_runner import Reconcile
from keywright.controller.leadership import AlwaysLeader, LeaderElector
from keywright.controller.queue import DelayingQueue
from keywright.controller.sources import SourceReconciler
from keywright.controller.store import Store
from keywright.controller.supervision import Supervisor
from keywright.controller.tracing import traced_grants, traced_sources
from keywright.controller.workers import WorkerPool

# How many keys of a namespace may be in progress regardless of others.
_GRANTS_GUARANTEED = 4
_SOURCES_GUARANTEED = 2
# The maximum number of workers for each regular one, while clouds respond slowly.
_LIMIT = 8
_SOURCE_LIMIT = 64
_EXPIRY_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Queues:
    """The queues of grants, sources, and key expiries."""

    grants: DelayingQueue
    sources: DelayingQueue
    expiries: DelayingQueue


def build_queues(store: Store, clock: Clock, *, workers: int) -> Queues:
    """The queues, fair by namespace; the store schedules key expiries."""

    def namespace(uid: str) -> str:
        known = store.grants.get(uid)
        return known.namespace if known is not None else ""

    queues = Queues(
        grants=DelayingQueue(
            now=clock,
            order=lambda uid: store.priority(uid, now=clock()),
            namespace=namespace,
            # A namespace that is alone never has more than `workers`.
            guaranteed=min(workers, _GRANTS_GUARANTEED),
        ),
        sources=DelayingQueue(
            now=clock,
            namespace=lambda key: key.partition(SEPARATOR)[0],
            guaranteed=_SOURCES_GUARANTEED,
        ),
        expiries=DelayingQueue(now=clock, namespace=namespace),
    )
    store.expires = lambda uid, at: queues.expiries.add(uid, due=at + GRACE)
    return queues


def build_pools(
    context: Context,
    queues: Queues,
    *,
    workers: int,
    event_handlers: EventHandlers,
    elector: LeaderElector | AlwaysLeader,
    ready: asyncio.Event,
    throttle_key: Callable[[str], str | None],
    supervisor: Supervisor,
    skews: ClockSkews,
) -> tuple[WorkerPool, ...]:
    """The workers of grants, of sources, and of key expiries."""
    reconciles = _reconciles(context, _source_reconciler(context, event_handlers, skews))
    return (
        WorkerPool(
            "grant",
            queue=queues.grants,
            reconcile=reconciles.grants,
            settled=context.store.only_own_writes,
            elector=elector,
            ready=ready,
            clock=context.clock,
            size=workers,
            limit=workers * _LIMIT,
            throttle_key=throttle_key,
            supervisor=supervisor,
        ),
        WorkerPool(
            "source",
            queue=queues.sources,
            reconcile=reconciles.sources,
            settled=lambda _: False,
            elector=elector,
            ready=ready,
            clock=context.clock,
            size=SOURCE_WORKERS,
            limit=_SOURCE_LIMIT,
            supervisor=supervisor,
        ),
        WorkerPool(
            "expiry",
            queue=queues.expiries,
            reconcile=reconciles.expiries,
            settled=lambda _: False,
            elector=elector,
            ready=ready,
            clock=context.clock,
            size=_EXPIRY_WORKERS,
            supervisor=supervisor,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Reconciles:
    grants: Reconcile
    sources: Reconcile
    expiries: Reconcile


def _reconciles(context: Context, sources: SourceReconciler) -> _Reconciles:
    """The reconciles of the queues, with spans only if there is a tracer."""
    tracer, store = context.tracer, context.store
    grants, expiries = partial(reconcile, context), partial(report_expiry, context)
    if tracer is None:
        return _Reconciles(grants, lambda key: sources.reconcile(_name(key)), expiries)
    return _Reconciles(
        traced_grants(grants, tracer, store, span="reconcile grant"),
        traced_sources(sources.reconcile, tracer, store, name_of=_name),
        traced_grants(expiries, tracer, store, span="report expiry"),
    )


def _source_reconciler(
    context: Context, event_handlers: EventHandlers, skews: ClockSkews
) -> SourceReconciler:
    return SourceReconciler(
        store=context.store,
        objects=context.objects,
        providers=context.providers,
        listener=event_handlers,
        wake_grants=event_handlers.wake_grants,
        count_due_at=event_handlers.count_due_at,
        tenancy=context.tenancy,
        fence=context.fence,
        events=context.events,
        skews=skews,
        times=context.key_times,
        clock=context.clock,
        docs_url=context.docs_url,
    )


def _name(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition(SEPARATOR)
    return namespace, name
