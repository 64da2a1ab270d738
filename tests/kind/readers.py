"""Pods that use a Secret: real SDKs in containers of their own, and what their calls came to."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image import base_image, tree, trim
from testbed.clusters.api import Api
from testbed.clusters.kind import Engine
from tests.kind.surroundings import Surroundings

IMAGE = "keywright-readers:kind"
_PARTS = "dev.keywright.readers"
_LOCK = tree.ROOT / "locks" / "demo.txt"
_PROGRAMS = Path(__file__).parent / "programs"
_CERTIFI = tree.ROOT / "testbed" / "clouds" / "trust" / "certifi" / "__init__.py"
_DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY app /app
ENV PYTHONPATH=/programs:/app PYTHONDONTWRITEBYTECODE=1
"""
_SERVICES = ("bedrock-runtime", "sts")
# The format AwsCredentialProcess runs it.
_CAT = ("coreutils",)


@dataclass(frozen=True, slots=True)
class Told:
    """One call of a pod: when it began, how it ended, and which key it used (a digest)."""

    time: float
    ok: bool
    key: str = ""
    error: str = ""


def build_image(engine: Engine) -> None:
    """An image with the SDKs that the demo has, made once."""
    is_based_on = base_image.choose(engine, requested=None, programs=_CAT)
    parts = tree.digest_of([_LOCK, Path(__file__)], also=is_based_on)
    if engine.has_image(IMAGE) and engine.label(IMAGE, _PARTS) == parts:
        return
    with tempfile.TemporaryDirectory(prefix="keywright-readers-") as scratch:
        context = Path(scratch)
        app = context / "app"
        tree.install(base_image.python_of(engine, is_based_on), into=app, lock=_LOCK)
        trim.trim(app, services=_SERVICES)
        tree.let_everybody_read(app)
        (context / "Dockerfile").write_text(_DOCKERFILE)
        engine.docker(
            *("build", "--quiet", "--tag", IMAGE, "--build-arg", f"BASE_IMAGE={is_based_on}"),
            *("--label", f"{_PARTS}={parts}", context),
        )


def programs(namespace: str) -> dict[str, Any]:
    """The ConfigMap with the programs that the pods run."""
    data = {path.name: path.read_text() for path in sorted(_PROGRAMS.glob("*.py"))}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "programs", "namespace": namespace},
        "data": {**data, "certifi": _CERTIFI.read_text()},
    }


def pod_spec(
    program: str,
    *,
    surroundings: Surroundings,
    secret: str | None = None,
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The spec of a pod that runs a program, restricted as pods should be; `secret` is mounted."""
    mounts, volumes = surroundings.mounts(), surroundings.volumes()
    mounts.append({"name": "programs", "mountPath": "/programs"})
    names = [path.name for path in sorted(_PROGRAMS.glob("*.py"))]
    items = [{"key": name, "path": f"tests/kind/programs/{name}"} for name in names]
    items.append({"key": "certifi", "path": "certifi/__init__.py"})
    volumes.append({"name": "programs", "configMap": {"name": "programs", "items": items}})
    if secret is not None:
        mounts.append({"name": "key", "mountPath": "/var/run/keywright", "readOnly": True})
        volumes.append({"name": "key", "secret": {"secretName": secret}})
    variables = {**surroundings.variables(), **(environment or {})}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "reader",
                "image": IMAGE,
                "command": ["python3", "-m", f"tests.kind.programs.{program}"],
                "env": [{"name": name, "value": value} for name, value in variables.items()],
                "volumeMounts": mounts,
                "securityContext": restricted(),
            }
        ],
        "volumes": volumes,
    }


def restricted() -> dict[str, Any]:
    """The securityContext of a container that may do nothing."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def pod(name: str, *, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A pod that is never started again."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"restartPolicy": "Never", **spec},
    }


def reported(api: Api, *, namespace: str, name: str) -> list[Told]:
    """All calls that a pod has reported so far; none until it runs. Fails if it has ended."""
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    statuses = api.get(path)["status"].get("containerStatuses", [])
    states = [status["state"] for status in statuses if status["name"] == "reader"]
    if not any("waiting" not in state for state in states):
        return []
    text = api.text(f"{path}/log", query={"container": "reader"})
    assert "terminated" not in states[0], text[-2000:]
    # Libraries warn in between, and the last line may still be in the writing.
    lines = text.rpartition("\n")[0].splitlines()
    return [Told(**json.loads(line)) for line in lines if line.startswith('{"time"')]
