"""Restarting a Rollout of Argo Rollouts, and its progress.

Its own restart is `spec.restartAt` (argo-rollouts, docs/features/restart.md): the controller evicts
the pods created before that time, a few at a time, and then copies the time to
`status.restartedAt`. A changed pod template would start a canary or blue-green update instead, with
its steps, pauses and analyses, so the data hash is an annotation of the Rollout itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from keywright.api.times import format_time, parse_time
from keywright.planning.rollout import Availability

API_VERSION: Final = "argoproj.io/v1alpha1"
PLURAL: Final = "rollouts"


def restart_of(annotation: str, mark: str, *, at: datetime) -> dict[str, Any]:
    """The apply body that restarts every pod created before `at`, with the data hash.

    Times are compared in whole seconds: rounded up, so that no pod of the same second is skipped.
    """
    whole = at.replace(microsecond=0)
    restart_at = whole if whole == at else whole + timedelta(seconds=1)
    return {
        "metadata": {"annotations": {annotation: mark}},
        "spec": {"restartAt": format_time(restart_at)},
    }


def mark_of(body: Mapping[str, Any], annotation: str) -> str | None:
    """The data hash in the annotations of a Rollout."""
    found: str | None = (body["metadata"].get("annotations") or {}).get(annotation)
    return found


def availability(
    spec: Mapping[str, Any], status: Mapping[str, Any], metadata: Mapping[str, Any]
) -> tuple[Availability, str]:
    """The progress of the pods since the last restart.

    Pauses and steps of an update do not block a restart, so they are ignored; a spec that the
    controller rejects is not. `observedGeneration` is a string.
    """
    wanted = spec.get("replicas", 1)
    if not wanted:
        return Availability.AVAILABLE, ""
    observed = str(status.get("observedGeneration", ""))
    if not observed or (observed.isdecimal() and int(observed) < metadata["generation"]):
        return Availability.COMING, "its controller has not seen the restart"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "InvalidSpec" and condition.get("status", "True") == "True":
            return Availability.STUCK, f"its spec is invalid: {condition.get('message', '')}"
    requested, done = spec.get("restartAt"), status.get("restartedAt")
    if requested and (not done or _moment(done) != _moment(requested)):
        return Availability.COMING, "pods from before the restart are not replaced yet"
    available = status.get("availableReplicas", 0)
    if available < wanted:
        return Availability.COMING, f"{available} of {wanted} pods are available"
    return Availability.AVAILABLE, ""


def _moment(text: str) -> datetime | str:
    """The parsed time; the text itself if it is not valid, which can still be compared."""
    try:
        return parse_time(text)
    except ValueError:
        return text
