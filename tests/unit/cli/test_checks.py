"""Parts of `keywright check` that need no cluster."""

from __future__ import annotations

import pytest
import yaml

from keywright.api.rights import NEEDED
from keywright.cli.check_cluster import OLDEST, is_public
from tests.unit.api.samples import ROOT


@pytest.mark.parametrize(
    ("issuer", "public"),
    [
        ("https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", True),
        ("https://8.8.8.8", True),
        ("https://kubernetes.default.svc", False),
        ("https://kubernetes.default.svc.cluster.local", False),
        ("https://10.0.0.1:6443", False),
        ("https://127.0.0.1", False),
        ("https://kubernetes", False),
        ("http://issuer.example.com", False),
        ("", False),
    ],
)
def test_an_issuer_is_public_by_its_name(issuer: str, public: bool) -> None:  # noqa: FBT001  a value
    """Clouds cannot read the keys of a name or address inside the cluster."""
    assert is_public(issuer) is public


def test_the_oldest_version_is_that_of_the_docs() -> None:
    """The check, the installation guide, the chart and the second control plane agree."""
    version = ".".join(map(str, OLDEST))
    text = (ROOT / "docs/install.md").read_text()
    assert f"You need Kubernetes {version} or newer" in text
    chart = yaml.safe_load((ROOT / "manifests/chart/Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={version}.0-0"
    module = (ROOT / "testbed/clusters/controlplane/oldest/go.mod").read_text()
    assert f"\tk8s.io/kubernetes v{version}." in module


def test_the_rights_are_those_of_the_manifests() -> None:
    """Except for namespaces, whose labels are watched only where a source selects by them."""
    text = (ROOT / "manifests/all-namespaces/rbac.yaml").read_text()
    (role,) = (body for body in yaml.safe_load_all(text) if body["kind"] == "ClusterRole")
    granted = {
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {right for right in granted if right[2] != "namespaces"} == {
        right[:3] for right in NEEDED
    }
