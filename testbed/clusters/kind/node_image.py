"""The image of a node: the one that is asked for, our own build where there is one, else kind's.

Our own is for machines that cannot pull images: Debian's packages and Go modules, see node-image/.
It is kept in the cache as an archive of docker's, and loaded into whichever engine runs.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from testbed.clusters import NoClusterError
from testbed.clusters.controlplane import assets
from testbed.clusters.go_builds import GoBuilder, cache_root, locked
from testbed.clusters.kind.engine import Engine

_PARTS = Path(__file__).parent / "node-image"
_KUBERNETES = _PARTS / "kubernetes"
_COREDNS = _PARTS / "coredns"
_PAUSE = _PARTS / "pause"
_STORE = 'docker save "$0" | zstd --quiet -3 --threads=0 -o "$1"'
_PROGRAMS = ("mmdebstrap", "containerd", "ctr", "zstd", "tar")


@dataclass(frozen=True, slots=True)
class NodeImage:
    """Our own build: its name in an engine, and the archive in the cache."""

    name: str
    archive: Path


def node_image(engine: Engine) -> str | None:
    """The name to give to kind, None for kind's own; our own build is loaded where need be."""
    asked = os.environ.get("KIND_NODE_IMAGE")
    if asked:
        return asked
    go = shutil.which("go")
    ours = None if go is None else _ours(GoBuilder(go, _say))
    if ours is None or not ours.archive.is_file():
        return None
    if not engine.has_image(ours.name):
        _say("loading the image of the node")
        with ours.archive.open() as archive:
            engine.docker("load", "--quiet", stdin=archive.fileno())
    return ours.name


def build_node_image(engine: Engine) -> NodeImage:
    """Our own build, made where the cache has none: minutes for Go, one for Debian's packages.

    Raises:
        NoClusterError: something to build it with is missing; the message says what.
    """
    go = shutil.which("go")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if go is None or missing or os.geteuid() != 0:
        raise NoClusterError(
            "a node image is built by root on Debian, with Go and"
            " `apt-get install --no-install-recommends docker.io mmdebstrap zstd`;"
            f" missing here: {', '.join(missing) or ('Go' if go is None else 'root')}"
        )
    builder = GoBuilder(go, _say)
    ours = _ours(builder)
    with locked(ours.archive.with_suffix(".lock")):
        if not ours.archive.is_file():
            start = time.monotonic()
            _build(builder, engine, ours)
            size = ours.archive.stat().st_size
            taken = time.monotonic() - start
            _say(f"{ours.name}: {size / 1e6:.0f} MB at {ours.archive}, in {taken:.0f} s")
    return ours


def _ours(builder: GoBuilder) -> NodeImage:
    """Named by everything that goes into it, but for the state of Debian's packages."""
    digest = hashlib.sha256()
    modules = (_KUBERNETES, _COREDNS, *assets.MODULES)
    digest.update(builder.key(modules).encode())
    for path in sorted(path for path in _PARTS.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(_PARTS)}\0".encode() + path.read_bytes())
    key = digest.hexdigest()[:16]
    return NodeImage(
        name=f"keywright-node:{key}", archive=cache_root() / "node-image" / f"{key}.tar.zst"
    )


def _build(builder: GoBuilder, engine: Engine, ours: NodeImage) -> None:
    built = assets.built_assets(builder.go)
    version = builder.module_version("k8s.io/kubernetes", directory=_KUBERNETES)
    with tempfile.TemporaryDirectory(dir=ours.archive.parent) as scratch:
        made = Path(scratch)
        builder.build_kubernetes(
            "kubeadm, kubectl, kubelet, kube-proxy and kube-scheduler",
            module=_KUBERNETES,
            into=made,
        )
        builder.build_tools("coredns", module=_COREDNS, into=made)
        subprocess.run(
            [builder.go, "build", "-trimpath", "-ldflags=-s -w", "-o", f"{made}/", "."],
            cwd=_PAUSE,
            env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
            check=True,
        )
        for binary in (built.etcd, built.apiserver, built.controller_manager):
            (made / binary.name).symlink_to(binary)
        environment = {
            **engine.environment,
            "KUBERNETES_VERSION": version,
            "DEBIAN_SUITE": _suite(),
        }
        subprocess.run([_PARTS / "build.sh", made, ours.name], env=environment, check=True)
        _say("storing it")
        draft = made / "image.tar.zst"
        subprocess.run(
            ["bash", "-o", "pipefail", "-c", _STORE, ours.name, str(draft)],
            env=environment,
            check=True,
        )
        draft.rename(ours.archive)


def _suite() -> str:
    """The machine's own suite, whose packages its sources have."""
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian":
        raise NoClusterError(f"a node image is built on Debian; this is {release['NAME']}")
    return release["VERSION_CODENAME"]


def _say(message: str) -> None:
    print(f"kind: {message}", file=sys.stderr, flush=True)
