"""`make test` and `make test-kind` on a machine that can have no cluster with a node."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from testbed.world import ROOT


@pytest.mark.parametrize(
    ("arguments", "begins", "code"),
    [
        ((), "kind tier: SKIPPED: tests/kind did not run, and proves nothing today: ", 0),
        (("--insist",), "kind tier: FAILED: tests/kind did not run, and proves nothing today: ", 1),
    ],
    ids=["make test", "make test-kind"],
)
def test_one_line_says_that_pods_were_not_tested(
    arguments: tuple[str, ...], begins: str, code: int
) -> None:
    """What is missing, and the remedy; a failure only if the tier was named."""
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.kind", *arguments],
        cwd=ROOT,
        env={**environment, "PATH": "/nonexistent", "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{begins}no docker engine answers, and ")
    assert "make packages" in line or "start Docker" in line
    assert (done.returncode, done.stdout) == (code, "")
