"""A docker engine for kind: the one that answers, else a dockerd of our own for as long as needed.

A machine without systemd and without images has none: there, as root, dockerd is started by hand.
What it has stored stays in the cache, everything else goes with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from testbed.clusters import NoClusterError
from testbed.clusters.go_builds import cache_root, locked
from testbed.clusters.kind import packages
from testbed.clusters.kind.host_state import HostState, thaw
from testbed.clusters.kind.means import EngineMeans, engine_means
from testbed.processes import ChildProcess, ProcessFailedError

_HERE = Path(__file__).parent
_READY_SECONDS = 30.0
_STOP_SECONDS = 30.0
# Networks that neither a company's nor a cloud's address plan is likely to use.
_BRIDGE, _POOL = "10.199.0.1/16", "base=10.200.0.0/16,size=24"
_CAP_SYS_RESOURCE = 24


class Engine:
    """Commands of `docker` go to it between `start` and `stop`; so do those of `kind`."""

    def __init__(self) -> None:
        self._environment: dict[str, str] = {}
        self._own = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_own(self) -> bool:
        """Whether it was started here, and nobody else sees it."""
        return bool(self._environment)

    @property
    def environment(self) -> Mapping[str, str]:
        """The process's own, and where the engine is."""
        return {**os.environ, **self._environment}

    def start(self) -> None:
        """Return when an engine answers; waits for another process that has ours.

        Raises:
            NoClusterError: there is none, and none can be started; the message says what helps.
        """
        if engine_means(self) is EngineMeans.RUNNING:
            return
        try:
            self._start_own()
        except ProcessFailedError as error:
            self.stop()
            first, *log = str(error).splitlines()
            raise NoClusterError(
                f"no docker engine answers, and none starts here: {first} {''.join(log[-1:])}"
            ) from None
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End our own engine with all that it runs, and leave the machine as it was."""
        self._own.close()
        self._environment = {}

    def docker(self, *arguments: str | Path, stdin: int | None = None) -> str:
        """What a docker command prints; raises subprocess.CalledProcessError."""
        return subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout.strip()

    def has_image(self, name: str) -> bool:
        """Whether the engine has it, so that it need not be pulled."""
        return self._quiet(["image", "inspect", name])

    def pulls(self, name: str) -> bool:
        """Whether it could be pulled, which it then is."""
        return self._quiet(["pull", "--quiet", name])

    def label(self, image: str, name: str) -> str:
        """A label of an image that the engine has; empty where it has none of that name."""
        return self.docker(
            "image", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', image
        )

    def answers(self) -> bool:
        """Whether commands of docker reach an engine."""
        return shutil.which("docker") is not None and self._quiet(
            ["info", "--format", "{{.ServerVersion}}"]
        )

    def is_root(self) -> bool:
        """Whether an engine can be started by us."""
        return os.geteuid() == 0

    def missing_packages(self) -> Sequence[str]:
        """Those without which none can be started."""
        return packages.missing()

    def _quiet(self, arguments: Sequence[str]) -> bool:
        done = subprocess.run(
            ["docker", *arguments], env=self.environment, capture_output=True, check=False
        )
        # `docker info` ends with 0 also where no server answers.
        return done.returncode == 0 and b"Cannot connect" not in done.stderr

    def _start_own(self) -> None:
        folder = cache_root() / "engine"
        self._own.enter_context(locked(folder / "lock"))
        before = HostState.taken()
        self._own.callback(before.restore)
        socket = folder / "docker.sock"
        self._environment = {"DOCKER_HOST": f"unix://{socket}"}
        (folder / "docker.pid").unlink(missing_ok=True)
        daemon = ChildProcess(
            "dockerd",
            [
                *("dockerd", f"--host=unix://{socket}"),
                *(f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}"),
                *(f"--pidfile={folder / 'docker.pid'}", "--storage-driver=overlay2"),
                *(f"--bip={_BRIDGE}", f"--default-address-pool={_POOL}"),
                *_runtime(),
            ],
            log=folder / "dockerd.log",
        )
        self._own.callback(daemon.stop, seconds=_STOP_SECONDS)
        daemon.wait_until(self.answers, seconds=_READY_SECONDS)
        self._own.callback(self._empty)
        self._empty()  # a run that was killed could not

    def _empty(self) -> None:
        """No container and no network; images that have a name stay."""
        thaw()
        running = self.docker("ps", "--all", "--quiet").split()
        if running:
            self.docker("rm", "--force", "--volumes", *running)
        self.docker("network", "prune", "--force")
        self.docker("volume", "prune", "--force")
        self.docker("image", "prune", "--force")


def _runtime() -> list[str]:
    """Options for a root that may not give every capability away."""
    status = Path("/proc/self/status").read_text()
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    if int(bounding.split()[1], 16) >> _CAP_SYS_RESOURCE & 1:
        return []
    return [f"--add-runtime=caps={_HERE / 'runc-caps'}", "--default-runtime=caps"]


def main() -> int:
    """Have an engine until the end of standard input; tells where it is."""
    try:
        with Engine() as engine:
            print(f"export DOCKER_HOST={engine.environment.get('DOCKER_HOST', '')}", flush=True)
            sys.stdin.read()
    except NoClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
