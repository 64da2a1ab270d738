"""The settings that the demo prints for another terminal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from testbed.clusters.kind import Engine, KindCluster
from testbed.demo.shell import write_environment

_SOCKET = "unix:///run/own engine.sock"


class OwnEngine(Engine):
    """An engine that the demo has started itself."""

    @property
    @override
    def own_environment(self) -> Mapping[str, str]:
        """Its address."""
        return {"DOCKER_HOST": _SOCKET}


def _variable(file: Path, name: str) -> str:
    """The variable in a shell that has read the file."""
    return subprocess.run(
        ["sh", "-c", f'. "{file}" && printf %s "${name}"'],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_docker_finds_the_node_of_an_engine_that_the_demo_has_started(tmp_path: Path) -> None:
    """`docker` and `kind` need the address of its socket; kubectl needs the kubeconfig."""
    cluster = KindCluster(tmp_path / "kind", engine=OwnEngine())
    clouds = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "localhost"}
    file = write_environment(
        tmp_path,
        kubeconfig=cluster.kubeconfig,
        server="https://127.0.0.1:6443",
        variables={**cluster.environment, **clouds},
    )
    assert _variable(file, "DOCKER_HOST") == _SOCKET
    assert _variable(file, "KUBECONFIG") == str(cluster.kubeconfig)
    assert _variable(file, "HTTPS_PROXY") == "http://127.0.0.1:1"
    assert _variable(file, "NO_PROXY") == "localhost,127.0.0.1"


def test_an_engine_that_was_running_needs_no_variable(tmp_path: Path) -> None:
    """`docker` finds it as it did before."""
    assert KindCluster(tmp_path, engine=Engine()).environment == {}
