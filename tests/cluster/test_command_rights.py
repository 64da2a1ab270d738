"""Commands need the rights that docs/cli.md names, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.cli.exit_codes import ExitCode
from tests.cluster.command_line import keywright
from tests.cluster.tenants import ACCOUNT_NAME, GRANT, SOURCE, Tenant

_ACCOUNT = "reader"


@pytest.fixture
def reader(tenant: Tenant, tmp_path: Path) -> Path:
    """The kubeconfig of a ServiceAccount that may do nothing yet."""
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": _ACCOUNT, "namespace": tenant.namespace},
    }
    tenant.world.api.create(body)
    return tenant.world.cluster.service_account_kubeconfig(
        namespace=tenant.namespace, name=_ACCOUNT, directory=tmp_path
    )


def allow(tenant: Tenant, resource: str, *verbs: str, group: str = "keywright.dev") -> None:
    """Give the account one more right in its namespace."""
    name = f"{_ACCOUNT}-{resource.replace('/', '-')}"
    metadata = {"name": name, "namespace": tenant.namespace}
    version = "rbac.authorization.k8s.io/v1"
    tenant.world.api.create(
        {
            "apiVersion": version,
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}],
        }
    )
    tenant.world.api.create(
        {
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": name,
            },
            "subjects": [
                {"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": tenant.namespace}
            ],
        }
    )


def test_status_needs_only_to_list_grants(tenant: Tenant, reader: Path) -> None:
    """Without the right to list pods, the readers are unknown, and a note says so."""
    tenant.become_ready()
    allow(tenant, "apikeygrants", "list")
    shown = keywright(tenant.world, "status", "-n", tenant.namespace, kubeconfig=reader)
    assert shown.code == ExitCode.OK, shown
    assert shown.out.splitlines()[1].endswith("?")
    assert "may not list pods" in shown.err
    item = keywright(
        tenant.world, "status", "-n", tenant.namespace, "-o", "json", kubeconfig=reader
    ).json()["items"][0]
    assert item["readers"] is None
    everywhere = keywright(tenant.world, "status", "-A", kubeconfig=reader)
    assert everywhere.code == ExitCode.UNREACHABLE
    assert "kubectl auth can-i list apikeygrants.keywright.dev --all-namespaces" in everywhere.err


def test_renew_and_suspend_need_get_and_patch(tenant: Tenant, reader: Path) -> None:
    """A grant that may not be patched is not changed."""
    tenant.become_ready()
    allow(tenant, "apikeygrants", "get")
    for command in ("renew", "suspend"):
        refused = keywright(tenant.world, command, GRANT, "-n", tenant.namespace, kubeconfig=reader)
        assert refused.code == ExitCode.UNREACHABLE
        assert f"may not patch apikeygrants.keywright.dev/{GRANT}" in refused.err
    assert "suspend" not in tenant.grant()["spec"]


def test_doctor_needs_the_token_of_the_account(tenant: Tenant, reader: Path) -> None:
    """Without it, the operator's own view remains."""
    tenant.become_ready()
    tenant.source_reported("Ready")
    allow(tenant, "credentialsources", "get")
    allow(tenant, "serviceaccounts", "get", group="")
    refused = keywright(
        tenant.world, "doctor", "source", SOURCE, "-n", tenant.namespace, kubeconfig=reader
    )
    assert refused.code == ExitCode.UNREACHABLE
    assert f"may not request tokens of ServiceAccount {ACCOUNT_NAME}" in refused.err
    assert "--as-operator" in refused.err
    assert "doctor-token-right" in refused.out
    view = keywright(
        *(tenant.world, "doctor", "source", SOURCE),
        *("-n", tenant.namespace, "--as-operator"),
        kubeconfig=reader,
    )
    assert view.code == ExitCode.OK, view
