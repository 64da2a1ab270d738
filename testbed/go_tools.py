"""Programs in Go, built once from a module of ours and kept in the cache.

A module lists what it builds as its `tool`s; go.sum pins all of it.
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
from collections.abc import Iterator, Sequence
from pathlib import Path

_PROGRESS_SECONDS = 15.0
TOOLS = Path(__file__).parent / "tools"
"""One folder for each program that only tests need."""


class NoGoError(RuntimeError):
    """There is no Go: without its version the cache does not know what to look for either."""


def go_tool(name: str, *, module: Path) -> Path:
    """The program of that name which a module of one tool builds (`helm`: about two minutes, once).

    Raises:
        NoGoError: there is no Go on the PATH.
        subprocess.CalledProcessError: Go refused to build it, and has said why.
    """
    go = shutil.which("go")
    if go is None:
        raise NoGoError(f"no Go on the PATH to build {name} with")
    kept = cache_root("tools") / f"{name}-{module_key(go, [module])}"
    if not (kept / name).is_file():
        with locked(kept.with_suffix(".lock")):
            if not (kept / name).is_file():
                _build_one(go, name, module=module, into=kept)
    return kept / name


def _build_one(go: str, name: str, *, module: Path, into: Path) -> None:
    """Beside the target, and renamed: a build cut short leaves no half of a program."""
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        arguments = ["-trimpath", "-ldflags", "-s -w", "-o", f"{scratch}/{name}", "tool"]
        go_build(go, name, arguments, directory=module)
        into.mkdir(exist_ok=True)
        (Path(scratch) / name).rename(into / name)


def cache_root(part: str) -> Path:
    """The folder of what is built, of one part of the testbed: below KEYWRIGHT_CACHE, or XDG's."""
    explicit = os.environ.get("KEYWRIGHT_CACHE")
    root = Path(explicit) if explicit else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    return root.expanduser() / "keywright" / part


def module_key(go: str, modules: Sequence[Path]) -> str:
    """A digest of what a build is made of: the modules' locks and the version of Go."""
    digest = hashlib.sha256()
    for module in modules:
        for name in ("go.mod", "go.sum"):
            digest.update((module / name).read_bytes())
    digest.update(go_output([go, "version"], directory=modules[0]).encode())
    return digest.hexdigest()[:16]


def go_build(go: str, what: str, arguments: list[str], *, directory: Path) -> None:
    """`go build -v` names each package as it is compiled: counted, they are the progress."""
    environment = _environment()
    say(f"fetching the Go modules of {what}")
    subprocess.run([go, "mod", "download"], cwd=directory, env=environment, check=True)
    total = len(go_output([go, "list", "-deps", "tool"], directory=directory).splitlines())
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
                say(
                    f"building {what}: {compiled} of up to {total} packages,"
                    f" {now - start:.0f} s (once; then cached)"
                )
    if process.returncode:
        sys.stderr.writelines(other)
        raise subprocess.CalledProcessError(process.returncode, "go build")
    say(f"built {what} in {time.monotonic() - start:.0f} s")


def go_output(command: list[str], *, directory: Path) -> str:
    """What it prints, stripped."""
    return subprocess.run(
        command, cwd=directory, env=_environment(), check=True, capture_output=True, text=True
    ).stdout.strip()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process builds; the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(message: str) -> None:
    """To standard error, at once."""
    print(f"testbed: {message}", file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}


def main() -> int:
    """Build what is not in the cache yet; 0 also where there is no Go: tests say what they miss."""
    for module in sorted(path.parent for path in TOOLS.glob("*/go.mod")):
        try:
            go_tool(module.name, module=module)
        except NoGoError as error:
            say(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
