"""`keywright check` on a real API server, with an operator that works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.cli.exit_codes import ExitCode
from testbed.clusters.api import MERGE
from testbed.operators import OperatorProcess
from testbed.world import MANIFESTS, World
from tests.cluster.command_line import keywright
from tests.cluster.eventually import eventually
from tests.cluster.helm import Helm, helm
from tests.cluster.tenants import Tenant

__all__ = ["helm"]

_APPS = "/apis/apps/v1/namespaces/keywright-system/deployments/keywright"
_POLICY = "/apis/networking.k8s.io/v1/namespaces/keywright-system/networkpolicies/keywright"
_BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/keywright"


@pytest.fixture
def installed(world: World, operator: OperatorProcess) -> Iterator[World]:
    """The shipped Deployment and NetworkPolicy; the operator's process stands for its pods."""
    assert operator.process.exit_code is None
    for name in ("deployment.yaml", "networkpolicy.yaml"):
        world.api.apply(yaml.safe_load((MANIFESTS / "operator" / name).read_text()))
    replicas = {"status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}}
    world.api.request("PATCH", f"{_APPS}/status", body=replicas, content_type=MERGE)
    yield world
    world.api.delete(_APPS)
    world.api.delete(_POLICY)


def results(world: World, *arguments: str) -> dict[str, dict[str, Any]]:
    """The checks by their ids."""
    found = keywright(world, "check", "-o", "json", *arguments).json()["items"]
    return {item["id"]: item for item in found}


def failing(world: World) -> set[str]:
    """The ids of the checks that fail."""
    return {id_ for id_, item in results(world).items() if item["result"] == "failed"}


def test_a_good_installation_has_a_mark_for_each_check(installed: World, tenant: Tenant) -> None:
    """The leader, the rights, and the present grants; the issuer of a test is not public."""
    tenant.become_ready()
    tenant.source_reported("Ready")
    # Objects of earlier tests go with their namespaces.
    eventually(lambda: failing(installed) == set())
    found = results(installed)
    assert found["check-leader"]["title"] == "a replica is the leader: keywright-0"
    assert found["check-deployment"]["title"].endswith("2 of 2 replicas")
    assert found["check-issuer"]["result"] == "warning"
    assert found["check-operator-rights"]["result"] == "ok"
    shown = keywright(installed, "check")
    assert shown.code == ExitCode.OK, shown.out
    assert [line for line in shown.out.splitlines() if not line.startswith((" ", "✓", "!"))] == [
        *("Cluster", "Operator", "Sources and grants"),
    ]


def test_helm_test_may_read_everything_that_it_checks(
    installed: World, tenant: Tenant, helm: Helm, tmp_path: Path
) -> None:
    """Its pod finds what an admin finds, and no check is skipped for a missing permission."""
    tenant.become_ready()
    tenant.source_reported("Ready")
    eventually(lambda: failing(installed) == set())
    account, *roles, _pod = helm.render_test()
    for document in (account, *roles):
        installed.api.apply(document)
    name = account["metadata"]["name"]
    token = installed.api.request(
        "POST",
        f"/api/v1/namespaces/keywright-system/serviceaccounts/{name}/token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )["status"]["token"]
    kubeconfig = yaml.safe_load(installed.cluster.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": token}
    own = tmp_path / "kubeconfig"
    own.write_text(yaml.safe_dump(kubeconfig))
    eventually(lambda: keywright(installed, "check", kubeconfig=own).code == ExitCode.OK)
    found = keywright(installed, "check", "-o", "json", kubeconfig=own).json()["items"]
    assert {item["id"] for item in found} == results(installed).keys()
    assert [item["title"] for item in found if item["result"] == "skipped"] == []


def test_an_operator_without_a_deployment_is_known_by_its_lease(
    world: World, operator: OperatorProcess
) -> None:
    """Such as the process of the demo; without a holder, nothing counts as installed."""
    assert operator.process.exit_code is None
    found = results(world)["check-deployment"]
    assert found["result"] == "ok"
    assert found["title"] == "the operator runs without a Deployment, the leader is keywright-0"
    assert "check-leader" not in results(world)
    operator.stop()
    eventually(lambda: results(world)["check-deployment"]["result"] == "failed")
    operator.start()


def test_before_the_installation(world: World, tmp_path: Path, tenant: Tenant) -> None:
    """`--pre` needs no operator, and says which rights are missing."""
    shown = keywright(world, "check", "--pre")
    assert shown.code == ExitCode.OK, shown.out
    assert "check-install-rights" in shown.out
    assert "Operator" not in shown.out
    user = world.cluster.service_account_kubeconfig(
        namespace=tenant.namespace, name="chat-bedrock", directory=tmp_path
    )
    refused = keywright(world, "check", "--pre", kubeconfig=user)
    assert refused.code == ExitCode.FINDINGS
    assert "You may not: create customresourcedefinitions" in refused.out


def test_each_fault_fails_its_own_check(installed: World, tenant: Tenant) -> None:
    """And no other one."""
    tenant.apply_grant(source="missing")
    tenant.reported("Ready", status="False", reason="SourceNotFound")
    eventually(lambda: failing(installed) == {"check-grants"})
    tenant.world.api.delete(tenant.grant_path())
    tenant.apply_source(roleArn=f"{tenant.role_arn}-missing")
    tenant.source_reported("Ready", status="False", reason="AccessDenied")
    eventually(lambda: failing(installed) == {"check-sources"})
    found = results(installed)
    assert found["check-sources"]["facts"] == [f"{tenant.namespace}/bedrock: AccessDenied"]
    egress = {"spec": {"egress": [{"ports": [{"protocol": "TCP", "port": 6443}]}]}}
    installed.api.request("PATCH", _POLICY, body=egress, content_type=MERGE)
    assert results(installed)["check-egress"]["result"] == "failed"
    installed.api.request(
        "PATCH",
        f"{_APPS}/status",
        body={"status": {"readyReplicas": 0, "availableReplicas": 0}},
        content_type=MERGE,
    )
    assert results(installed)["check-deployment"]["result"] == "failed"


def test_missing_rights_of_the_operator_are_listed(installed: World) -> None:
    """As the operator's ServiceAccount, in the namespaces that it watches."""
    container = {
        **installed.api.get(_APPS)["spec"]["template"]["spec"]["containers"][0],
        "args": ["run", "--lease-name=another", "--namespace=default"],
    }
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    binding = installed.api.get(_BINDING)
    installed.api.request("PATCH", _APPS, body=patch, content_type=MERGE)
    installed.api.delete(_BINDING)
    try:
        found = results(installed)
    finally:
        binding["metadata"] = {"name": "keywright"}
        installed.api.apply(binding)
    (fact,) = found["check-operator-rights"]["facts"]
    assert "patch secrets in namespace default" in fact
    assert found["check-leader"]["facts"] == ["No replica holds the Lease."]


def test_waiting_ends_with_its_own_exit_code(installed: World, tenant: Tenant) -> None:
    """4 if something still fails, 0 as soon as nothing does."""
    tenant.apply_grant(source="missing")
    tenant.reported("Ready", status="False", reason="SourceNotFound")
    late = keywright(installed, "check", "--wait", "--timeout=1s")
    assert late.code == ExitCode.TIMEOUT
    assert "SourceNotFound" in late.out
    tenant.apply_source(name="missing")
    fine = keywright(installed, "check", "--wait", "--timeout=60s")
    assert fine.code == ExitCode.OK, fine.out


def test_keys_that_expire_soon_are_named(installed: World, tenant: Tenant) -> None:
    """A suspended grant, whose key is in the last tenth of its lifetime."""
    tenant.become_ready()
    tenant.edit_grant(suspend=True)
    tenant.reported("Ready", reason="Suspended")
    soon = datetime.now(UTC) + timedelta(minutes=5)
    times = {
        "issuedAt": "2026-01-01T00:00:00Z",
        "expiresAt": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    tenant.patch(f"{tenant.grant_path()}/status", {"status": times})
    found = results(installed)["check-expiry"]
    assert found["result"] == "warning"
    assert found["facts"][0].startswith(f"{tenant.namespace}/chat-key expires in 4m")
    # It would count as failing in the checks of other tests.
    tenant.world.api.delete(tenant.grant_path())
