"""The binaries of the control plane: found, or built once from the Go modules beside this file.

Order: the folder named by KUBEBUILDER_ASSETS where it holds all three; the cache; a build with Go.
etcd falls back on Debian's `etcd-server` where its module cannot be built.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.clusters import NoClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")
_PROGRESS_SECONDS = 15.0
# As kubernetes' own build does it: pure Go, no paths, the tags of its release.
_TAGS = "selinux,notest,grpcnotrace"
_VERSION_PACKAGE = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class Assets:
    """Paths of the three binaries."""

    etcd: Path
    apiserver: Path
    controller_manager: Path


def find_assets() -> Assets:
    """The binaries, building them where needed (about eight minutes on two cores, once).

    Raises:
        NoClusterError: nothing is cached and there is no Go to build with; the message says so.
    """
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given:
        missing = [name for name in _NAMES if not (Path(given) / name).is_file()]
        if not missing:
            return _assets(Path(given))
        _say(f"KUBEBUILDER_ASSETS={given} lacks {', '.join(missing)}: using our own build instead")
    go = shutil.which("go")
    if go is None:
        raise NoClusterError(
            "no real API server: neither a cluster (--kube-context), nor KUBEBUILDER_ASSETS with"
            f" {', '.join(_NAMES)}, nor Go to build them with"
        )
    cached = _cache_root() / _key(go)
    if not _complete(cached):
        with _locked(cached.with_suffix(".lock")):
            if not _complete(cached):
                _build(go, into=cached)
    return _assets(cached)


def _assets(directory: Path) -> Assets:
    return Assets(*(directory / name for name in _NAMES))


def _complete(directory: Path) -> bool:
    return all((directory / name).is_file() for name in _NAMES)


def _cache_root() -> Path:
    explicit = os.environ.get("KEYWRIGHT_CACHE")
    root = Path(explicit) if explicit else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    return root.expanduser() / "keywright" / "controlplane"


def _key(go: str) -> str:
    digest = hashlib.sha256()
    for module in (_HERE, _HERE / "etcd"):
        for name in ("go.mod", "go.sum"):
            digest.update((module / name).read_bytes())
    digest.update(_output([go, "version"], directory=_HERE).encode())
    return digest.hexdigest()[:16]


def _build(go: str, *, into: Path) -> None:
    """Build beside the target and rename: a build cut short leaves no half of a binary."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        made = Path(scratch)
        _build_etcd(go, made)
        version = _output(
            [go, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"], directory=_HERE
        )
        minor = version.split(".")[1]
        stamps = {
            "gitVersion": version,
            "gitMajor": "1",
            "gitMinor": minor,
            "gitTreeState": "clean",
        }
        flags = " ".join(f"-X {_VERSION_PACKAGE}.{name}={value}" for name, value in stamps.items())
        _go_build(
            go,
            f"kube-apiserver and kube-controller-manager {version}",
            ["-trimpath", "-tags", _TAGS, "-o", f"{made}/", "-ldflags", f"-s -w {flags}", "tool"],
            directory=_HERE,
        )
        into.mkdir(exist_ok=True)
        for name in _NAMES:
            (made / name).rename(into / name)


def _build_etcd(go: str, made: Path) -> None:
    try:
        _go_build(
            go,
            "etcd",
            ["-trimpath", "-ldflags", "-s -w", "-o", f"{made}/", "tool"],
            directory=_HERE / "etcd",
        )
        (made / "server").rename(made / "etcd")
    except subprocess.CalledProcessError as error:
        debian = shutil.which("etcd")
        if debian is None:
            raise NoClusterError(
                "etcd could not be built and Debian's etcd-server is not installed"
            ) from error
        _say(f"etcd could not be built: using {debian}")
        shutil.copy2(debian, made / "etcd")


def _go_build(go: str, what: str, arguments: list[str], *, directory: Path) -> None:
    """`go build -v` names each package as it is compiled: counted, they are the progress."""
    environment = _environment()
    _say(f"fetching the Go modules of {what}")
    subprocess.run([go, "mod", "download"], cwd=directory, env=environment, check=True)
    total = len(_output([go, "list", "-deps", "tool"], directory=directory).splitlines())
    start = time.monotonic()
    said = start
    compiled = 0
    with subprocess.Popen(
        [go, "build", "-v", *arguments],
        cwd=directory,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        other: list[str] = []
        for line in process.stderr:
            if " " in line.strip():
                other.append(line)
                continue
            compiled += 1
            now = time.monotonic()
            if now - said >= _PROGRESS_SECONDS:
                said = now
                _say(
                    f"building {what}: {compiled} of up to {total} packages,"
                    f" {now - start:.0f} s (once; then cached)"
                )
    if process.returncode:
        sys.stderr.writelines(other)
        raise subprocess.CalledProcessError(process.returncode, "go build")
    _say(f"built {what} in {time.monotonic() - start:.0f} s")


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}


def _output(command: list[str], *, directory: Path) -> str:
    return subprocess.run(
        command, cwd=directory, env=_environment(), check=True, capture_output=True, text=True
    ).stdout.strip()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(message: str) -> None:
    print(f"control plane: {message}", file=sys.stderr, flush=True)
