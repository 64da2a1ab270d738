"""Puts the reconciler of grants together from the edges of the operator."""

from __future__ import annotations

from keywright.controller.context import Context
from keywright.controller.create_journal import CreateJournal
from keywright.controller.grants import GrantReconciler
from keywright.controller.issuing import Issuing
from keywright.controller.key_checks import KeyChecks
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.orphans import Orphans
from keywright.controller.probing import Probing
from keywright.controller.rollouts import Rollouts
from keywright.controller.secret_upkeep import SecretUpkeep
from keywright.controller.snapshot import Snapshot
from keywright.controller.source_access import AuthorizedVendors, SourceAccess
from keywright.controller.status_writer import StatusWriter


def grant_reconciler(context: Context) -> GrantReconciler:
    """The one reconciler of grants, over those edges."""
    access = SourceAccess(store=context.store, tenancy=context.tenancy)
    providers = AuthorizedVendors(context.providers, access=access)
    proofs = KeyProofs(
        store=context.store, fingerprint_key=context.fingerprint_key, cluster_id=context.cluster_id
    )
    checks = KeyChecks(
        store=context.store, proofs=proofs, clock=context.clock, times=context.key_times
    )
    journal = CreateJournal(
        store=context.store,
        listener=context.listener,
        objects=context.objects,
        providers=providers,
        proofs=proofs,
        checks=checks,
        fingerprint_key=context.fingerprint_key,
        fence=context.fence,
        orphans=Orphans(events=context.events, register=context.orphans),
    )
    probing = Probing(store=context.store, providers=providers, clock=context.clock)
    snapshot = Snapshot(
        store=context.store,
        objects=context.objects,
        values=context.values,
        journal=journal,
        probing=probing,
        access=access,
        proofs=proofs,
        fingerprint_key=context.fingerprint_key,
        clock=context.clock,
    )
    return GrantReconciler(
        store=context.store,
        snapshot=snapshot,
        issuing=Issuing(
            store=context.store,
            objects=context.objects,
            providers=providers,
            snapshot=snapshot,
            journal=journal,
            proofs=proofs,
            probing=probing,
            fingerprint_key=context.fingerprint_key,
            fence=context.fence,
            metrics=context.metrics,
            clock=context.clock,
        ),
        status_writer=StatusWriter(
            store=context.store,
            objects=context.objects,
            listener=context.listener,
            journal=journal,
            proofs=proofs,
            fence=context.fence,
            events=context.events,
            clock=context.clock,
        ),
        rollouts=Rollouts(
            store=context.store,
            objects=context.objects,
            workloads=context.workloads,
            fence=context.fence,
            metrics=context.metrics,
            clock=context.clock,
        ),
        journal=journal,
        source_failed=context.listener.source_failed,
        upkeep=SecretUpkeep(
            store=context.store, objects=context.objects, fence=context.fence, clock=context.clock
        ),
        clock=context.clock,
    )
