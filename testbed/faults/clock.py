"""A process whose wall clock is shifted while it runs, as by a suspend or a manual change."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


class ShiftedClock:
    """`environment` is for the process; compiled with the system's `cc`.

    Raises:
        OSError, subprocess.CalledProcessError: there is no compiler, or it fails.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "clock-shift"
        library = directory / "clock.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE],
            check=True,
            capture_output=True,
        )
        self._file.write_bytes(struct.pack("d", 0.0))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(self._file)}

    def shift(self, seconds: float) -> None:
        """Shift the wall clock ahead of the machine's by that many seconds."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("d", float(seconds)))
