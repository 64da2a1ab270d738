"""Debian's packages for a cluster with a node: install the missing ones of packages.txt, as root.

`make packages` runs this file directly, with any Python: it is needed before everything else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIST = Path(__file__).with_name("packages.txt")
CURE = "`make packages` as root on Debian installs what is missing"


def missing(which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """The packages with a program that is missing on the PATH, however others were installed."""
    found = []
    for line in LIST.read_text(encoding="utf-8").splitlines():
        package, *programs = line.partition("#")[0].split() or [""]
        if not all(which(program) for program in programs):
            found.append(package)
    return found


def main() -> int:
    """Return the exit code: 0 immediately if nothing is missing, otherwise that of apt-get."""
    wanted = missing()
    if not wanted:
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"packages: missing: {', '.join(wanted)}: root on Debian is needed", file=sys.stderr)
        return 1
    print(f"packages: installing {', '.join(wanted)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *wanted]):
        done = subprocess.run(["apt-get", "--quiet=2", *command], env=environment, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
