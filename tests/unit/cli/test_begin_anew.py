"""A process that replaces itself: what a signal does meanwhile."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.processes import wait_for

ROOT = Path(__file__).parents[3]
_PROGRAM = "from keywright.cli import run; run.restart_in_place(lived=0.0)"


def _heeds_sigterm(pid: int) -> bool:
    """The signals that are caught, as proc(5) shows them."""
    found = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return found is not None and bool(int(found[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_pause_before_it_begins_anew(number: signal.Signals) -> None:
    """With 0, and at once: a pod that is deleted then is not waited for until it is killed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "KEYWRIGHT_RESTARTS": "9"}
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], env=environment) as process:
        try:
            wait_for(lambda: _heeds_sigterm(process.pid), seconds=20, what="the pause")
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
