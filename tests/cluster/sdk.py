"""What an application with an AWS SDK makes of a Secret: mounted, or as its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from botocore.config import Config

from testbed.boto3_sessions import boto3_session
from testbed.readers.answers import pod_environment

_PROGRAM = Path(__file__).with_name("sdk_program.py")


class Mounted:
    """A Secret's files in a directory, replaced all at once, as a kubelet does it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written = 0
        self.path = directory / "mount"

    def write(self, data: Mapping[str, str]) -> None:
        """Into a new directory, to which a link is then turned."""
        self._written += 1
        fresh = self._directory / f"data-{self._written}"
        fresh.mkdir(parents=True)
        for name, text in data.items():
            (fresh / name).write_text(text)
        link = self._directory / "link"
        link.symlink_to(fresh)
        link.replace(self.path)


@contextmanager
def pod(variables: Mapping[str, str]) -> Iterator[None]:
    """This process with the environment of a pod."""
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    with pod_environment({**nowhere, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **variables}):
        yield


def client(service: str, **more: Any) -> Any:
    """A new client of whatever the environment says."""
    region = more.pop("region_name", "us-west-2")
    config = Config(retries={"total_max_attempts": 1})
    return boto3_session().client(service, region_name=region, config=config, **more)


def who(variables: Mapping[str, str], **credentials: str) -> str:
    """The caller's ARN, by GetCallerIdentity, in a pod with these variables."""
    with pod(variables):
        return str(client("sts", **credentials).get_caller_identity()["Arn"])


class LongRunning:
    """A process that holds one client for as long as it lives."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/nonexistent",
                "AWS_EC2_METADATA_DISABLED": "true",
                **variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def ask(self) -> dict[str, str]:
        """`arn`, or `error`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("who\n")
        self._process.stdin.flush()
        answer: dict[str, str] = json.loads(self._process.stdout.readline())
        return answer
