"""Puts the reconciler of grants together from the edges of the operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keywright.api.source import Provider
from keywright.clouds.sessions import Clock
from keywright.clouds.ways import Vendor
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import Objects
from keywright.cluster.source_secrets import SecretValues
from keywright.cluster.workloads import Workloads
from keywright.controller.changed import Fence, Listener
from keywright.controller.gathering import Gathering
from keywright.controller.grants import GrantReconciler
from keywright.controller.journal import MintJournal
from keywright.controller.key_checks import KeyChecks
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.orphan_register import OrphanRegister
from keywright.controller.orphans import Orphans
from keywright.controller.proving import Proving
from keywright.controller.publishing import Publishing
from keywright.controller.recording import Recording
from keywright.controller.rollouts import Rollouts
from keywright.controller.secret_upkeep import SecretUpkeep
from keywright.controller.settings import KeyTimes
from keywright.controller.source_access import AuthorizedVendors, SourceAccess
from keywright.controller.store import Store
from keywright.controller.tenancy import Tenancy
from keywright.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Edges:
    """What a reconciler reads from and writes to."""

    store: Store
    listener: Listener
    objects: Objects
    values: SecretValues
    workloads: Workloads
    vendors: Mapping[Provider, Vendor]
    tenancy: Tenancy
    fence: Fence
    events: EventWriter
    metrics: Metrics
    fingerprint_key: Callable[[], bytes]
    cluster_id: Callable[[], str]
    clock: Clock
    key_times: KeyTimes
    orphans: OrphanRegister


def grant_reconciler(edges: Edges) -> GrantReconciler:
    """The one reconciler of grants, over those edges."""
    access = SourceAccess(store=edges.store, tenancy=edges.tenancy)
    vendors = AuthorizedVendors(edges.vendors, access=access)
    proofs = KeyProofs(
        store=edges.store, fingerprint_key=edges.fingerprint_key, cluster_id=edges.cluster_id
    )
    checks = KeyChecks(store=edges.store, proofs=proofs, clock=edges.clock, times=edges.key_times)
    journal = MintJournal(
        store=edges.store,
        listener=edges.listener,
        objects=edges.objects,
        vendors=vendors,
        proofs=proofs,
        checks=checks,
        fingerprint_key=edges.fingerprint_key,
        fence=edges.fence,
        orphans=Orphans(events=edges.events, register=edges.orphans),
    )
    proving = Proving(store=edges.store, vendors=vendors, clock=edges.clock)
    gathering = Gathering(
        store=edges.store,
        objects=edges.objects,
        values=edges.values,
        journal=journal,
        proving=proving,
        access=access,
        proofs=proofs,
        fingerprint_key=edges.fingerprint_key,
        clock=edges.clock,
    )
    return GrantReconciler(
        store=edges.store,
        gathering=gathering,
        publishing=Publishing(
            store=edges.store,
            objects=edges.objects,
            vendors=vendors,
            gathering=gathering,
            journal=journal,
            proofs=proofs,
            proving=proving,
            fingerprint_key=edges.fingerprint_key,
            fence=edges.fence,
            metrics=edges.metrics,
            clock=edges.clock,
        ),
        recording=Recording(
            store=edges.store,
            objects=edges.objects,
            listener=edges.listener,
            journal=journal,
            proofs=proofs,
            fence=edges.fence,
            events=edges.events,
            clock=edges.clock,
        ),
        rollouts=Rollouts(
            store=edges.store,
            objects=edges.objects,
            workloads=edges.workloads,
            fence=edges.fence,
            metrics=edges.metrics,
            clock=edges.clock,
        ),
        journal=journal,
        source_failed=edges.listener.source_failed,
        upkeep=SecretUpkeep(
            store=edges.store, objects=edges.objects, fence=edges.fence, clock=edges.clock
        ),
        clock=edges.clock,
    )
