"""Deployments as an API server has them, in dictionaries."""

import copy
from collections.abc import Mapping
from typing import Any

WORKLOADS = "/apis/apps/v1/"


def deployment(name: str, *, created: str = "2026-11-22T10:00:00Z", **spec: Any) -> dict[str, Any]:
    """One with two pods, which are available."""
    return {
        "metadata": {
            "name": name,
            "namespace": "chat",
            "uid": f"uid-of-{name}",
            "generation": 1,
            "creationTimestamp": created,
            "labels": {"app": "chat"},
        },
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "chat"}}}} | spec,
        "status": roll_out(1),
    }


def roll_out(generation: int) -> dict[str, Any]:
    """The status of a Deployment whose two pods all are of that generation."""
    return {
        "observedGeneration": generation,
        "replicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
    }


def workload_after_apply(known: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """With the annotations of the template that were sent; another template is a new generation."""
    body = copy.deepcopy(dict(known))
    metadata = body["spec"]["template"].setdefault("metadata", {})
    before = metadata.get("annotations", {})
    metadata["annotations"] = before | sent["spec"]["template"]["metadata"]["annotations"]
    if metadata["annotations"] != before:
        body["metadata"]["generation"] += 1
    return body
