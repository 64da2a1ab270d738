"""`make archive`: the program in one file, dist/keywright.pyz, and a krew manifest for it.

The file has the locked dependencies of the command line for several versions of Python, on one
platform: their compiled modules have the version in their names, so that one folder has them all.
shiv wraps the folder; what is extracted at the first start is in ~/.shiv.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from image import tree, trim
from image.assemble import version

LOCK: Final = tree.ROOT / "locks" / "cli.txt"
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
RELEASES: Final = "https://keywright.dev/releases"
DIST: Final = tree.ROOT / "dist"
PROGRAM: Final = "keywright.pyz"
# 1980: the earliest date of a zip file, for archives that are equal byte by byte.
_EPOCH: Final = 315532800
_PREAMBLE: Final = """\
import sys

if "{0}.{1}".format(*sys.version_info) not in PYTHONS:
    sys.exit("error: this file is for Python " + ", ".join(PYTHONS) + ".")
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and a machine, by the names of Kubernetes and of uv."""

    name: str
    target: str

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which krew selects a download."""
        system, _, machine = self.name.partition("/")
        return {"os": system, "arch": machine}

    @property
    def file(self) -> str:
        """The name of the download."""
        return f"keywright-{self.name.replace('/', '-')}.tar.gz"


PLATFORMS: Final = {
    each.name: each
    for each in (
        Platform("linux/amd64", "x86_64-unknown-linux-gnu"),
        Platform("linux/arm64", "aarch64-unknown-linux-gnu"),
        Platform("darwin/arm64", "aarch64-apple-darwin"),
        Platform("darwin/amd64", "x86_64-apple-darwin"),
    )
}


def this_platform() -> Platform:
    """The platform of this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return PLATFORMS[f"{platform.system().lower()}/{machine}"]


def build(of: Platform, *, pythons: Sequence[str], into: Path) -> Path:
    """Build the file for a platform, and return its path.

    Raises:
        subprocess.CalledProcessError: uv or shiv failed, and has printed why.
    """
    with tempfile.TemporaryDirectory(prefix="keywright-archive-") as scratch:
        whole = Path(scratch) / "site-packages"
        for python in pythons:
            part = Path(scratch) / python
            machine, _, system = of.target.partition("-")
            tree.install(tree.Target(python, machine, system), into=part, lock=LOCK)
            shutil.copytree(part, whole, dirs_exist_ok=True)
            shutil.rmtree(part)
        trim.trim(whole)
        tree.add_operator(whole, version=version())
        preamble = Path(scratch) / "python_version.py"
        preamble.write_text(preamble_for(pythons))
        into.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(  # noqa: S603  our own tool
            [
                *(_shiv(), "--entry-point", "keywright.cli.main:main"),
                *("--site-packages", whole, "--output-file", into),
                *("--python", "/usr/bin/env python3", "--preamble", preamble),
                *("--compressed", "--reproducible"),
            ],
            check=True,
            capture_output=True,
        )
    return into


def preamble_for(pythons: Sequence[str]) -> str:
    """The program that runs first, and refuses other versions of Python."""
    return f"PYTHONS = {list(pythons)!r}\n{_PREAMBLE}"


def sha256_of(path: Path) -> str:
    """The digest of a download."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _shiv() -> Path:
    """The shiv that `make archive` has installed, by its lock."""
    return tree.ROOT / ".cache" / "archive" / "bin" / "shiv"


def package(program: Path, *, into: Path) -> Path:
    """A download for krew: the program and the licence; equal byte by byte for equal files."""
    with (
        into.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name, path, mode in (
            (PROGRAM, program, 0o755),
            ("LICENSE", tree.ROOT / "LICENSE", 0o644),
        ):
            data = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), mode, _EPOCH
            archive.addfile(entry, io.BytesIO(data))
    return into


def krew_manifest(
    downloads: Sequence[tuple[Platform, Path]], *, releases: str, pythons: Sequence[str]
) -> dict[str, Any]:
    """The manifest of the kubectl plugin, for krew's index."""
    released = f"v{version()}"
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "keywright"},
        "spec": {
            "version": released,
            "homepage": "https://keywright.dev",
            "shortDescription": "Inspect and check cloud keys in Secrets",
            "description": (
                "Works with the Keywright operator, which issues short-lived cloud credentials and"
                " API\nkeys into Secrets. Shows grants and who reads their Secrets (status), finds"
                " mistakes in\nmanifests before they are applied (lint), finds the failing hop from"
                " a source to a key\n(doctor), renews keys, and compares the cloud with the cluster"
                " (audit).\n"
            ),
            "caveats": (
                f"This plugin needs python3 on the PATH: {', '.join(pythons)}.\n"
                "It is extracted to ~/.shiv at its first start.\n"
            ),
            "platforms": [
                {
                    "selector": {"matchLabels": of.selector},
                    "uri": f"{releases}/{released}/{path.name}",
                    "sha256": sha256_of(path),
                    "files": [{"from": name, "to": "."} for name in (PROGRAM, "LICENSE")],
                    "bin": PROGRAM,
                }
                for of, path in downloads
            ],
        },
    }


def main() -> int:
    """Build all platforms that are asked for; the file of this machine is dist/keywright.pyz."""
    parser = argparse.ArgumentParser(prog="python -m tools.archive")
    parser.add_argument("--platform", action="append", choices=tuple(PLATFORMS))
    parser.add_argument("--python", action="append", help=f"default: {', '.join(PYTHONS)}")
    parser.add_argument("--releases", default=RELEASES, help="URL of the downloads")
    options = parser.parse_args()
    pythons = tuple(options.python or PYTHONS)
    here = this_platform()
    downloads = []
    for name in options.platform or [here.name]:
        of = PLATFORMS[name]
        program = DIST / (PROGRAM if of is here else f"keywright-{name.replace('/', '-')}.pyz")
        build(of, pythons=pythons, into=program)
        downloads.append((of, package(program, into=DIST / of.file)))
        print(f"{program.relative_to(tree.ROOT)}: {program.stat().st_size / 1e6:.0f} MB, {name}")
    manifest = krew_manifest(downloads, releases=options.releases, pythons=pythons)
    path = DIST / "keywright.krew.yaml"
    path.write_text(yaml.safe_dump(manifest, sort_keys=False, width=100))
    print(path.relative_to(tree.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
