"""A docker engine for kind: a running one, otherwise a temporary dockerd.

A machine without systemd has none: there, as root, dockerd is started directly. Its images stay in
the cache, everything else is removed with it.
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
# Networks that are unlikely to overlap with those of a company or a cloud.
_BRIDGE, _POOL = "10.199.0.1/16", "base=10.200.0.0/16,size=24"
_CAP_SYS_RESOURCE = 24


class Engine:
    """Between `start` and `stop`, commands of `docker` and `kind` use it."""

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
        """Whether it was started here, and is not visible to other users."""
        return bool(self._environment)

    @property
    def own_environment(self) -> Mapping[str, str]:
        """The variables with the address of the engine; none if others find it by themselves."""
        return dict(self._environment)

    @property
    def environment(self) -> Mapping[str, str]:
        """The process's environment with the address of the engine."""
        return {**os.environ, **self._environment}

    def start(self) -> None:
        """Wait until an engine responds; waits for another process that uses the own one.

        Raises:
            NoClusterError: there is none, and none can be started; the message states the remedy.
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
        """Stop the own engine with everything in it, and restore the state of the machine."""
        self._own.close()
        self._environment = {}

    def docker(self, *arguments: str | Path, stdin: int | None = None) -> str:
        """The output of a docker command; raises subprocess.CalledProcessError."""
        return subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout.strip()

    def has_image(self, name: str) -> bool:
        """Whether the engine has the image, so that it need not be pulled."""
        return self._quiet(["image", "inspect", name])

    def pulls(self, name: str) -> bool:
        """Pull the image; whether that succeeded."""
        return self._quiet(["pull", "--quiet", name])

    def label(self, image: str, name: str) -> str:
        """A label of an image in the engine; empty if it has none of that name."""
        return self.docker(
            "image", "inspect", "--format", f'{{{{index .Config.Labels "{name}"}}}}', image
        )

    def answers(self) -> bool:
        """Whether docker commands reach an engine."""
        return shutil.which("docker") is not None and self._quiet(
            ["info", "--format", "{{.ServerVersion}}"]
        )

    def is_root(self) -> bool:
        """Whether this user can start an engine."""
        return os.geteuid() == 0

    def missing_packages(self) -> Sequence[str]:
        """The packages that are missing to start an engine."""
        return packages.missing()

    def _quiet(self, arguments: Sequence[str]) -> bool:
        done = subprocess.run(
            ["docker", *arguments], env=self.environment, capture_output=True, check=False
        )
        # `docker info` also exits with 0 if no server responds.
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
        self._empty()  # a killed run could not do this

    def _empty(self) -> None:
        """Remove containers and networks; named images stay."""
        thaw()
        running = self.docker("ps", "--all", "--quiet").split()
        if running:
            self.docker("rm", "--force", "--volumes", *running)
        self.docker("network", "prune", "--force")
        self.docker("volume", "prune", "--force")
        self.docker("image", "prune", "--force")


def _runtime() -> list[str]:
    """Options for a root user without all capabilities."""
    status = Path("/proc/self/status").read_text()
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    if int(bounding.split()[1], 16) >> _CAP_SYS_RESOURCE & 1:
        return []
    return [f"--add-runtime=caps={_HERE / 'runc-caps'}", "--default-runtime=caps"]


def main() -> int:
    """Run an engine until the end of standard input; prints its address."""
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
