"""`python -m testbed.go_tools`: programs in Go that only tests need, built once.

A folder of `tools/` is a module with one program as its `tool`, of another module or of this one;
go.sum pins all of it.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testbed.clusters.go_builds import GoBuilder, cache_root, locked

TOOLS = Path(__file__).parent / "tools"
"""One folder for each program."""
# Without the service discoveries of two dozen clouds, which are half of the packages.
_TAGS: Final[Mapping[str, str]] = {"promtool": "remove_all_sd", "prometheus": "remove_all_sd"}


class NoGoError(RuntimeError):
    """There is no Go: without its version the key of the cache is unknown as well."""


def go_tool(name: str, *, module: Path) -> Path:
    """The program with that name, from a module with one tool (`helm`: about two minutes, once).

    Raises:
        NoGoError: there is no Go on the PATH.
        subprocess.CalledProcessError: Go failed to build it, and has printed why.
    """
    go = shutil.which("go")
    if go is None:
        raise NoGoError(f"no Go on the PATH to build {name} with")
    builder = GoBuilder(go, _say)
    kept = cache_root() / "tools" / f"{name}-{_key(builder, module)}"
    if not (kept / name).is_file():
        with locked(kept.with_suffix(".lock")):
            if not (kept / name).is_file():
                _build(builder, name, module=module, into=kept)
    return kept / name


def _key(builder: GoBuilder, module: Path) -> str:
    """A name that changes with the module, Go, and the module's own source."""
    locked_key = builder.key([module])
    sources = sorted(module.glob("*.go"))
    if not sources:
        return locked_key
    digest = hashlib.sha256(locked_key.encode())
    for source in sources:
        digest.update(f"{source.name}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _build(builder: GoBuilder, name: str, *, module: Path, into: Path) -> None:
    """Build beside the target and rename: an aborted build leaves no incomplete program."""
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        tags = _TAGS.get(name, "")
        builder.build_tools(name, module=module, into=Path(scratch), tags=tags)
        into.mkdir(exist_ok=True)
        (Path(scratch) / name).rename(into / name)


def _say(message: str) -> None:
    print(f"testbed: {message}", file=sys.stderr, flush=True)


def main() -> int:
    """Build what is not cached; returns 0 also without Go: tests report what is missing."""
    for module in sorted(path.parent for path in TOOLS.glob("*/go.mod")):
        try:
            go_tool(module.name, module=module)
        except NoGoError as error:
            _say(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
