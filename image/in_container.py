"""`python -m image.in_container`: assemble the application in the build stage of the Dockerfile.

Nothing of the target platform is executed. The version of its Python comes from the file names of
the base image, which is mounted.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from image import tree
from image.assemble import assemble
from image.seal import seal

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_PYTHON = re.compile(r"^python(3\.\d+)$")
_CERTIFICATES = (
    Path("/run/secrets/ca-certificates"),
    Path("/etc/ssl/certs/ca-certificates.crt"),
)
_UV = Path("/root/.cache/keywright-uv")


class WrongPythonError(RuntimeError):
    """The build stage cannot build for the Python of the base image."""


def python_in(base: Path) -> str:
    """The version of the `python3` in the root file system of an image, for example 3.12.

    Raises:
        WrongPythonError: the image has no Python.
    """
    for folder in ("usr/local/bin", "usr/bin"):
        python3 = base / folder / "python3"
        if python3.is_symlink():
            found = _PYTHON.match(Path(python3.readlink()).name)
            if found is not None:
                return found[1]
    raise WrongPythonError("BASE_IMAGE has no link python3 in /usr/local/bin or /usr/bin")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m image.in_container")
    parser.add_argument("--base", type=Path, required=True, help="root of the base image")
    parser.add_argument("--into", type=Path, required=True, help="the application folder")
    options = parser.parse_args(arguments)
    try:
        target = _target(options.base)
        _trust_certificates()
        _add_uv_to_path()
        assemble(target, into=options.into)
        seal(options.into)
    except (WrongPythonError, subprocess.CalledProcessError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    return 0


def _target(base: Path) -> tree.Target:
    """What the image is built for: the Python of the base, and the requested architecture."""
    version = python_in(base)
    own = ".".join(platform.python_version_tuple()[:2])
    if version != own:
        raise WrongPythonError(
            f"BASE_IMAGE has Python {version} and BUILD_IMAGE has {own}: choose images with the"
            " same version, because the bytecode is compiled for it"
        )
    architecture = os.environ.get("TARGETARCH", "")
    machine = _MACHINES.get(architecture, architecture) or platform.machine()
    return tree.Target(version=version, machine=machine)


def _trust_certificates() -> None:
    """Let pip and uv trust the secret `ca-certificates`, otherwise those of the build image."""
    for path in _CERTIFICATES:
        if path.is_file():
            os.environ["PIP_CERT"] = os.environ["SSL_CERT_FILE"] = str(path)
            return


def _add_uv_to_path() -> None:
    """Install uv, pinned by its lock, in the cache of the build, and find it on the PATH."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    lock = tree.ROOT / "locks" / "uv.txt"
    subprocess.run([*pip, "--upgrade", "--target", _UV, "--require-hashes", "-r", lock], check=True)
    os.environ["PATH"] = f"{_UV / 'bin'}:{os.environ['PATH']}"


if __name__ == "__main__":
    sys.exit(main())
