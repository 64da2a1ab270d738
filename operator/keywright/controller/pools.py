"""The queues of the operator and the workers on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.sessions import Clock
from keywright.controller.clients import SOURCE_WORKERS
from keywright.controller.expiry import GRACE, ExpiryReporter
from keywright.controller.informer import SEPARATOR, Informer
from keywright.controller.leadership import AlwaysLeader, Leadership
from keywright.controller.queue import DueQueue
from keywright.controller.reconcilers import Edges, grant_reconciler
from keywright.controller.sources import SourceReconciler
from keywright.controller.store import Store
from keywright.controller.supervision import Supervisor
from keywright.controller.workers import WorkerPool

# How many keys of a namespace may be in hand whatever others have in hand.
_GRANTS_GUARANTEED = 4
_SOURCES_GUARANTEED = 2
# Of the usual number of workers: how many there may be where namespaces would wait for others.
_LIMIT = 8
_SOURCE_LIMIT = 64
_EXPIRY_WORKERS = 4
_EXPIRY_LIMIT = 32


@dataclass(frozen=True, slots=True)
class Queues:
    """What is due: grants, sources, and keys that end."""

    grants: DueQueue
    sources: DueQueue
    expiries: DueQueue


def build_queues(store: Store, clock: Clock, *, workers: int) -> Queues:
    """The queues, fair by namespace; the store plans the ends of keys."""

    def namespace(uid: str) -> str:
        known = store.grants.get(uid)
        return known.namespace if known is not None else ""

    queues = Queues(
        grants=DueQueue(
            now=clock,
            order=lambda uid: store.priority(uid, now=clock()),
            namespace=namespace,
            # A namespace that is alone never has more than `workers`.
            guaranteed=min(workers, _GRANTS_GUARANTEED),
        ),
        sources=DueQueue(
            now=clock,
            namespace=lambda key: key.partition(SEPARATOR)[0],
            guaranteed=_SOURCES_GUARANTEED,
        ),
        expiries=DueQueue(now=clock, namespace=namespace),
    )
    store.expires = lambda uid, at: queues.expiries.add(uid, due=at + GRACE)
    return queues


def build_pools(
    edges: Edges,
    queues: Queues,
    *,
    workers: int,
    informer: Informer,
    office: Leadership | AlwaysLeader,
    ready: asyncio.Event,
    lane: Callable[[str], str | None],
    supervisor: Supervisor,
    skews: ClockSkews,
) -> tuple[WorkerPool, ...]:
    """The workers of grants, of sources, and of keys that end."""
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
        skews=skews,
        times=edges.key_times,
        clock=edges.clock,
    )
    grants = grant_reconciler(edges)
    expiry = ExpiryReporter(store=edges.store, recording=grants.recording, clock=edges.clock)
    return (
        WorkerPool(
            "grant",
            queue=queues.grants,
            reconcile=grants.reconcile,
            settled=edges.store.settled,
            office=office,
            ready=ready,
            clock=edges.clock,
            size=workers,
            limit=workers * _LIMIT,
            lane=lane,
            supervisor=supervisor,
        ),
        WorkerPool(
            "source",
            queue=queues.sources,
            reconcile=lambda key: sources.reconcile(_name(key)),
            settled=lambda _: False,
            office=office,
            ready=ready,
            clock=edges.clock,
            size=SOURCE_WORKERS,
            limit=_SOURCE_LIMIT,
            supervisor=supervisor,
        ),
        WorkerPool(
            "expiry",
            queue=queues.expiries,
            reconcile=expiry.report,
            settled=lambda _: False,
            office=office,
            ready=ready,
            clock=edges.clock,
            size=_EXPIRY_WORKERS,
            limit=_EXPIRY_LIMIT,
            supervisor=supervisor,
        ),
    )


def _name(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition(SEPARATOR)
    return namespace, name
