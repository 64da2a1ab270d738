"""The operator as a separate process, with a token of its shipped ServiceAccount."""

from __future__ import annotations

import os
import resource
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.clouds.aws.apigateway_quotas import DEFAULT_SCALE
from testbed.faults import Line
from testbed.forks import forked
from testbed.processes import ChildProcess, free_port

_ROOT = Path(__file__).resolve().parents[1]
_READY_SECONDS = 30.0
NAMESPACE = "keywright-system"
SERVICE_ACCOUNT = "keywright"
# The emulator refills API Gateway's quotas as fast; released versions lack the flag.
_QUICK_GATEWAY = (f"--api-gateway-quota-share={DEFAULT_SCALE}",)
# Propagation delays of the clouds, and the revocation timeout; other versions may lack them.
PACE_OF_TESTS = ("--cloud-delay-scale=0.15", "--revoke-timeout=1s")


class OperatorProcess:
    """One `keywright run`; may be started, stopped, killed and started again.

    `program` is an installed `keywright`; without it, this checkout runs. `fork` names a module
    that runs it instead, in a process with all imports done. With its own `line` it can be cut off
    from the API server, and from nothing else.
    """

    def __init__(
        self,
        *,
        kubeconfig: Path,
        directory: Path,
        environment: Mapping[str, str],
        arguments: Sequence[str] = (),
        identity: str = "keywright-0",
        program: Path | None = None,
        fork: str | None = None,
        line: Line | None = None,
        pace: Sequence[str] = PACE_OF_TESTS,
    ) -> None:
        self.kubeconfig = kubeconfig
        self._directory = directory
        self._environment = dict(environment)
        self._arguments = tuple(arguments)
        self._identity = identity
        self._installed = program is not None
        self._program = (program,) if program else (sys.executable, "-m", "keywright")
        self._fork = fork
        self._line = line
        self._pace = tuple(pace)
        self._child: ChildProcess | None = None
        self.port = free_port()
        self.log = directory / f"{identity}.log"

    @property
    def process(self) -> ChildProcess:
        """The running child."""
        assert self._child is not None
        return self._child

    def spawn(self) -> None:
        """Start it without waiting."""
        # the modules in the clouds' variables have precedence
        source = None if self._installed else str(_ROOT / "operator")
        modules = filter(None, (self._environment.get("PYTHONPATH"), source))
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._directory),
            "PYTHONUNBUFFERED": "1",
            **self._environment,
            "PYTHONPATH": os.pathsep.join(modules),
        }
        arguments = [
            "run",
            f"--kubeconfig={self.kubeconfig}",
            f"--own-namespace={NAMESPACE}",
            f"--identity={self._identity}",
            f"--http-address=127.0.0.1:{self.port}",
            "--min-key-lifetime=1s",  # keys of seconds, so that renewals can be observed
            *(() if self._installed else (*_QUICK_GATEWAY, *self._pace)),
            *self._arguments,
        ]
        if self._fork is not None:
            self._child = forked(
                self._identity,
                self._fork,
                arguments,
                log=self.log,
                environment=environment,
                directory=self._directory,
            )
            return
        self._child = ChildProcess(
            self._identity,
            [*self._program, *arguments],
            log=self.log,
            environment=environment,
            directory=self._directory,
        )

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.spawn()
        self.process.wait_until(self.is_ready, seconds=_READY_SECONDS)

    def is_ready(self) -> bool:
        """The result of /readyz."""
        try:
            self.get("/readyz")
        except OSError:
            return False
        return True

    def get(self, path: str) -> str:
        """The text of a page of its HTTP server; raises OSError unless it succeeds."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        return self.process.stop(seconds=30)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send(signal.SIGCONT)

    def fill_disk(self) -> None:
        """Make writes to its log fail (EFBIG), as on a full disk."""
        _limit_file_size(self.process.pid, self.log.stat().st_size)

    def free_disk(self) -> None:
        """Make writes to its log succeed again."""
        _limit_file_size(self.process.pid, resource.RLIM_INFINITY)

    def cut_off(self) -> None:
        """Cut it off from the API server, with open connections."""
        self._its_line.cut()

    def reconnect(self) -> None:
        """Restore the connection; held data is sent."""
        self._its_line.mend()

    @property
    def _its_line(self) -> Line:
        assert self._line is not None
        return self._line

    def connections(self) -> int:
        """The number of open sockets."""
        descriptors = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return sum("socket:" in str(descriptor.readlink()) for descriptor in descriptors)

    def memory(self) -> int:
        """Resident bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def processor_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _limit_file_size(pid: int, size: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
