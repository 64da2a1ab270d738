"""How workloads are found and restarted, and what they report of their pods."""

from typing import Any

import pytest

from keywright.api.grant import Workload, WorkloadKind
from keywright.api.schema import LabelExpression, LabelOperator, LabelSelector
from keywright.cluster.workload_views import restart_annotation, restart_manager, view_of
from keywright.cluster.workloads import Workloads
from keywright.planning.rollout import Availability, WorkloadView
from tests.unit.fakes.kubernetes import KubernetesInMemory
from tests.unit.fakes.workloads import deployment
from tests.unit.planning.samples import noon

APPS = "/apis/apps/v1/namespaces/chat/deployments"
DEPLOYMENT, STATEFUL_SET, DAEMON_SET, ROLLOUT = WorkloadKind
_FRESH = {"observedGeneration": 2}
_TWO = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
_SET = {"updateRevision": "b", "currentRevision": "a"}
_NODES = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
_PARTITION = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "expected"),
    [
        (DEPLOYMENT, {}, _FRESH | _TWO, "available"),
        (DEPLOYMENT, {}, {}, "coming: its controller has not seen the restart"),
        (DEPLOYMENT, {}, _TWO | {"observedGeneration": 1}, "coming: its controller has not seen"),
        (DEPLOYMENT, {}, _FRESH | _TWO | {"updatedReplicas": 1}, "coming: 1 of 2 pods are new"),
        (DEPLOYMENT, {}, _FRESH | _TWO | {"replicas": 3}, "coming: old pods are not gone yet"),
        (
            DEPLOYMENT,
            {},
            _FRESH | _TWO | {"availableReplicas": 1},
            "coming: 1 of 2 new pods are available",
        ),
        (
            DEPLOYMENT,
            {},
            _FRESH | {"conditions": [{"reason": "ProgressDeadlineExceeded"}]},
            "stuck: its progress deadline is exceeded",
        ),
        (DEPLOYMENT, {"paused": True}, {}, "available"),
        (DEPLOYMENT, {"replicas": 0}, {}, "available"),
        (STATEFUL_SET, {}, _FRESH | _TWO | _SET, "available"),
        (STATEFUL_SET, {}, {}, "coming: its controller has not seen the restart"),
        (STATEFUL_SET, {}, _FRESH | _TWO | _SET | {"updatedReplicas": 0}, "coming: 0 of 2 pods"),
        (
            STATEFUL_SET,
            {},
            _FRESH | _TWO | _SET | {"availableReplicas": 1},
            "coming: 1 of 2 new pods are available",
        ),
        (
            STATEFUL_SET,
            {},
            _FRESH | _TWO | {"updateRevision": "b", "currentRevision": "b", "updatedReplicas": 0},
            "available",
        ),
        (STATEFUL_SET, _PARTITION, _FRESH | _TWO | _SET | {"updatedReplicas": 1}, "available"),
        (
            STATEFUL_SET,
            _PARTITION,
            _FRESH | _TWO | _SET | {"updatedReplicas": 1, "availableReplicas": 1},
            "coming: 1 of 2 new pods are available",
        ),
        (STATEFUL_SET, {"updateStrategy": {"type": "OnDelete"}}, {}, "available"),
        (STATEFUL_SET, {"replicas": 0}, {}, "available"),
        (DAEMON_SET, {}, _FRESH | _NODES, "available"),
        (DAEMON_SET, {}, {}, "coming: its controller has not seen the restart"),
        (DAEMON_SET, {}, _FRESH | _NODES | {"updatedNumberScheduled": 1}, "coming: 1 of 2 pods"),
        (
            DAEMON_SET,
            {},
            _FRESH | _NODES | {"numberAvailable": 0},
            "coming: 0 of 2 new pods are available",
        ),
        (DAEMON_SET, {}, _FRESH, "available"),
        (DAEMON_SET, {"updateStrategy": {"type": "OnDelete"}}, {}, "available"),
    ],
)
def test_how_far_the_pods_are(
    kind: WorkloadKind, spec: dict[str, Any], status: dict[str, Any], expected: str
) -> None:
    """As `kubectl rollout status` says it; what restarts no pod by itself is not waited for."""
    body = deployment("chat", **spec) | {"status": status}
    body["metadata"]["generation"] = 2
    seen = view_of(body, kind=kind, secret="chat-key")
    reported = seen.availability.value + (f": {seen.why}" if seen.why else "")
    assert reported.startswith(expected)
    assert (seen.availability is Availability.AVAILABLE) == (expected == "available")


