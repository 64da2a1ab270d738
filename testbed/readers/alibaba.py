"""Pods that use Alibaba Cloud's SDK with a session from a Secret, in each format.

Those with the session in their environment or in a profile of `~/.aliyun/config.json` keep the
first one (alibabacloud_credentials, provider/cli_profile.py) and must be restarted; the others have
the Secret mounted and keep running.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from testbed.readers.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV, FILES = "alibaba-env-identity", "alibaba-files-identity"
CLI_CONFIG, SECTION = "alibaba-config-identity", "alibaba-ini-identity"
BEARER = "alibaba-bearer-instance"
_ROOT = Path(__file__).parents[2]
_ALONE = {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true", "ALIBABA_CLOUD_IMDSV1_DISABLED": "true"}


class AlibabaRefusedError(RuntimeError):
    """The SDK raised an exception; the message is the SDK's own."""


class Pod:
    """A process of `alibaba_pod`; `environment` is added to the cloud's variables."""

    def __init__(
        self,
        way: str,
        *,
        cloud_environment: Mapping[str, str],
        environment: Mapping[str, str],
        directory: Path = Path("/"),
    ) -> None:
        modules = filter(None, (cloud_environment.get("PYTHONPATH"), str(_ROOT)))
        variables = {
            name: value
            for name, value in cloud_environment.items()
            if not name.startswith(("ALIBABA_", "AWS_"))
        }
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "testbed.readers.alibaba_pod"),
                *("--as", way, "--directory", str(directory)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **variables,
                **_ALONE,
                "HOME": "/nonexistent",
                **environment,
                "PYTHONPATH": os.pathsep.join(modules),
            },
        )

    def ask(self) -> str:
        """Call the cloud once; raises AlibabaRefusedError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise AlibabaRefusedError(answer["error"])
        return str(answer["text"])

    def close(self) -> None:
        """End the process, by the end of its input."""
        self._process.communicate()


class MountedPod:
    """A pod that reads the mounted files before each call."""

    def __init__(
        self, way: str, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]
    ) -> None:
        self._mount = Mount(data)
        self._pod = Pod(
            way,
            cloud_environment=cloud_environment,
            environment={},
            directory=self._mount.folder,
        )

    @classmethod
    def files(cls, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Self:
        """A pod with the files of AlibabaRam."""
        return cls("files", data, cloud_environment=cloud_environment)

    @classmethod
    def section(cls, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Self:
        """A pod with credentials.ini of AlibabaCredentialsFile."""
        return cls("section", data, cloud_environment=cloud_environment)

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files like the kubelet."""
        self._mount.write(data)

    def ask(self) -> str:
        """Call the cloud once."""
        return self._pod.ask()

    def close(self) -> None:
        """End the process and remove the mount."""
        self._pod.close()
        self._mount.remove()


def env(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Pod:
    """A pod started with the variables of AlibabaEnv."""
    variables = {name: text for name, text in data.items() if name.startswith("ALIBABA_CLOUD_")}
    return Pod("chain", cloud_environment=cloud_environment, environment=variables)


def bearer(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Pod:
    """A pod started with a bearer token."""
    return Pod(
        "bearer",
        cloud_environment=cloud_environment,
        environment={"ALIBABA_BEARER_TOKEN": data["apiKey"]},
    )


class CliConfigPod:
    """A pod whose home has `.aliyun/config.json` of AlibabaCliConfig."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._mount = Mount({})
        folder = self._mount.folder / ".aliyun"
        folder.mkdir()
        (folder / "config.json").write_text(data["config.json"])
        self._pod = Pod(
            "chain",
            cloud_environment=cloud_environment,
            environment={"HOME": str(self._mount.folder)},
        )

    def ask(self) -> str:
        """Call the cloud once."""
        return self._pod.ask()

    def close(self) -> None:
        """End the process and remove its home."""
        self._pod.close()
        self._mount.remove()
