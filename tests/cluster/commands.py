"""kubectl, as its users call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from testbed.documents import documents

KUBECTL = Path(sys.executable).with_name("kubectl")
"""The one of the lock file, from the same environment as the tests."""


def kubectl(kubeconfig: Path, *arguments: str, given: str = "") -> str:
    """What it prints; raises CalledProcessError where it fails, with what it said."""
    done = subprocess.run(
        [KUBECTL, f"--kubeconfig={kubeconfig}", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "KUBECACHEDIR": str(kubeconfig.parent / "kubectl-cache")},
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def kustomized(folder: Path) -> list[dict[str, Any]]:
    """The objects that `kubectl apply -k` would apply."""
    done = subprocess.run(
        [KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)
