"""`keywright serve-credentials` as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "option",
    [
        "--authorization-token-file={}/none/token",
        "--proxy=http://example.com",
        "--proxy=https://example.com",
    ],
)
def test_a_sidecar_that_cannot_serve_says_so(tmp_path: Path, option: str) -> None:
    """Exit code 1, and the options to look at; no traceback."""
    command = ["-m", "keywright", "serve-credentials", "--port=0", option.format(tmp_path)]
    ended = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT / "operator",
        timeout=30,
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "see --port, --authorization-token-file and --proxy" in ended.stdout
