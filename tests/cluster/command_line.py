"""Runs commands of the program on the API server of a world, as its admin."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keywright.cli.main import main
from testbed.world import ROOT, World


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What `-o json` has written."""
        return json.loads(self.out)


def keywright(world: World, *arguments: str, kubeconfig: Path | None = None) -> Result:
    """Run a command in this process; it has no terminal, so its output has no colors."""
    out, err = io.StringIO(), io.StringIO()
    given = [*arguments[:1], f"--kubeconfig={kubeconfig or world.cluster.kubeconfig}"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([*given, *arguments[1:]])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of wall time to the first byte and to the end, and of processor time."""

    first_byte: float
    total: float
    processor: float
    out: str


def timed(world: World, *arguments: str, environment: Mapping[str, str] | None = None) -> Timing:
    """Run the program as a process of its own, and measure it."""
    before = os.times()
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "keywright", *arguments],
        env={
            **os.environ,
            **(environment or {}),
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(world.cluster.kubeconfig),
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        first_byte = time.monotonic() - began
        rest = process.stdout.read()
    total = time.monotonic() - began
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return Timing(first_byte, total, used, first + rest)
