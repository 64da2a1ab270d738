"""What a kind cluster is made of where no image can be pulled: Debian's packages and Go modules."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.clusters.controlplane.assets import MODULES
from testbed.clusters.kind import binary, packages
from testbed.clusters.kind.node_image import COREDNS, KUBERNETES

_VERSIONS = re.compile(r"^\t(\S+) (v\S+)", re.MULTILINE)


def test_a_package_is_missing_with_any_of_its_programs() -> None:
    """Programs that are already installed are used; for the others, the package is named."""
    assert packages.missing(lambda name: f"/usr/bin/{name}") == []
    assert packages.missing(lambda name: None if name == "ctr" else name) == ["docker.io"]
    assert packages.missing(lambda _: None) == [
        "docker.io",
        "iptables",
        "iproute2",
        "mmdebstrap",
        "zstd",
    ]


@pytest.mark.parametrize("apt_ends_with", [0, 100])
def test_make_packages_installs_by_name_what_is_missing(tmp_path: Path, apt_ends_with: int) -> None:
    """With the machine's own sources, nothing recommended; apt-get's failure is its own.

    Done by a Python without any package of ours, as on a machine that has nothing yet.
    """
    if os.geteuid() != 0:
        pytest.skip("root installs packages")
    for line in packages.LIST.read_text().splitlines():
        for program in line.partition("#")[0].split()[1:]:
            if program != "zstd":
                (tmp_path / program).symlink_to("/bin/true")
    calls = tmp_path / "calls"
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n[ "$2" = update ] || exit {apt_ends_with}\n')
    apt.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-I", "-S", packages.__file__],
        env={"PATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == apt_ends_with
    assert calls.read_text().splitlines() == [
        "--quiet=2 update",
        "--quiet=2 install --yes --no-install-recommends zstd",
    ]


def test_the_image_that_kind_would_pull_is_found_in_it(tmp_path: Path) -> None:
    """So that it can be pulled, or not, before a cluster is made; by its digest."""
    name = f"kindest/node:v1.37.0@sha256:{'0a' * 32}"
    kind = tmp_path / "kind"
    kind.write_bytes(b"\x7fELF" + os.urandom(64) + name.encode() + b"kindest/node:latest")
    assert binary.own_node_image(kind) == name
    kind.write_bytes(b"#!/bin/sh\nexec somewhere/kind\n")
    assert binary.own_node_image(kind) is None


def _versions(module: Path) -> dict[str, str]:
    return dict(_VERSIONS.findall((module / "go.mod").read_text()))


def test_what_is_compiled_for_kubernetes_serves_coredns_too() -> None:
    """Where both need a module it is of one version: two would double the minutes of a build."""
    controlplane, *_ = MODULES
    kubernetes = {**_versions(controlplane), **_versions(KUBERNETES)}
    coredns = _versions(COREDNS)
    assert "k8s.io/client-go" in coredns
    # A fork that CoreDNS has replaced, and of which Kubernetes compiles nothing.
    shared = (kubernetes.keys() & coredns.keys()) - {"github.com/coredns/caddy"}
    assert {name: coredns[name] for name in shared} == {name: kubernetes[name] for name in shared}
    for name in _versions(controlplane).keys() & _versions(KUBERNETES).keys():
        assert _versions(controlplane)[name] == _versions(KUBERNETES)[name], name


def test_coredns_has_the_plugins_that_kubeadm_asks_for() -> None:
    """CoreDNS refuses a Corefile with a plugin that it lacks, and no name would be found."""
    # The Corefile of cmd/kubeadm/app/phases/addons/dns/manifests.go, in v1.37.
    requested = "errors health ready kubernetes metrics forward cache loop reload loadbalance"
    source = (COREDNS / "main.go").read_text()
    assert set(re.findall(r'coredns/plugin/(\w+)"', source)) == set(requested.split())
