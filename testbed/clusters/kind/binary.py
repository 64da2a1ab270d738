"""The `kind` command: the one on the PATH, else one built from the Go module beside this file."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from testbed.clusters import NoClusterError
from testbed.clusters.go_builds import GoBuilder, cache_root, locked

_HERE = Path(__file__).parent


def kind_binary() -> Path:
    """Its path; the first build takes half a minute. Raises NoClusterError."""
    found = shutil.which("kind")
    if found is not None:
        return Path(found)
    go = shutil.which("go")
    if go is None:
        raise NoClusterError("neither kind on the PATH nor Go to build it with")
    builder = GoBuilder(go, lambda line: print(f"kind: {line}", file=sys.stderr, flush=True))
    binary = cache_root() / "kind" / builder.key([_HERE]) / "kind"
    with locked(binary.parent.with_suffix(".lock")):
        if not binary.is_file():
            with tempfile.TemporaryDirectory(dir=binary.parent.parent) as scratch:
                builder.build_tools("kind", module=_HERE, into=Path(scratch))
                binary.parent.mkdir(exist_ok=True)
                (Path(scratch) / "kind").rename(binary)
    return binary
