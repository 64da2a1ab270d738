"""The last restart of a workload, and the availability of its pods.

The rules for Deployment, StatefulSet and DaemonSet are those of `kubectl rollout status`
(k8s.io/kubectl, pkg/polymorphichelpers/rollout_status.go), those for a Rollout are in
`argo_rollouts.py`. A workload that does not restart pods by itself is not waited for: one without
replicas, a paused Deployment, an update strategy OnDelete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from keywright.api.grant import WorkloadKind
from keywright.api.names import ANNOTATION_RESTARTED_FOR, FIELD_MANAGER
from keywright.api.times import EPOCH, parse_time
from keywright.cluster import argo_rollouts
from keywright.planning.rollout import Availability, WorkloadView

# The maximum length of an annotation's name after its prefix.
_NAME_LIMIT: Final = 63
_HASH_LENGTH: Final = 16

Told = tuple[Availability, str]
_AVAILABLE: Final[Told] = (Availability.AVAILABLE, "")


def restart_annotation(secret: str) -> str:
    """The annotation with the hash of a Secret's data, one per Secret.

    It is in the pod template, where a change triggers a restart; for a Rollout, in its own
    metadata.
    """
    return ANNOTATION_RESTARTED_FOR + _short(secret)


def restart_manager(secret: str) -> str:
    """The field manager of that annotation: a shared one would remove those of other Secrets."""
    return f"{FIELD_MANAGER}-restart-{_short(secret)}"


def view_of(body: Mapping[str, Any], *, kind: WorkloadKind, secret: str) -> WorkloadView:
    """A workload from the API server, in relation to a Secret that its pods read."""
    metadata = body["metadata"]
    annotation = restart_annotation(secret)
    if kind is WorkloadKind.ROLLOUT:
        mark = argo_rollouts.mark_of(body, annotation)
    else:
        mark = _mark_of_template(body, annotation)
    availability, why = _TELL[kind](body["spec"], body.get("status") or {}, metadata)
    manager = restart_manager(secret)
    times = [
        parse_time(entry["time"])
        for entry in metadata.get("managedFields") or ()
        if entry.get("manager") == manager and entry.get("time")
    ]
    created = metadata.get("creationTimestamp")
    return WorkloadView(
        kind,
        name=metadata["name"],
        uid=metadata["uid"],
        created_at=parse_time(created) if created else EPOCH,
        mark=mark,
        restarted_at=max(times, default=None),
        availability=availability,
        why=why,
    )


def _mark_of_template(body: Mapping[str, Any], annotation: str) -> str | None:
    template = body["spec"]["template"].get("metadata") or {}
    found: str | None = (template.get("annotations") or {}).get(annotation)
    return found


def _short(secret: str) -> str:
    if len(secret) <= _NAME_LIMIT:
        return secret
    digest = hashlib.sha256(secret.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{secret[: _NAME_LIMIT - _HASH_LENGTH - 1]}-{digest}"


def _deployment(
    spec: Mapping[str, Any], status: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Told:
    wanted = spec.get("replicas", 1)
    if spec.get("paused") or not wanted:
        return _AVAILABLE
    if _unseen(status, metadata):
        return Availability.COMING, "its controller has not seen the restart"
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return Availability.STUCK, "its progress deadline is exceeded"
    updated = status.get("updatedReplicas", 0)
    if updated >= wanted and status.get("replicas", 0) > updated:
        return Availability.COMING, "old pods are not gone yet"
    return _pods(wanted, updated=updated, available=status.get("availableReplicas", 0))


def _stateful_set(
    spec: Mapping[str, Any], status: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Told:
    wanted, strategy = spec.get("replicas", 1), spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if strategy.get("type") == "OnDelete" or not wanted or partition >= wanted:
        return _AVAILABLE
    if _unseen(status, metadata):
        return Availability.COMING, "its controller has not seen the restart"
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if status.get("updateRevision") == status.get("currentRevision"):
        # All pods have the newest template; the number of updated ones is then not maintained.
        return _pods(wanted, updated=wanted, available=available)
    counted = _pods(wanted - partition, updated=updated, available=available)
    return counted if counted != _AVAILABLE else _pods(wanted, updated=wanted, available=available)


def _daemon_set(
    spec: Mapping[str, Any], status: Mapping[str, Any], metadata: Mapping[str, Any]
) -> Told:
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return _AVAILABLE
    if _unseen(status, metadata):
        return Availability.COMING, "its controller has not seen the restart"
    return _pods(
        status.get("desiredNumberScheduled", 0),
        updated=status.get("updatedNumberScheduled", 0),
        available=status.get("numberAvailable", 0),
    )


_TELL: Final = {
    WorkloadKind.DEPLOYMENT: _deployment,
    WorkloadKind.STATEFUL_SET: _stateful_set,
    WorkloadKind.DAEMON_SET: _daemon_set,
    WorkloadKind.ROLLOUT: argo_rollouts.availability,
}


def _unseen(status: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    return bool(status.get("observedGeneration", 0) < metadata["generation"])


def _pods(wanted: int, *, updated: int, available: int) -> Told:
    if updated < wanted:
        return Availability.COMING, f"{updated} of {wanted} pods are new"
    if available < wanted:
        return Availability.COMING, f"{available} of {wanted} new pods are available"
    return _AVAILABLE
