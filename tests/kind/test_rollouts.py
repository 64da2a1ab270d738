"""A Deployment that has the key in its environment, and is restarted when the key is renewed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Document, Tenant
from tests.kind import readers
from tests.kind.stage import Stage

pytestmark = pytest.mark.kind
_NAME = "assistant"
_LABELS = {"app.kubernetes.io/name": _NAME}
_REPLICAS = 2
_CALLS_AROUND = 5


@pytest.mark.timeout(300)
def test_a_renewal_rolls_the_deployment_and_no_request_is_refused(
    stage: Stage, new_tenant: Callable[[], Tenant]
) -> None:
    """spec.rollout.restart, with a rolling update that leaves every pod there till it is replaced.

    Each request makes the server ask the emulated Bedrock with the key of its environment; a client
    asks the Service once a second, before, during and after the rollout.
    """
    tenant = new_tenant()
    _prepare(stage, tenant)
    tenant.become_ready(
        secret={"formats": ["BedrockEnv"]},
        rollout={"restart": [{"kind": "Deployment", "name": _NAME}]},
    )
    _deploy(stage, tenant.namespace)
    first = eventually(lambda: _rolled_out(stage, tenant.namespace), seconds=90)
    _start_client(stage, tenant.namespace)
    _wait_for_calls(stage, tenant.namespace, _CALLS_AROUND)

    now = datetime.now(UTC).isoformat()
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": now})
    eventually(lambda: _rolled_out(stage, tenant.namespace, after=first), seconds=120)

    calls = len(_reported(stage, tenant.namespace))
    _wait_for_calls(stage, tenant.namespace, calls + _CALLS_AROUND)
    assert [call for call in _reported(stage, tenant.namespace) if not call.ok] == []
    restarted = _pods(stage, tenant.namespace)
    assert first.isdisjoint(restarted)
    assert len(restarted) == _REPLICAS


def _prepare(stage: Stage, tenant: Tenant) -> None:
    """docs/rollouts.md: the right to restart workloads of this namespace."""
    stage.world.api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "keywright-rollouts", "namespace": tenant.namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "keywright-rollouts",
            },
            "subjects": [
                {"kind": "ServiceAccount", "name": "keywright", "namespace": "keywright-system"}
            ],
        }
    )


def _deploy(stage: Stage, namespace: str) -> None:
    spec = readers.pod_spec("boto3_environment", surroundings=stage.surroundings)
    [container] = spec["containers"]
    container["envFrom"] = [{"secretRef": {"name": GRANT}}]
    container["ports"] = [{"name": "http", "containerPort": 8000}]
    container["readinessProbe"] = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
    # Long enough for the Service to have forgotten the pod.
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": 5}}}
    spec["terminationGracePeriodSeconds"] = 6
    stage.world.api.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": _NAME, "namespace": namespace},
            "spec": {
                "replicas": _REPLICAS,
                "selector": {"matchLabels": _LABELS},
                "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {"metadata": {"labels": _LABELS}, "spec": spec},
            },
        }
    )
    stage.world.api.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME, "namespace": namespace},
            "spec": {"selector": _LABELS, "ports": [{"port": 80, "targetPort": "http"}]},
        }
    )


def _start_client(stage: Stage, namespace: str) -> None:
    spec = readers.pod_spec(
        "http_client",
        surroundings=stage.surroundings,
        environment={"SERVER": f"http://{_NAME}.{namespace}.svc.cluster.local/"},
    )
    stage.world.api.create(readers.pod("client", namespace=namespace, spec=spec))


def _reported(stage: Stage, namespace: str) -> list[readers.Told]:
    return readers.reported(stage.world.api, namespace=namespace, name="client")


def _wait_for_calls(stage: Stage, namespace: str, number: int) -> None:
    eventually(lambda: len(_reported(stage, namespace)) >= number, seconds=90)


def _pods(stage: Stage, namespace: str) -> set[str]:
    """Names of the pods that are there to stay."""
    listed: list[Document] = stage.world.api.get(
        f"/api/v1/namespaces/{namespace}/pods",
        query={"labelSelector": f"app.kubernetes.io/name={_NAME}"},
    )["items"]
    return {pod["metadata"]["name"] for pod in listed if "deletionTimestamp" not in pod["metadata"]}


def _rolled_out(
    stage: Stage, namespace: str, *, after: frozenset[str] | set[str] = frozenset()
) -> set[str]:
    """The pods, once all of them are available and none is of those before."""
    body: dict[str, Any] = stage.world.api.get(
        f"/apis/apps/v1/namespaces/{namespace}/deployments/{_NAME}"
    )
    status = body["status"]
    counts = [status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    current = status.get("observedGeneration") == body["metadata"]["generation"]
    pods = _pods(stage, namespace)
    done = current and counts == [_REPLICAS] * 3 and len(pods) == _REPLICAS
    return pods if done and pods.isdisjoint(after) else set()
