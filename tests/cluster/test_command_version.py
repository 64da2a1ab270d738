"""`keywright version` and `completion` on a real API server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from keywright.cli.complete import candidates
from keywright.cli.exit_codes import ExitCode
from keywright.version import product_version
from testbed.world import MANIFESTS, ROOT, World
from tests.cluster.command_line import keywright
from tests.cluster.tenants import GRANT, SOURCE, Tenant

_DEPLOYMENT = MANIFESTS / "operator" / "deployment.yaml"
_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/apikeygrants.keywright.dev"


@pytest.fixture
def deployment(world: World) -> Iterator[str]:
    """The shipped Deployment with the image of this version; no kubelet runs it."""
    body = yaml.safe_load(_DEPLOYMENT.read_text())
    body["spec"]["template"]["spec"]["containers"][0]["image"] = f"keywright:{product_version()}"
    world.api.apply(body)
    path = "/apis/apps/v1/namespaces/keywright-system/deployments/keywright"
    yield path
    world.api.delete(path)


def test_equal_versions_have_no_skew(world: World, deployment: str) -> None:
    """Client, operator and CRDs of this version."""
    assert world.api.exists(deployment)
    shown = keywright(world, "version")
    assert shown.code == ExitCode.OK, shown.out
    assert f"operator  {product_version()}" in shown.out
    found = keywright(world, "version", "-o", "json").json()
    assert found["skew"] == []
    assert [crd["missingFields"] for crd in found["crds"]] == [[], []]


def test_older_crds_and_operators_are_reported(world: World, deployment: str) -> None:
    """The API server would drop the fields that they lack without an error."""
    body = world.api.get(deployment)
    body["spec"]["template"]["spec"]["containers"][0]["image"] = (
        "registry:5000/keywright:0.0.1@sha256:00"
    )
    patch = {"spec": {"template": {"spec": body["spec"]["template"]["spec"]}}}
    world.api.request("PATCH", deployment, body=patch, content_type="application/merge-patch+json")
    whole = world.api.get(_CRD)
    older = world.api.get(_CRD)
    properties = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del properties["spec"]["properties"]["renewal"]["properties"]["windows"]
    try:
        world.api.request(
            "PATCH",
            _CRD,
            body={"spec": older["spec"]},
            content_type="application/merge-patch+json",
        )
        shown = keywright(world, "version")
    finally:
        world.api.request(
            "PATCH",
            _CRD,
            body={"spec": whole["spec"]},
            content_type="application/merge-patch+json",
        )
    assert shown.code == ExitCode.FINDINGS
    assert "operator  0.0.1  keywright-system/keywright" in shown.out
    assert "lacks spec.renewal.windows" in shown.out


def test_the_version_of_the_client_needs_no_cluster(world: World, tmp_path: Path) -> None:
    """With --client."""
    shown = keywright(world, "version", "--client", kubeconfig=tmp_path / "absent")
    assert (shown.code, shown.out) == (ExitCode.OK, f"client    {product_version()}\n")


def test_names_of_the_cluster_are_completed(tenant: Tenant) -> None:
    """Of grants, sources and namespaces, by the options that were typed before."""
    tenant.become_ready()
    given = ["--kubeconfig", str(tenant.world.cluster.kubeconfig), "-n", tenant.namespace]
    assert candidates(["status", *given, ""]) == [GRANT]
    assert candidates(["renew", *given, "ch"]) == [GRANT]
    assert candidates(["renew", *given, GRANT, ""]) == []
    assert candidates(["status", *given, "--source", ""]) == [SOURCE]
    assert tenant.namespace in candidates(["status", *given[:2], "-n", tenant.namespace[:3]])


def test_bash_completes_with_the_printed_script(tenant: Tenant, tmp_path: Path) -> None:
    """As at a prompt: `keywright status c<TAB>`."""
    tenant.become_ready()
    program = tmp_path / "keywright"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m keywright "$@"\n')
    program.chmod(0o755)
    words = f"keywright status -n {tenant.namespace} ch"
    script = (
        "source <(keywright completion bash)\n"
        f"COMP_WORDS=({words}); COMP_CWORD=4; _keywright; echo ${{COMPREPLY[@]}}\n"
    )
    completed = subprocess.run(
        ["bash", "-c", script],
        env={
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(tenant.world.cluster.kubeconfig),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout == f"{GRANT}\n"
