"""The interface of tests to the proxy's process: lifecycle, faults, and the address."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import yaml

from testbed.certificates import Authority
from testbed.clusters.embedded.control import FaultClient
from testbed.processes import ChildProcess, accepts_connections, free_port

if TYPE_CHECKING:
    from testbed.clusters import Cluster

_ROOT = Path(__file__).parents[2]
_READY_SECONDS = 20.0


class ProxyFaults(FaultClient):
    """The faults of the embedded cluster, and those that a proxy can apply to a real one."""

    def down(self, *, seconds: float) -> None:
        """Refuse connections for that many seconds and close open ones; cannot be ended earlier."""
        self.send({"kind": "down", "seconds": seconds})

    def broken(self) -> None:
        """Send an ERROR event of 500 to open watches, after which no client can continue."""
        self.send({"kind": "broken"})

    def revoke(self, token: str) -> None:
        """Respond with 401 to every client with this token, permanently."""
        self.send({"kind": "revoked", "token": token})


class FaultProxy:
    """A proxy of a cluster's API server, for clients whose kubeconfig leads through it.

    Its certificate is from its own CA; credentials are forwarded unchanged, so that the API server
    and its audit log see the actual client.
    """

    def __init__(self, directory: Path, *, cluster: Cluster) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._cluster = cluster
        self._authority = Authority(directory, name="fault-proxy")
        self._token = secrets.token_hex(16)
        self._port = free_port()
        self._child: ChildProcess | None = None
        self.server = f"https://127.0.0.1:{self._port}"
        self.ca_file = self._authority.certificate

    @property
    def faults(self) -> ProxyFaults:
        """The client for fault injection."""
        return ProxyFaults(self.server, ca_file=self.ca_file, token=self._token)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the proxy and wait until it listens."""
        serving = self._authority.issue("proxy", hosts=["127.0.0.1"])
        token_file = self._directory / "control-token"
        token_file.touch(mode=0o600)
        token_file.write_text(self._token)
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self._child = ChildProcess(
            "fault proxy",
            [
                *(sys.executable, "-m", "testbed.faults"),
                f"--port={self._port}",
                f"--certificate={serving.certificate}",
                f"--key={serving.key}",
                f"--upstream={self._cluster.server}",
                f"--upstream-ca={self._cluster.ca_file}",
                f"--token-file={token_file}",
            ],
            log=self._directory / "proxy.log",
            environment={**os.environ, "PYTHONPATH": path},
        )
        self._child.wait_until(lambda: accepts_connections(self._port), seconds=_READY_SECONDS)

    def stop(self) -> None:
        """Stop the proxy."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def lead(self, kubeconfig: Path) -> Path:
        """Change a kubeconfig to connect through this proxy; returns it."""
        document = yaml.safe_load(kubeconfig.read_text())
        for entry in document["clusters"]:
            entry["cluster"] = {"server": self.server, "certificate-authority": str(self.ca_file)}
        kubeconfig.write_text(yaml.safe_dump(document))
        return kubeconfig
