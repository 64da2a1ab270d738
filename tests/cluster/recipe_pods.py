"""The pods of the recipes: containers started as the kubelet would, with real clients in them.

The files of a pod are below a directory, and the proxy listens on a free port: where a container's
variables or files contain the paths and the port of the manifest, they get these instead.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.processes import free_port
from testbed.readers.mounts import Mount
from testbed.readers.sidecars import Sidecar
from tests.cluster.recipe_stage import Stage
from tests.cluster.tenants import Document

_PROXY_ADDRESS = "127.0.0.1:9912"
_METRICS_PORT = "--proxy-metrics-port="


@dataclass(frozen=True)
class Pod:
    """The first container of a pod: its variables, and its files by their path in the manifest."""

    environment: Mapping[str, str]
    folders: Mapping[str, Path]
    port: int | None

    def located(self, text: str) -> str:
        """The text with the address of the proxy in this pod."""
        return text.replace(_PROXY_ADDRESS, f"127.0.0.1:{self.port}")

    def file(self, path: str) -> str:
        """The text of a file."""
        folder, _, name = path.rpartition("/")
        return (self.folders[folder] / name).read_text()


@contextlib.contextmanager
def running(stage: Stage, workload: Document) -> Iterator[Pod]:
    """The pod of a workload, and its proxy if it has one."""
    namespace, spec = workload["metadata"]["namespace"], workload["spec"]["template"]["spec"]
    with contextlib.ExitStack() as stack:
        port = _start_proxy(stage, stack, namespace, spec)
        mounts: dict[str, Mount] = {}
        for volume in spec.get("volumes", []):
            files = {
                name: text.replace(_PROXY_ADDRESS, f"127.0.0.1:{port}")
                for name, text in _files(stage, namespace, volume).items()
            }
            mounts[volume["name"]] = Mount(files)
            stack.callback(mounts[volume["name"]].remove)
        container = spec["containers"][0]
        folders = {
            each["mountPath"]: mounts[each["name"]].folder
            for each in container.get("volumeMounts", [])
        }
        environment = {
            name: text.replace(_PROXY_ADDRESS, f"127.0.0.1:{port}")
            for name, text in environment_of(stage, namespace, container).items()
        }
        yield Pod(environment, folders, port)


def environment_of(stage: Stage, namespace: str, container: Document) -> dict[str, str]:
    """The variables of a container, with the values that they refer to."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= stage.secret(namespace=namespace, name=source["secretRef"]["name"])
    for variable in container.get("env", []):
        found[variable["name"]] = _value(stage, namespace, variable)
    return found


def _value(stage: Stage, namespace: str, variable: Document) -> str:
    if "value" in variable:
        return str(variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    return stage.secret(namespace=namespace, name=reference["name"])[reference["key"]]


def _files(stage: Stage, namespace: str, volume: Document) -> dict[str, str]:
    if "secret" in volume:
        return stage.secret(namespace=namespace, name=volume["secret"]["secretName"])
    path = f"/api/v1/namespaces/{namespace}/configmaps/{volume['configMap']['name']}"
    files: dict[str, str] = stage.world.api.get(path)["data"]
    return files


def _start_proxy(
    stage: Stage, stack: contextlib.ExitStack, namespace: str, spec: Document
) -> int | None:
    """Start the native sidecar of the pod; its port, None without one."""
    containers = spec.get("initContainers", [])
    if not containers:
        return None
    (container,) = containers
    assert container["restartPolicy"] == "Always"
    command, *arguments = container["args"]
    assert command == "serve-credentials"
    (mount,) = container["volumeMounts"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == mount["name"])
    port = free_port()
    sidecar = Sidecar(
        _files(stage, namespace, volume),
        arguments=(
            *(each for each in arguments if not each.startswith(_METRICS_PORT)),
            f"--proxy-port={port}",
        ),
        environment=stage.client_environment(),
    )
    stack.callback(sidecar.close)
    sidecar.wait_for_port(port)
    return port


def run_program(
    python: Path, script: Path, *, environment: Mapping[str, str], requested: Mapping[str, Any]
) -> str:
    """What a script prints in a process of its own; `requested` is its standard input."""
    done = subprocess.run(
        [str(python), str(script)],
        input=json.dumps(requested),
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{script.name}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout
