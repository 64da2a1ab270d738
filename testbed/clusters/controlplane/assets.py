"""The binaries of the control plane: found, or built once from the Go modules beside this file.

Order: the folder in KUBEBUILDER_ASSETS if it has all three; the cache; a build with Go. etcd falls
back to Debian's `etcd-server` if its module cannot be built. With KUBERNETES=oldest in the
environment, the cache and the build are those of Kubernetes 1.32.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testbed.clusters import NoClusterError
from testbed.clusters.go_builds import GoBuilder, cache_root, locked

_HERE = Path(__file__).parent
_ETCD = _HERE / "etcd"
MODULES = (_HERE, _ETCD)
_OLDEST = _HERE / "oldest"
_NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")


@dataclass(frozen=True, slots=True)
class Assets:
    """Paths of the three binaries."""

    etcd: Path
    apiserver: Path
    controller_manager: Path


def find_assets() -> Assets:
    """Find the binaries, or build them (about eight minutes on two cores, once).

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
    return built_assets(go, _OLDEST if os.environ.get("KUBERNETES") == "oldest" else _HERE)


def built_assets(go: str, kubernetes: Path = _HERE) -> Assets:
    """The binaries of the testbed's own build of this module, and no others."""
    builder = GoBuilder(go, _say)
    cached = cache_root() / "controlplane" / builder.key((kubernetes, _ETCD))
    if not _complete(cached):
        with locked(cached.with_suffix(".lock")):
            if not _complete(cached):
                _build(builder, kubernetes, into=cached)
    return _assets(cached)


def _assets(directory: Path) -> Assets:
    return Assets(*(directory / name for name in _NAMES))


def _complete(directory: Path) -> bool:
    return all((directory / name).is_file() for name in _NAMES)


def _build(builder: GoBuilder, kubernetes: Path, *, into: Path) -> None:
    """Build beside the target and rename: an aborted build leaves no incomplete binary."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        made = Path(scratch)
        _build_etcd(builder, made)
        builder.build_kubernetes(
            "kube-apiserver and kube-controller-manager", module=kubernetes, into=made
        )
        into.mkdir(exist_ok=True)
        for name in _NAMES:
            (made / name).rename(into / name)


def _build_etcd(builder: GoBuilder, made: Path) -> None:
    try:
        builder.build_tools("etcd", module=_ETCD, into=made)
        (made / "server").rename(made / "etcd")
    except subprocess.CalledProcessError as error:
        debian = shutil.which("etcd")
        if debian is None:
            raise NoClusterError(
                "etcd could not be built and Debian's etcd-server is not installed"
            ) from error
        _say(f"etcd could not be built: using {debian}")
        shutil.copy2(debian, made / "etcd")


def _say(message: str) -> None:
    print(f"control plane: {message}", file=sys.stderr, flush=True)
