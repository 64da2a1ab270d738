"""The findings of kube-score, without those that are accepted for a stated reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

ACCEPTED: Final = {
    ("container-ephemeral-storage-request-and-limit", "Deployment/keywright"): (
        "the root file system is read-only and no volume is writable"
    ),
    ("container-ephemeral-storage-request-and-limit", "Pod/keywright-test"): (
        "the root file system is read-only and no volume is writable"
    ),
    ("container-image-pull-policy", "Deployment/keywright"): (
        "the tag is a version, and the pods must start while the registry is down"
    ),
    ("container-image-pull-policy", "Pod/keywright-test"): "the same image as that of the operator",
    ("container-resources", "Deployment/keywright"): (
        "there is no CPU limit, because CPU throttling delays renewals"
    ),
    ("container-resources", "Pod/keywright-test"): "no CPU limit: the pod runs for seconds",
    ("deployment-has-host-podantiaffinity", "Deployment/keywright"): (
        "topologySpreadConstraints spread the replicas, and one node must suffice"
    ),
    ("pod-networkpolicy", "Pod/keywright-test"): (
        "it runs for seconds, and calls the API server only"
    ),
    ("pod-networkpolicy", "Deployment/keywright"): (
        "only where networkPolicy.enabled is false, for a policy of your own"
    ),
    ("service-targets-pod", "Service/keywright-metrics"): (
        "a kustomization that is applied in addition to another one"
    ),
}
"""Check and object, and why the finding is accepted."""
_GOOD: Final = 10


@dataclass(frozen=True, slots=True)
class Scores:
    """Findings, and the accepted ones that occurred."""

    findings: list[str] = field(default_factory=list)
    accepted: set[tuple[str, str]] = field(default_factory=set)


def scores_of(report: str, *, of: str) -> Scores:
    """Read the JSON report of kube-score for what `of` names."""
    found = Scores()
    scored: list[dict[str, Any]] = json.loads(report) or []
    for each in scored:
        name = f"{each['type_meta']['kind']}/{each['object_meta']['name']}"
        for check in each["checks"]:
            if check["skipped"] or check["grade"] >= _GOOD:
                continue
            key = (check["check"]["id"], name)
            if key in ACCEPTED:
                found.accepted.add(key)
            else:
                comments = "; ".join(c["summary"] for c in check["comments"] or ())
                found.findings.append(f"{of}: {name}: {key[0]}: {comments}")
    return found
