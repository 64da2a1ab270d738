"""Binaries built once from Go modules in this repository, with progress output."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.processes import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_PROGRESS_SECONDS = 15.0
# What the linker would remove (-s -w) is not generated.
_LEAN = ("-trimpath", "-gcflags=all=-dwarf=false")
# As in kubernetes' own build: pure Go, no paths, the tags of its release.
_AS_KUBERNETES = (*_LEAN, "-tags", "selinux,notest,grpcnotrace")
# The compiler uses memory to save the time of its garbage collector.
_COMPILER_MEMORY = {"GOGC": "400", "GOMEMLIMIT": "3GiB"}
_FETCH = 'for module; do (cd "$module" && "$0" mod download) || exit; done'
_VERSION_PACKAGE = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class GoBuilder:
    """Builds with this `go`; `say` receives a line of progress now and then."""

    go: str
    say: Callable[[str], None]

    def version(self) -> str:
        """The output of `go version`."""
        return self._output(["version"], directory=Path.cwd())

    def key(self, modules: Iterable[Path]) -> str:
        """A name that changes with the modules and Go itself."""
        digest = hashlib.sha256()
        for module in modules:
            for name in ("go.mod", "go.sum"):
                digest.update((module / name).read_bytes())
        digest.update(self.version().encode())
        return digest.hexdigest()[:16]

    def module_version(self, path: str, *, directory: Path) -> str:
        """The version of the module `path` in the module in `directory`."""
        return self._output(["list", "-m", "-f", "{{.Version}}", path], directory=directory)

    def build_tools(self, what: str, *, module: Path, into: Path, tags: str = "") -> None:
        """Build the tools in a module's go.mod; raises subprocess.CalledProcessError."""
        arguments = [*_LEAN, "-tags", tags, "-ldflags", "-s -w"]
        self._build(what, arguments, module=module, into=into)

    def build_kubernetes(self, what: str, *, module: Path, into: Path) -> None:
        """Build tools of k8s.io/kubernetes, which are stamped with its version."""
        version = self.module_version("k8s.io/kubernetes", directory=module)
        stamps = {
            "gitVersion": version,
            "gitMajor": "1",
            "gitMinor": version.split(".")[1],
            "gitTreeState": "clean",
        }
        flags = " ".join(f"-X {_VERSION_PACKAGE}.{name}={value}" for name, value in stamps.items())
        arguments = [*_AS_KUBERNETES, "-ldflags", f"-s -w {flags}"]
        self._build(f"{what} {version}", arguments, module=module, into=into)

    def build_program(self, what: str, *, module: Path, into: Path) -> None:
        """Build the program of a module, named as the last part of its path.

        Packages that it shares with Kubernetes, version by version, are compiled once for both.
        """
        arguments = [*_AS_KUBERNETES, "-ldflags", "-s -w"]
        self._build(what, arguments, module=module, into=into, packages=".")

    @contextlib.contextmanager
    def fetching(self, modules: Sequence[Path], *, log: Path) -> Iterator[None]:
        """Download these modules in their order, concurrently with the body.

        A build waits for missing ones; it also reports those that could not be downloaded.
        """
        command: list[str | Path] = ["sh", "-c", _FETCH, self.go, *modules]
        child = ChildProcess("go mod download", command, log=log, environment=_environment())
        try:
            yield
        finally:
            child.stop()

    def _build(
        self,
        what: str,
        arguments: Sequence[str],
        *,
        module: Path,
        into: Path,
        packages: str = "tool",
    ) -> None:
        """`go build -v` prints each package when it is compiled: their number is the progress."""
        self.say(f"fetching the Go modules of {what}")
        subprocess.run([self.go, "mod", "download"], cwd=module, env=_environment(), check=True)
        start = time.monotonic()
        said = start
        compiled = 0
        with (
            ThreadPoolExecutor(1) as beside,
            subprocess.Popen(
                [self.go, "build", "-v", *arguments, "-o", f"{into}/", packages],
                cwd=module,
                env=_environment(),
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            listed = beside.submit(self._output, ["list", "-deps", packages], directory=module)
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
                    total = f" of up to {len(listed.result().split())}" if listed.done() else ""
                    self.say(
                        f"building {what}: {compiled}{total} packages,"
                        f" {now - start:.0f} s (once; then cached)"
                    )
        if process.returncode:
            sys.stderr.writelines(other)
            raise subprocess.CalledProcessError(process.returncode, "go build")
        self.say(f"built {what} in {time.monotonic() - start:.0f} s")

    def _output(self, arguments: Sequence[str], *, directory: Path) -> str:
        return subprocess.run(
            [self.go, *arguments],
            cwd=directory,
            env=_environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()


def cache_root() -> Path:
    """The directory for built files of all checkouts: $KEYWRIGHT_CACHE, or the user's cache."""
    explicit = os.environ.get("KEYWRIGHT_CACHE")
    root = Path(explicit) if explicit else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    return root.expanduser() / "keywright"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock the file against other users of it, also in other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for the process that holds {path}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    ours = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    return {**_COMPILER_MEMORY, **os.environ, **ours}
