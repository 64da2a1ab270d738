"""Workloads that read a tenant's Secret, and what their restarts are seen to be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from testbed.documents import documents
from testbed.workloads import PLURALS, collection
from testbed.world import EXAMPLES, ROOT, World
from tests.cluster.audit import AuditLog, Mark, Request
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Document, Tenant, condition

EXAMPLE = EXAMPLES / "restart-on-renewal"
ANNOTATION = f"restarted-for.keywright.dev/{GRANT}"
_RBAC = "rbac.authorization.k8s.io"
_ARGO_CRD = ROOT / "tests" / "data" / "argo-rollouts" / "crd.yaml"
ARGO_SERVED = "/apis/argoproj.io/v1alpha1/rollouts"


def workload(tenant: Tenant, kind: str, name: str, **spec: Any) -> Document:
    """The Deployment of the example as such a workload of the tenant; two pods, as emulated."""
    (body,) = documents((EXAMPLE / "deployment.yaml").read_text())
    body["kind"] = kind
    body["metadata"] |= {"name": name, "namespace": tenant.namespace, "labels": {"tier": "chat"}}
    body["spec"] |= spec
    if kind == "DaemonSet":
        del body["spec"]["replicas"]
    if kind == "Rollout":
        body["apiVersion"] = "argoproj.io/v1alpha1"
        body["spec"]["strategy"] = {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}
    return dict(body)


def let_restart(tenant: Tenant) -> None:
    """Bind the shipped ClusterRole in the tenant's namespace, as docs/rollouts.md says."""
    name = "keywright-rollouts"
    tenant.world.api.apply(
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": tenant.namespace},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [
                {"kind": "ServiceAccount", "name": "keywright", "namespace": "keywright-system"}
            ],
        }
    )


def install_argo(world: World) -> None:
    """Install the CRD of Argo Rollouts, and return when it is served."""
    world.api.apply_files([_ARGO_CRD])
    eventually(lambda: world.api.exists(ARGO_SERVED))


def path(tenant: Tenant, kind: str, name: str) -> str:
    """The URL path of a workload."""
    return f"{collection(kind, namespace=tenant.namespace)}/{name}"


def mark(tenant: Tenant, kind: str, name: str, *, annotation: str = ANNOTATION) -> str | None:
    """The mark in a workload's pod template, or in a Rollout itself."""
    body = tenant.world.api.get(path(tenant, kind, name))
    marked = body if kind == "Rollout" else body["spec"]["template"]
    found: str | None = (marked["metadata"].get("annotations") or {}).get(annotation)
    return found


def rolled_out(tenant: Tenant, *, revision: int, seconds: float = 40.0) -> Document:
    """The status once that revision is there and no rollout is under way."""
    return tenant.reported(
        "Ready",
        seconds=seconds,
        and_=lambda status: (
            status.get("revision") == revision and not condition(status, "RolloutProgressing")
        ),
    )


def restarts(audit: AuditLog, tenant: Tenant, *, since: Mark) -> list[Request]:
    """Every patch of a workload that the operator made, in order."""
    whats = {f"patch {plural}" for plural in PLURALS.values()}
    found = audit.requests(since=since, namespace=tenant.namespace)
    return sorted((r for r in found if r.what in whats), key=lambda r: r.received)


def batches(restarted: list[Request], *, apart: timedelta) -> list[list[Request]]:
    """The restarts, parted where so long nothing was restarted."""
    found: list[list[Request]] = []
    last: datetime | None = None
    for each in restarted:
        if last is None or each.received - last >= apart:
            found.append([])
        found[-1].append(each)
        last = each.received
    return found


def events(tenant: Tenant, reason: str) -> list[str]:
    """The notes of the grant's Events of a reason."""
    listed = tenant.world.api.get(f"/apis/events.k8s.io/v1/namespaces/{tenant.namespace}/events")[
        "items"
    ]
    return [event["note"] for event in listed if event["reason"] == reason]


def reported_by_event(tenant: Tenant, reason: str) -> str:
    """The note of the first Event of a reason, once there is one."""
    return eventually(lambda: events(tenant, reason))[0]


def apply_access(tenant: Tenant) -> None:
    """The Role and RoleBinding of the example, in the tenant's namespace."""
    for document in documents((EXAMPLE / "rollout-access.yaml").read_text()):
        document["metadata"]["namespace"] = tenant.namespace
        tenant.world.api.apply(document)
