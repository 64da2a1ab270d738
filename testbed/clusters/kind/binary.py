"""The `kind` command: the one on the PATH, else one built from the Go module beside this file."""

from __future__ import annotations

import shutil
from pathlib import Path

from testbed.clusters import NoClusterError
from testbed.go_tools import NoGoError, go_tool

_HERE = Path(__file__).parent


def kind_binary() -> Path:
    """Its path; the first build takes half a minute. Raises NoClusterError."""
    found = shutil.which("kind")
    if found is not None:
        return Path(found)
    try:
        return go_tool("kind", module=_HERE)
    except NoGoError as error:
        raise NoClusterError(f"no kind on the PATH, and {error}") from None
