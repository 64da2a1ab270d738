"""What a reconcile reads from and writes to, and the protocols of the process around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from keywright.api.source import Provider
from keywright.clouds.interfaces import CloudProvider
from keywright.clouds.sessions import Clock
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import ResourceClient
from keywright.cluster.source_secrets import SecretCache
from keywright.cluster.workloads import Workloads
from keywright.controller.orphan_register import OrphanRegister
from keywright.controller.settings import KeyTimes
from keywright.controller.store import Store
from keywright.controller.tenancy import Tenancy
from keywright.telemetry.metrics import Metrics


class Fence(Protocol):
    """Says whether this process may still write."""

    def check(self) -> None:
        """Raise LostLeaseError if it may not."""


class ObjectListener(Protocol):
    """Takes objects that were read besides the watches, and requeues what depends on them.

    The watch will show the same version, which is then not newer than what is stored.
    """

    def grant(self, body: Mapping[str, Any]) -> None:
        """A grant as it is now."""

    def drop_grant(self, uid: str) -> None:
        """A grant is gone."""

    def source(self, body: Mapping[str, Any]) -> None:
        """A source as it is now."""

    def source_failed(self, name: tuple[str, str]) -> None:
        """A grant could not use the source, which the status of the source may not say yet."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a reconciler reads from and writes to."""

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
