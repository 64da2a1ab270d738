"""Runs the program `keywright` as a process of its own, and measures it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from testbed.world import ROOT, World


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of wall time to the first byte and to the end, and of processor time."""

    first_byte: float
    total: float
    processor: float
    code: int
    out: str


def timed(world: World, *arguments: str, environment: Mapping[str, str] | None = None) -> Timing:
    """Run the command as the admin of the world's API server, without a terminal."""
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
        stdin=subprocess.DEVNULL,
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
    return Timing(first_byte, total, used, process.returncode, first + rest)
