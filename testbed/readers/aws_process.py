"""Pods that never restart: an AWS SDK with a `credential_process` (format AwsCredentialProcess).

The Secret is mounted; its `config` makes the SDK run a process that prints the file beside it.
botocore runs it again from 15 minutes before the printed expiry (credentials.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from testbed.readers import aws_calls
from testbed.readers.answers import Answer, once, pod_environment
from testbed.readers.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IDENTITY = "aws-process-identity"
CONVERSE = "aws-process-converse"
CONFIG, CREDENTIALS = "config", "credential-process.json"
_MOUNTED = re.compile(rf"\S+(?=/{re.escape(CREDENTIALS)})")
_REGION = re.compile(r"^region = (\S+)$", re.MULTILINE)


class AwsProcess:
    """A pod with this Secret mounted; `remount` updates the files like the kubelet."""

    def __init__(
        self,
        data: Mapping[str, str],
        *,
        cloud_environment: Mapping[str, str],
        call: Callable[[str], tuple[Any, Callable[[Any], str]]],
    ) -> None:
        self._mount = Mount({})
        folder = self._mount.folder
        self.remount(data)
        self._variables = {
            **cloud_environment,
            "AWS_CONFIG_FILE": str(folder / CONFIG),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        region = _REGION.search(data[CONFIG])
        with pod_environment(self._variables):
            self._client, self._ask = call(region[1] if region else data["AWS_REGION"])

    def remount(self, data: Mapping[str, str]) -> None:
        """Write the Secret's files, each atomically, to the mount path of this pod."""
        self._mount.write(
            {
                CONFIG: _MOUNTED.sub(str(self._mount.folder), data[CONFIG]),
                CREDENTIALS: data[CREDENTIALS],
            }
        )

    def ask(self) -> str:
        """Call AWS once."""
        with pod_environment(self._variables):
            return self._ask(self._client)

    def close(self) -> None:
        """Close the connections and remove the mount."""
        self._client.close()
        self._mount.remove()


def identity(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> AwsProcess:
    """A pod that calls GetCallerIdentity."""
    return AwsProcess(data, cloud_environment=cloud_environment, call=aws_calls.identity)


def converse(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> AwsProcess:
    """A pod that sends signed calls to a model."""
    return AwsProcess(data, cloud_environment=cloud_environment, call=aws_calls.converse)


def call_identity(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One call of STS, by a pod started for it."""
    return once(IDENTITY, identity, data=data, cloud_environment=cloud_environment)


def call_converse(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt, by a pod started for it."""
    return once(CONVERSE, converse, data=data, cloud_environment=cloud_environment)
