"""Processes that start with all imports done: for programs that are restarted often.

Each is a separate process, forked from one that has imported the operator's modules and done
nothing else (the standard library's fork server): with its own memory, environment, log and end,
also by SIGKILL. The cost of importing, half a second of processor time, is paid once.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

from testbed.processes import ChildProcess, die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

_IMPORTED = [
    "keywright.cli.run",
    "keywright.controller.process",
    "boto3",
    "botocore.session",
    "botocore.auth",
    "testbed.forks",
]


class _Forked:
    """A forked process with the used part of the interface of subprocess.Popen."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int, /) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)


def forked(
    name: str,
    module: str,
    arguments: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    directory: Path,
) -> ChildProcess:
    """A child that runs `python -m module arguments`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    process = context.Process(
        target=_run,
        name=name,
        args=(module, list(arguments), str(log), dict(environment), str(directory)),
        daemon=True,
    )
    process.start()
    return ChildProcess.of(name, _Forked(process), log=log)


def _run(
    module: str, arguments: list[str], log: str, environment: dict[str, str], directory: str
) -> None:
    die_with_parent()
    os.chdir(directory)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    # An operator that restarts in place replaces itself by these arguments.
    sys.orig_argv[1:] = ["-m", module, *arguments]
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
