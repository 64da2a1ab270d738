"""The binaries of the control plane: found, or built once from the Go modules beside this file.

Order: the folder named by KUBEBUILDER_ASSETS where it holds all three; the cache; a build with Go.
etcd falls back on Debian's `etcd-server` where its module cannot be built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testbed.clusters import NoClusterError
from testbed.go_tools import cache_root, go_build, go_output, locked, module_key, say

_HERE = Path(__file__).parent
_NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")
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
        say(f"KUBEBUILDER_ASSETS={given} lacks {', '.join(missing)}: using our own build instead")
    go = shutil.which("go")
    if go is None:
        raise NoClusterError(
            "no real API server: neither a cluster (--kube-context), nor KUBEBUILDER_ASSETS with"
            f" {', '.join(_NAMES)}, nor Go to build them with"
        )
    cached = cache_root("controlplane") / module_key(go, [_HERE, _HERE / "etcd"])
    if not _complete(cached):
        with locked(cached.with_suffix(".lock")):
            if not _complete(cached):
                _build(go, into=cached)
    return _assets(cached)


def _assets(directory: Path) -> Assets:
    return Assets(*(directory / name for name in _NAMES))


def _complete(directory: Path) -> bool:
    return all((directory / name).is_file() for name in _NAMES)


def _build(go: str, *, into: Path) -> None:
    """Build beside the target and rename: a build cut short leaves no half of a binary."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        made = Path(scratch)
        _build_etcd(go, made)
        version = go_output(
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
        go_build(
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
        go_build(
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
        say(f"etcd could not be built: using {debian}")
        shutil.copy2(debian, made / "etcd")
