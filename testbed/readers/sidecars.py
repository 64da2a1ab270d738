"""Pods with `keywright serve-credentials` as a sidecar: SDKs that refresh from a URI.

Alibaba Cloud's SDK requests ALIBABA_CLOUD_CREDENTIALS_URI again 15 minutes before the expiry
(provider/uri.py), botocore does the same with AWS_CONTAINER_CREDENTIALS_FULL_URI (credentials.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.processes import ChildProcess, accepts_connections, free_port
from testbed.readers import aws_calls
from testbed.readers.alibaba import Pod
from testbed.readers.answers import pod_environment
from testbed.readers.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALIBABA, AWS = "alibaba-sidecar-identity", "aws-sidecar-identity"
_ROOT = Path(__file__).parents[2]
_START_SECONDS = 20.0


class Sidecar:
    """The command as a container of the pod, with the Secret mounted."""

    def __init__(
        self,
        data: Mapping[str, str],
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.mount = Mount(data)
        self._own = Mount({})
        self.port = free_port()
        self.token_file = self._own.folder / "token"
        self.log = self._own.folder / "sidecar.log"
        modules = filter(None, (str(_ROOT / "operator"), os.environ.get("PYTHONPATH")))
        self._process = ChildProcess(
            "sidecar",
            [
                *(sys.executable, "-m", "keywright", "serve-credentials"),
                f"--directory={self.mount.folder}",
                f"--port={self.port}",
                f"--authorization-token-file={self.token_file}",
                "--log-level=debug",
                *arguments,
            ],
            log=self.log,
            environment={
                **os.environ,
                **(environment or {}),
                "PYTHONPATH": os.pathsep.join(modules),
            },
        )
        self.wait_for_port(self.port)

    def wait_for_port(self, port: int) -> None:
        """Wait until the sidecar listens there."""
        self._process.wait_until(lambda: accepts_connections(port), seconds=_START_SECONDS)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def url(self, path: str) -> str:
        """The URI for an SDK."""
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        """End the process and remove the mounts."""
        self._process.stop()
        self.mount.remove()
        self._own.remove()


class AlibabaSidecar:
    """A pod with Alibaba Cloud's SDK that uses the sidecar."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._sidecar = Sidecar(data)
        self._pod = Pod(
            "chain",
            cloud_environment=cloud_environment,
            environment={"ALIBABA_CLOUD_CREDENTIALS_URI": self._sidecar.url("/alibaba-cloud")},
        )

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files like the kubelet."""
        self._sidecar.mount.write(data)

    def ask(self) -> str:
        """Call the cloud once."""
        return self._pod.ask()

    def close(self) -> None:
        """End both containers."""
        self._pod.close()
        self._sidecar.close()


class AwsSidecar:
    """A pod with boto3 that uses the sidecar, with the token from its file."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._sidecar = Sidecar(data)
        none = str(self._sidecar.mount.folder / "none")
        self._variables = {
            **cloud_environment,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self._sidecar.url("/aws"),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self._sidecar.token_file),
            "AWS_CONFIG_FILE": none,
            "AWS_SHARED_CREDENTIALS_FILE": none,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with pod_environment(self._variables):
            self._client, self._ask = aws_calls.identity("us-east-1")

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files like the kubelet."""
        self._sidecar.mount.write(data)

    def ask(self) -> str:
        """Call AWS once."""
        with pod_environment(self._variables):
            return self._ask(self._client)

    def close(self) -> None:
        """Close the connections and end the sidecar."""
        self._client.close()
        self._sidecar.close()
