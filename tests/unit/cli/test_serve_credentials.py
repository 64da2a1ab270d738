"""`keywright serve-credentials` as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def test_a_sidecar_that_cannot_serve_says_so(tmp_path: Path) -> None:
    """Exit code 1, and the options to look at; no traceback."""
    missing = tmp_path / "none" / "token"
    command = ["-m", "keywright", "serve-credentials", f"--authorization-token-file={missing}"]
    ended = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT / "operator",
        timeout=30,
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "see --port and --authorization-token-file" in ended.stdout
