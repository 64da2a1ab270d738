"""Child processes of the testbed: with a log, awaited by conditions, and reliably ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.1
_FIRST_PORT = 10_000
_OUTGOING_PORTS = 32_768
_PR_SET_PDEATHSIG = 1


class ProcessFailedError(RuntimeError):
    """A child ended, or was not ready in time; the message has the end of its log."""


def free_port() -> int:
    """A TCP port of the loopback address that is free right now.

    Below the range that Linux uses for outgoing connections: one of them could take it before its
    server starts. Chosen at random, but not by the generator of a seeded test: many processes do
    this concurrently.
    """
    chance = secrets.SystemRandom()
    while True:
        port = chance.randrange(_FIRST_PORT, _OUTGOING_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Handle(Protocol):
    """The used part of the interface of subprocess.Popen."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal."""


class ChildProcess:
    """One child with its log file; it is killed by the kernel when this process dies."""

    _process: Handle

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                preexec_fn=die_with_parent,  # noqa: PLW1509  Linux only; the parent forks before it has threads of its own
            )

    @classmethod
    def of(cls, name: str, process: Handle, *, log: Path) -> Self:
        """A child that was started in another way, and writes to that log."""
        made = cls.__new__(cls)
        made.name, made.log = name, log
        made._process = process  # noqa: SLF001  own attribute
        return made

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `ready()` is true.

        Raises:
            ProcessFailedError: the child ended, or the time is over.
        """
        deadline = time.monotonic() + seconds
        pause = _POLL_SECONDS
        while not ready():
            if self.exit_code is not None:
                raise ProcessFailedError(
                    f"{self.name} ended with {self.exit_code}:\n{self.log_end()}"
                )
            if time.monotonic() > deadline:
                raise ProcessFailedError(
                    f"{self.name} was not ready in {seconds} s:\n{self.log_end()}"
                )
            time.sleep(pause)
            # Polling a slow condition often would only use processor time.
            pause = min(_LONGEST_POLL_SECONDS, pause * 1.1)

    def log_end(self, *, lines: int = 30) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal; an ended child is ignored."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal_number)

    def wait(self, *, seconds: float) -> int:
        """Wait at most `seconds`; returns the exit code, raises subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def stop(self, *, seconds: float = 20) -> int:
        """SIGTERM, after `seconds` SIGKILL. Returns the exit code."""
        self.send(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL; returns the exit code."""
        self.send(signal.SIGKILL)
        return self._process.wait()


def wait_for(ready: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until `ready()` is true; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(_POLL_SECONDS)


def accepts_connections(port: int) -> bool:
    """Whether something listens on that port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; in its own process group."""
    with contextlib.suppress(OSError, AttributeError):  # Linux has prctl; elsewhere stop() suffices
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setpgid(0, 0)
