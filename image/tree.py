"""What the image has at /app: the locked dependencies, hash by hash, and the operator.

It is put together outside of docker, by uv, for the Python of the base: a build in a container
would need a compiler, an installer and a network there, and would leave their traces.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / "locks" / "runtime.txt"
BUILD = ROOT / "locks" / "build.txt"
_UV = (ROOT / ".cache" / "uv" / "bin" / "uv", Path(sys.executable).parent / "uv")
_PACKAGE = ROOT / "operator" / "keywright"


@dataclass(frozen=True, slots=True)
class Target:
    """The Python that will run it: "3.12", and the machine as uname calls it.

    `system` is the rest of the platform's name for uv.
    """

    version: str
    machine: str
    system: str = "unknown-linux-gnu"


def install(target: Target, *, into: Path, lock: Path = RUNTIME) -> None:
    """Install what the lock lists into a folder, as it would be on the target.

    Nothing is taken whose hash the lock does not have. What is published as source alone is built,
    with the build tools that locks/build.txt pins.

    Raises:
        subprocess.CalledProcessError: uv could not; it has said why.
    """
    subprocess.run(
        [
            *(find_uv(), "pip", "install", "--quiet", "--target", into),
            *("--python-version", target.version),
            *("--python-platform", f"{target.machine}-{target.system}"),
            *("--require-hashes", "--build-constraints", BUILD, "--requirement", lock),
        ],
        check=True,
    )
    shutil.rmtree(into / "bin", ignore_errors=True)  # commands for another machine's paths


def list_only_files_that_exist(folder: Path) -> None:
    """Remove the missing files from the RECORD of each distribution.

    The hashes of removed commands also depend on the machine of the build.
    """
    for record in folder.glob("*.dist-info/RECORD"):
        with record.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row and _is_in(folder, row[0])]
        with record.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def _is_in(folder: Path, name: str) -> bool:
    return not name.startswith("..") and (folder / name).is_file()


def add_operator(into: Path, *, version: str) -> None:
    """The operator itself, as it stands in this checkout; it finds its version as if installed."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_PACKAGE, into / "keywright", ignore=ignored)
    information = into / f"keywright-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: keywright\nVersion: {version}\n"
    )


def let_everybody_read(folder: Path) -> None:
    """Whatever the umask was: the image's user owns none of it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def digest_of(paths: Iterable[Path], *, also: str) -> str:
    """A digest of files of this repository, with their names, and of a text."""
    digest = hashlib.sha256(also.encode())
    for path in sorted(paths):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def find_uv() -> str:
    """The uv of this checkout, pinned by its lock, else the one on the PATH."""
    found = next((str(path) for path in _UV if path.is_file()), None) or shutil.which("uv")
    assert found is not None, "make has one made"
    return found
