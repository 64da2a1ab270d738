"""The image of a node: the requested one, otherwise the own build if there is one, else kind's.

The own build is for machines that cannot pull images: Debian's packages and Go modules, see
node-image/. It is stored in the cache as a docker archive, and loaded into the engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from testbed.clusters import NoClusterError
from testbed.clusters.controlplane import assets
from testbed.clusters.go_builds import GoBuilder, cache_root, locked
from testbed.clusters.kind import packages
from testbed.clusters.kind.binary import kind_binary, own_node_image
from testbed.clusters.kind.engine import Engine
from testbed.clusters.kind.means import NodeMeans, node_means
from testbed.processes import ChildProcess, ProcessFailedError

_PARTS = Path(__file__).parent / "node-image"
KUBERNETES = _PARTS / "kubernetes"
"""The module of a node's programs, without the control plane."""
COREDNS = _PARTS / "coredns"
"""The module of its DNS server, with the plugins in kubeadm's configuration."""
_PAUSE = _PARTS / "pause"
_UNPACKED_SECONDS = 600.0
_STORE = 'docker save "$0" | zstd --quiet -3 --threads=0 -o "$1"'


@dataclass(frozen=True, slots=True)
class NodeImage:
    """The own build: its name in an engine, and the archive in the cache."""

    name: str
    archive: Path


def node_image(engine: Engine) -> str | None:
    """The name for kind, None for kind's own; the own build is loaded if needed."""
    if requested := _requested():
        return requested
    ours = _cached()
    if ours is None:
        return None
    if not engine.has_image(ours.name):
        _say("loading the image of the node")
        with ours.archive.open() as archive:
            engine.docker("load", "--quiet", stdin=archive.fileno())
    return ours.name


def prepare_node_image(engine: Engine) -> None:
    """Ensure that there is a node image: pulled, or built with progress output.

    Raises:
        NoClusterError: there is none; the message says what is missing.
    """
    if node_means(_Store(engine)) is NodeMeans.BUILT:
        _say("kind's own image cannot be pulled: building a node of Debian packages and Go modules")
        build_node_image(engine)


def build_node_image(engine: Engine) -> NodeImage:
    """Build the own image unless it is cached: minutes for Go, one for Debian's packages.

    Raises:
        NoClusterError: something to build it with is missing; the message says what.
    """
    go = shutil.which("go")
    lacking = _missing_to_build()
    if go is None or lacking:
        raise NoClusterError(
            f"to build the image of a node is missing: {', '.join(lacking)}: {packages.CURE}"
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


class _Store:
    """The images in an engine and the cache, for means.node_means."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_requested(self) -> bool:
        return bool(_requested())

    def is_cached(self) -> bool:
        return _cached() is not None

    def can_be_pulled(self) -> bool:
        name = own_node_image(kind_binary())
        if name is None:
            return False
        if self._engine.has_image(name):
            return True
        _say(f"pulling {name}")
        return self._engine.pulls(name)

    def missing_to_build(self) -> Sequence[str]:
        return _missing_to_build()


def _requested() -> str | None:
    return os.environ.get("KIND_NODE_IMAGE")


def _cached() -> NodeImage | None:
    go = shutil.which("go")
    ours = None if go is None else _ours(GoBuilder(go, _say))
    return ours if ours is not None and ours.archive.is_file() else None


def _missing_to_build() -> list[str]:
    lacking = packages.missing()
    if shutil.which("go") is None:
        lacking.append("Go")
    if _suite() is None:
        lacking.append("a Debian")
    if os.geteuid() != 0:
        lacking.append("root")
    return lacking


def _ours(builder: GoBuilder) -> NodeImage:
    """Named by all its inputs, except for the state of Debian's packages."""
    digest = hashlib.sha256()
    modules = (KUBERNETES, COREDNS, *assets.MODULES)
    digest.update(builder.key(modules).encode())
    for path in sorted(path for path in _PARTS.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(_PARTS)}\0".encode() + path.read_bytes())
    key = digest.hexdigest()[:16]
    return NodeImage(
        name=f"keywright-node:{key}", archive=cache_root() / "node-image" / f"{key}.tar.zst"
    )


def _build(builder: GoBuilder, engine: Engine, ours: NodeImage) -> None:
    version = builder.module_version("k8s.io/kubernetes", directory=KUBERNETES)
    with tempfile.TemporaryDirectory(dir=ours.archive.parent) as scratch:
        made, root = Path(scratch) / "binaries", Path(scratch) / "root"
        made.mkdir()
        modules, log = (*reversed(assets.MODULES), KUBERNETES, COREDNS), Path(scratch) / "go.log"
        # They wait for network and disk while Go uses the processors.
        with _unpacking(root), builder.fetching(modules, log=log):
            built = assets.built_assets(builder.go)
            with ThreadPoolExecutor(1) as beside:
                # The linker of the large ones leaves processors idle.
                small = beside.submit(_build_small, builder, into=made)
                builder.build_kubernetes(
                    "kubeadm, kubectl, kubelet, kube-proxy and kube-scheduler",
                    module=KUBERNETES,
                    into=made,
                )
                small.result()
        for binary in (built.etcd, built.apiserver, built.controller_manager):
            (made / binary.name).symlink_to(binary)
        environment = {**engine.environment, "KUBERNETES_VERSION": version}
        subprocess.run([_PARTS / "build.sh", made, root, ours.name], env=environment, check=True)
        _say("storing it")
        draft = Path(scratch) / "image.tar.zst"
        subprocess.run(
            ["bash", "-o", "pipefail", "-c", _STORE, ours.name, str(draft)],
            env=environment,
            check=True,
        )
        draft.rename(ours.archive)


def _build_small(builder: GoBuilder, *, into: Path) -> None:
    """After the API server, whose packages they share; and kind, which is needed next."""
    for own in (COREDNS, _PAUSE):
        builder.build_program(own.name, module=own, into=into)
    kind_binary()


@contextlib.contextmanager
def _unpacking(root: Path) -> Iterator[None]:
    """Unpack Debian's packages of a node, concurrently with the body."""
    suite = _suite()
    assert suite is not None, "asked before"
    _say("unpacking Debian's packages beside it")
    command: list[str | Path] = [_PARTS / "debian.sh", suite, root]
    child = ChildProcess("mmdebstrap", command, log=root.with_suffix(".log"))
    try:
        yield
        if child.wait(seconds=_UNPACKED_SECONDS):
            raise ProcessFailedError(f"mmdebstrap failed:\n{child.log_end()}")
    finally:
        child.stop()


def _suite() -> str | None:
    """The machine's own suite, which its package sources have; None if it is not Debian."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    return release.get("VERSION_CODENAME") if release.get("ID") == "debian" else None


def _say(message: str) -> None:
    print(f"kind: {message}", file=sys.stderr, flush=True)
