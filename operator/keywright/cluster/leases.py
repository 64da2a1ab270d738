"""A Lease of coordination.k8s.io as the lock of leader election."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keywright.api.errors import ApiError
from keywright.cluster.client import KubernetesClient

_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LeaseState:
    """The state of the Lease: its holder, and a version that changes with each renewal."""

    holder: str
    version: str
    transitions: int


@dataclass(frozen=True, slots=True)
class Leases:
    """One Lease, read and written with optimistic concurrency."""

    client: KubernetesClient
    namespace: str
    name: str

    async def read(self) -> LeaseState | None:
        """The current state, None if there is no Lease yet."""
        try:
            found = await self.client.request("GET", self._path(), seconds=_SECONDS)
        except ApiError as error:
            if error.is_missing:
                return None
            raise
        return _state(found)

    async def write(
        self, previous: LeaseState | None, *, holder: str, seconds: int
    ) -> LeaseState | None:
        """Acquire the Lease as `holder` ("" releases it); None if another replica was faster."""
        taken = previous is None or previous.holder != holder
        transitions = (previous.transitions if previous else 0) + (1 if taken and holder else 0)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        if taken and holder:
            spec["acquireTime"] = now
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": spec,
        }
        try:
            if previous is None:
                found = await self.client.request(
                    "POST", self._path().rpartition("/")[0], body=body, seconds=_SECONDS
                )
            else:
                body["metadata"] = {**body["metadata"], "resourceVersion": previous.version}  # type: ignore[dict-item]  # a str-keyed mapping
                found = await self.client.request("PUT", self._path(), body=body, seconds=_SECONDS)
        except ApiError as error:
            if error.is_conflict or error.is_missing:
                return None
            raise
        return _state(found)

    def _path(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{self.name}"


def _state(lease: dict[str, Any]) -> LeaseState:
    spec = lease.get("spec") or {}
    return LeaseState(
        holder=spec.get("holderIdentity") or "",
        version=lease["metadata"]["resourceVersion"],
        transitions=spec.get("leaseTransitions") or 0,
    )
