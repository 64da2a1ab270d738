"""The column STATUS of `kubectl get`: one word from the conditions, on a real API server."""

from __future__ import annotations

import re

import yaml

from testbed.world import ROOT
from tests.cluster.commands import kubectl
from tests.cluster.eventually import eventually
from tests.cluster.guides import commands, run
from tests.cluster.tenants import Tenant


def _columns(tenant: Tenant, resource: str) -> dict[str, str]:
    """The columns of the one object of the namespace, by their headings; a value can be absent."""
    printed = kubectl(
        tenant.world.cluster.kubeconfig, "get", resource, "--namespace", tenant.namespace
    )
    headings, values = printed.splitlines()
    starts = [found.start() for found in re.finditer(r"\S+", headings)]
    ends = [*starts[1:], None]
    return {
        headings[start:end].strip(): values[start:end].strip()
        for start, end in zip(starts, ends, strict=True)
    }


def test_a_grants_state_is_one_word(tenant: Tenant) -> None:
    """SourceNotFound, Ready, Suspended and RenewalFailing, next to the dates."""
    tenant.apply_grant()
    tenant.reported("Ready", status="False", reason="SourceNotFound")
    assert tenant.status()["state"] == "SourceNotFound"
    tenant.apply_source()
    ready = tenant.ready()
    assert ready["state"] == "Ready"
    shown = _columns(tenant, "apikeygrants")
    assert list(shown) == ["NAME", "READY", "STATUS", "KIND", "SECRET", "EXPIRES", "RENEWS", "AGE"]
    assert (shown["READY"], shown["STATUS"]) == ("True", "Ready")
    assert (shown["EXPIRES"], shown["RENEWS"]) == (ready["expiresAt"], ready["renewAt"])
    tenant.apply_grant(suspend=True)
    eventually(lambda: tenant.status()["state"] == "Suspended")
    tenant.apply_grant(suspend=False)
    eventually(lambda: tenant.status()["state"] == "Ready")
    tenant.world.api.delete(tenant.source_path())
    tenant.reported("RenewalFailing", reason="SourceNotFound")
    shown = _columns(tenant, "apikeygrants")
    assert (shown["READY"], shown["STATUS"]) == ("True", "RenewalFailing")


def test_a_sources_state_is_one_word(tenant: Tenant) -> None:
    """Ready, and the reason of a refusal."""
    tenant.become_ready()
    eventually(lambda: tenant.source_status().get("state") == "Ready")
    shown = _columns(tenant, "credentialsources")
    assert (shown["READY"], shown["STATUS"]) == ("True", "Ready")
    account = f"/api/v1/namespaces/{tenant.namespace}/serviceaccounts"
    tenant.apply_source(serviceAccountRef={"name": "missing"})
    eventually(
        lambda: tenant.source_status().get("state") == "ServiceAccountNotFound",
        reported=lambda: (tenant.source_status(), tenant.world.api.get(account)),
    )
    shown = _columns(tenant, "credentialsources")
    assert (shown["READY"], shown["STATUS"]) == ("False", "ServiceAccountNotFound")
    assert (shown["IDENTITY"], shown["EXPIRES"]) == ("", "")


def test_the_guides_command_gives_argo_cd_the_scripts(tenant: Tenant) -> None:
    """Argo CD's own entries of its ConfigMap stay."""
    api = tenant.world.api
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    path = "/api/v1/namespaces/argocd/configmaps/argocd-cm"
    metadata = {"name": "argocd-cm", "namespace": "argocd"}
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"url": "https://a"},
        }
    )
    (command,) = (text for text in commands("docs/reference.md") if "argocd" in text)
    run(command, tenant.world)
    data = api.get(path)["data"]
    assert data.pop("url") == "https://a"
    scripts = ROOT / "manifests" / "gitops" / "argocd" / "argocd-cm.yaml"
    assert data == yaml.safe_load(scripts.read_text(encoding="utf-8"))["data"]
