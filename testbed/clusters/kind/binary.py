"""The `kind` command: on the PATH, or built from the Go module beside this file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from testbed.clusters import NoClusterError
from testbed.go_tools import NoGoError, go_tool

_HERE = Path(__file__).parent
# pkg/apis/config/defaults/image.go of kind, a constant; no command prints it.
_NODE_IMAGE = re.compile(rb"kindest/node:v[0-9.]+@sha256:[0-9a-f]{64}")


def kind_binary() -> Path:
    """The path of the command; the first build takes half a minute. Raises NoClusterError."""
    found = shutil.which("kind")
    if found is not None:
        return Path(found)
    try:
        return go_tool("kind", module=_HERE)
    except NoGoError as error:
        raise NoClusterError(f"no kind on the PATH, and {error}") from None


def own_node_image(kind: Path) -> str | None:
    """The default node image of a `kind` command, with its digest."""
    found = _NODE_IMAGE.search(kind.read_bytes())
    return found[0].decode() if found else None