def test_the_last_restart_is_that_of_this_secret() -> None:
    """Several Secrets may restart one workload: each has an annotation and a manager of its own."""
    body = deployment("chat")
    body["spec"]["template"]["metadata"]["annotations"] = {
        "restarted-for.keywright.dev/chat-key": "mine",
        "restarted-for.keywright.dev/other": "theirs",
    }
    body["metadata"]["managedFields"] = [
        {"manager": "keywright-restart-chat-key", "time": "2026-11-22T12:00:05Z"},
        {"manager": "keywright-restart-other", "time": "2026-11-22T13:00:00Z"},
    ]
    seen = view_of(body, kind=DEPLOYMENT, secret="chat-key")
    assert (seen.mark, seen.restarted_at) == ("mine", noon(seconds=5))
    assert view_of(deployment("chat"), kind=DEPLOYMENT, secret="chat-key").mark is None


def test_a_long_name_of_a_secret_makes_a_right_annotation() -> None:
    """A name has up to 253 characters, that of an annotation 63 and of a manager 128."""
    names = ["a" * 63, "a" * 250 + "b", "a" * 250 + "c"]
    annotations = {restart_annotation(name) for name in names}
    assert len(annotations) == 3
    assert all(len(each.partition("/")[2]) <= 63 for each in annotations)
    assert all(len(restart_manager(name)) <= 128 for name in names)


async def test_workloads_are_found_in_the_order_of_the_spec_and_each_once() -> None:
    """By name or by labels; what goes is left out, and what is not there is named."""
    api = KubernetesInMemory()
    for name in ("b", "a"):
        api.put(APPS, deployment(name))
    gone = deployment("gone")
    gone["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    api.put(APPS, gone)
    labels = LabelSelector(match_labels={"app": "chat"})
    targets = (
        Workload(kind=DEPLOYMENT, name="b"),
        Workload(kind=DEPLOYMENT, name="missing"),
        Workload(kind=DEPLOYMENT, selector=labels),
    )
    found = await Workloads(api).find(targets, namespace="chat", secret="chat-key")
    assert [each.name for each in found.workloads] == ["b", "a"]
    assert found.missing == ((1, targets[1]),)


async def test_a_selector_is_asked_as_the_api_server_takes_it() -> None:
    """All requirements, encoded."""
    requested: list[str] = []

    class Listening(KubernetesInMemory):
        async def request(self, method: str, path: str, **options: Any) -> Any:
            requested.append(f"{method} {path}")
            return await super().request(method, path, **options)

    selector = LabelSelector(
        match_labels={"app": "chat"},
        match_expressions=(
            LabelExpression(key="tier", operator=LabelOperator.IN, values=("a", "b")),
            LabelExpression(key="tier", operator=LabelOperator.NOT_IN, values=("c",)),
            LabelExpression(key="x", operator=LabelOperator.EXISTS),
            LabelExpression(key="y", operator=LabelOperator.DOES_NOT_EXIST),
        ),
    )
    target = Workload(kind=WorkloadKind.STATEFUL_SET, selector=selector)
    await Workloads(Listening()).find((target,), namespace="chat", secret="chat-key")
    encoded = "app%3Dchat%2Ctier%20in%20%28a%2Cb%29%2Ctier%20notin%20%28c%29%2Cx%2C%21y"
    path = "/apis/apps/v1/namespaces/chat/statefulsets"
    assert requested == [f"GET {path}?limit=50&labelSelector={encoded}"]


async def test_a_restart_names_the_workload_that_was_looked_at() -> None:
    """By its uid: a deleted workload is not created again, and its successor is not restarted."""
    api = KubernetesInMemory()
    api.put(APPS, deployment("chat"))
    seen = WorkloadView(DEPLOYMENT, "chat", uid="uid-of-chat", created_at=noon())
    await Workloads(api).restart(seen, namespace="chat", secret="chat-key", mark="m", at=noon())
    (requested,) = api.requested
    assert requested.body == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": "chat", "uid": "uid-of-chat"},
        "spec": {
            "template": {"metadata": {"annotations": {"restarted-for.keywright.dev/chat-key": "m"}}}
        },
    }
