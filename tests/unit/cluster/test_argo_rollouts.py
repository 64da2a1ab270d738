"""Rollouts of Argo Rollouts: restarted by their own field, and their availability."""

from datetime import timedelta
from typing import Any

import pytest

from keywright.api.errors import ApiError
from keywright.api.grant import Workload, WorkloadKind
from keywright.api.schema import LabelSelector
from keywright.cluster.workload_views import view_of
from keywright.cluster.workloads import Workloads
from keywright.planning.rollout import WorkloadView
from tests.unit.fakes.kubernetes import KubernetesInMemory
from tests.unit.fakes.workloads import deployment
from tests.unit.planning.samples import noon

ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/chat/rollouts"
_AT = {"restartAt": "2026-11-22T12:00:00Z"}
_SEEN = {"observedGeneration": "2", "availableReplicas": 2}
_DONE = {**_SEEN, "restartedAt": "2026-11-22T12:00:00Z"}
_INVALID = {"type": "InvalidSpec", "status": "True", "message": "no selector"}


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        (_AT, _DONE, "available"),
        ({}, _SEEN, "available"),
        (_AT, {}, "coming: its controller has not seen the restart"),
        (_AT, _DONE | {"observedGeneration": "1"}, "coming: its controller has not seen"),
        # Argo before 0.10 has a hash there, which tells nothing.
        (_AT, _DONE | {"observedGeneration": "5d4f8c"}, "available"),
        (_AT, _SEEN, "coming: pods from before the restart are not replaced yet"),
        (_AT, _DONE | {"restartedAt": "2026-11-22T11:00:00Z"}, "coming: pods from before"),
        (_AT, _DONE | {"availableReplicas": 1}, "coming: 1 of 2 pods are available"),
        (_AT, _SEEN | {"conditions": [_INVALID]}, "stuck: its spec is invalid: no selector"),
        (_AT | {"replicas": 0}, {}, "available"),
        # A canary that pauses at a step is restarted all the same.
        (_AT | {"paused": True}, _DONE | {"phase": "Paused"}, "available"),
    ],
)
def test_how_far_the_pods_are(spec: dict[str, Any], status: dict[str, Any], expected: str) -> None:
    """Over when `restartedAt` says so and all pods are available, whatever an update does."""
    body = deployment("chat", **spec) | {"status": status}
    body["metadata"]["generation"] = 2
    seen = view_of(body, kind=WorkloadKind.ROLLOUT, secret="chat-key")
    reported = seen.availability.value + (f": {seen.why}" if seen.why else "")
    assert reported.startswith(expected)


def test_a_template_that_is_elsewhere_is_not_needed() -> None:
    """A Rollout may name a Deployment that has its template; our mark is its own annotation."""
    body = deployment("chat", workloadRef={"name": "chat", "kind": "Deployment"})
    del body["spec"]["template"]
    body["metadata"]["annotations"] = {"restarted-for.keywright.dev/chat-key": "m"}
    assert view_of(body, kind=WorkloadKind.ROLLOUT, secret="chat-key").mark == "m"


@pytest.mark.parametrize("fraction", [0.0, 0.25])
async def test_a_restart_is_argos_own(fraction: float) -> None:
    """By `restartAt`, no sooner than now: the template, which would begin an update, stays."""
    api = KubernetesInMemory()
    api.answers = [("PATCH", ApiError(status=500, reason="", message="seen"))]
    seen = WorkloadView(WorkloadKind.ROLLOUT, "chat", uid="u", created_at=noon())
    at = noon() + timedelta(seconds=fraction)
    with pytest.raises(ApiError, match="seen"):
        await Workloads(api).restart(seen, namespace="chat", secret="chat-key", mark="m", at=at)
    (requested,) = api.requested
    assert requested.path == f"{ROLLOUTS}/chat"
    assert requested.body == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": "chat",
            "namespace": "chat",
            "uid": "u",
            "annotations": {"restarted-for.keywright.dev/chat-key": "m"},
        },
        "spec": {"restartAt": f"2026-11-22T12:00:0{1 if fraction else 0}Z"},
    }


async def test_a_kind_that_the_cluster_does_not_know_is_no_missing_workload() -> None:
    """Without its CRD nothing is served at the path: plain text, where an object has a reason."""
    api = KubernetesInMemory()
    nothing = ApiError(status=404, reason="", message="404 page not found")
    api.answers = [(f"{ROLLOUTS}/chat", nothing), ("GET " + ROLLOUTS, nothing)]
    named = Workload(kind=WorkloadKind.ROLLOUT, name="chat")
    selected = Workload(
        kind=WorkloadKind.ROLLOUT, selector=LabelSelector(match_labels={"app": "chat"})
    )
    gone = Workload(kind=WorkloadKind.ROLLOUT, name="gone")
    found = await Workloads(api).find((named, selected, gone), namespace="chat", secret="s")
    assert found.unknown == ((0, named), (1, selected))
    assert found.missing == ((2, gone),)
