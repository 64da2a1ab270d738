"""What the image has at /app: the locked dependencies, hash by hash, and the operator.

It is put together outside of docker, by uv, for the Python of the base: a build in a container
would need a compiler, an installer and a network there, and would leave their traces.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / "locks" / "runtime.txt"
BUILD = ROOT / "locks" / "build.txt"
_PACKAGE = ROOT / "operator" / "keywright"


@dataclass(frozen=True, slots=True)
class Target:
    """The Python that will run it: "3.12", and the machine as uname calls it."""

    version: str
    machine: str


def install(target: Target, *, into: Path, uv: str, lock: Path = RUNTIME) -> None:
    """Install what the lock lists into a folder, as it would be on the target.

    Nothing is taken whose hash the lock does not have. What is published as source alone is built,
    with the build tools that locks/build.txt pins.

    Raises:
        subprocess.CalledProcessError: uv could not; it has said why.
    """
    subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--target", into),
            *("--python-version", target.version),
            *("--python-platform", f"{target.machine}-unknown-linux-gnu"),
            *("--require-hashes", "--build-constraints", BUILD, "--requirement", lock),
        ],
        check=True,
    )
    shutil.rmtree(into / "bin", ignore_errors=True)  # commands for another machine's paths


def add_operator(into: Path, *, version: str) -> None:
    """The operator itself, as it stands in this checkout; it finds its version as if installed."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_PACKAGE, into / "keywright", ignore=ignored)
    information = into / f"keywright-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: keywright\nVersion: {version}\n"
    )
