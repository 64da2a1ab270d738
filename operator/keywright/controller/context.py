"""What all stages of a reconcile get, and what one of them returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from keywright.api.source import Provider
from keywright.clouds.interfaces import CloudProvider, GrantProvider
from keywright.clouds.sessions import Clock
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import ResourceClient
from keywright.cluster.source_secrets import SecretCache
from keywright.cluster.workloads import Workloads
from keywright.controller.grants.key_proofs import KeyProofs
from keywright.controller.grants.source_access import AuthorizedVendors, SourceAccess, Tenancy
from keywright.controller.key_records import Finding, UnprobedKey
from keywright.controller.orphan_register import OrphanRegister
from keywright.controller.settings import KeyTimes
from keywright.controller.store import Store
from keywright.planning.steps import Outcome
from keywright.secrets.ownership import ManagedSecret
from keywright.telemetry.metrics import Metrics
from keywright.telemetry.traces import Tracer


class Fence(Protocol):
    """Whether this process may still write."""

    def check(self) -> None:
        """Raise LostLeaseError if it may not."""


class ObjectListener(Protocol):
    """Receives objects that were read outside the watches, and requeues their dependents.

    The watch will deliver the same version, which is then not newer than the stored one.
    """

    def grant(self, body: Mapping[str, Any]) -> None:
        """Receive the current version of a grant."""

    def drop_grant(self, uid: str) -> None:
        """Receive the deletion of a grant."""

    def source(self, body: Mapping[str, Any]) -> None:
        """Receive the current version of a source."""

    def source_failed(self, name: tuple[str, str]) -> None:
        """Receive that a grant could not use the source, which its status may not report yet."""


@dataclass(frozen=True, slots=True)
class Context:
    """The dependencies of the stages of a reconcile.

    `grant_providers` are the clouds with a check that the grant may use the source, before each
    call: the stages of grants use no other. `tracer`: None without --traces.
    `docs_url`: where messages lead to; empty for no links.
    """

    store: Store
    listener: ObjectListener
    objects: ResourceClient
    values: SecretCache
    workloads: Workloads
    providers: Mapping[Provider, CloudProvider]
    tenancy: Tenancy
    fence: Fence
    events: EventWriter
    metrics: Metrics
    fingerprint_key: Callable[[], bytes]
    cluster_id: Callable[[], str]
    clock: Clock
    key_times: KeyTimes
    orphans: OrphanRegister
    tracer: Tracer | None = None
    docs_url: str = ""
    access: SourceAccess = field(init=False)
    grant_providers: Mapping[Provider, GrantProvider] = field(init=False)
    proofs: KeyProofs = field(init=False)

    def __post_init__(self) -> None:
        access = SourceAccess(store=self.store, tenancy=self.tenancy)
        proofs = KeyProofs(
            store=self.store, fingerprint_key=self.fingerprint_key, cluster_id=self.cluster_id
        )
        object.__setattr__(self, "access", access)
        object.__setattr__(
            self, "grant_providers", AuthorizedVendors(self.providers, access=access)
        )
        object.__setattr__(self, "proofs", proofs)


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for the status, and what is stored in the record of the grant.

    `outcome` is None if there is nothing to report. `finding`: what the next decision needs.
    `pending_probe`: a new key that has not passed its probe. `written`: the Secret as just written,
    `issued_id` the ID of a newly issued managed key in it. `former_due`: when the former Secret is
    checked again.
    """

    outcome: Outcome | None = None
    finding: Finding | None = None
    pending_probe: UnprobedKey | None = None
    written: ManagedSecret | None = None
    issued_id: str | None = None
    former_due: datetime | None = None
