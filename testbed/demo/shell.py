"""What commands in another terminal need to work with the demo."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from testbed.world import ROOT

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PROXY_EXCEPTIONS = "NO_PROXY"


def write_environment(
    directory: Path, *, kubeconfig: Path, server: str, variables: Mapping[str, str]
) -> Path:
    """Write a file to source in a shell: `kubectl` and `keywright` then use the demo.

    The commands reach the emulated clouds through their proxy, and the API server directly.
    `variables`: those of the clouds and of the cluster.
    """
    program = directory / "bin" / "keywright"
    program.parent.mkdir(exist_ok=True)
    source = shlex.quote(str(ROOT / "operator"))
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={source} exec {shlex.quote(sys.executable)} -P -m keywright "$@"\n'
    )
    program.chmod(0o755)
    direct = ",".join(filter(None, (variables.get(_PROXY_EXCEPTIONS), urlsplit(server).hostname)))
    variables = {**variables, _PROXY_EXCEPTIONS: direct, "KUBECONFIG": str(kubeconfig)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    path = f"export PATH={shlex.quote(str(program.parent))}{os.pathsep}$PATH"
    file = directory / "environment"
    file.write_text("\n".join([*lines, path, ""]))
    return file


def applied_by_kubectl(document: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the annotation of `kubectl apply`, which a later apply needs."""
    metadata = document["metadata"]
    annotations = {
        **(metadata.get("annotations") or {}),
        _LAST_APPLIED: json.dumps(document, separators=(",", ":")) + "\n",
    }
    return {**document, "metadata": {**metadata, "annotations": annotations}}
