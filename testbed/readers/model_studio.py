"""Pods that call Model Studio of Alibaba Cloud: with its SDK dashscope, and with that of OpenAI.

The SDK dashscope reads its variables when it is imported, so that its pod is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openai import OpenAI

from testbed.readers.answers import QUESTION, Answer, once, pod_environment
from testbed.readers.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Mapping

DASHSCOPE, OPENAI, FILES = "dashscope-sdk", "openai-model-studio", "openai-model-studio-file"
MODEL = "qwen-plus"
_ROOT = Path(__file__).parents[2]


class DashScopeRefusedError(RuntimeError):
    """The SDK reported an error; the message is the SDK's own."""


class DashScopePod:
    """A process of `model_studio_pod`, started with this Secret as its environment."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        variables = {
            name: value
            for name, value in cloud_environment.items()
            if not name.startswith(("ALIBABA_", "AWS_"))
        }
        modules = filter(None, (variables.get("PYTHONPATH"), str(_ROOT)))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "testbed.readers.model_studio_pod", "--model", MODEL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": "/nonexistent",
                **variables,
                **data,
                "PYTHONPATH": os.pathsep.join(modules),
            },
        )

    def ask(self) -> str:
        """Send one prompt; raises DashScopeRefusedError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(QUESTION + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise DashScopeRefusedError(answer["error"])
        return str(answer["text"])

    def close(self) -> None:
        """End the process, by the end of its input."""
        self._process.communicate()


class OpenAIPod:
    """A pod with OpenAI's SDK, with OPENAI_API_KEY and OPENAI_BASE_URL or those of DashScopeEnv."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        variables = {
            "OPENAI_API_KEY": data.get("OPENAI_API_KEY") or data["DASHSCOPE_API_KEY"],
            "OPENAI_BASE_URL": data.get("OPENAI_BASE_URL") or data["DASHSCOPE_API_BASE"],
        }
        with pod_environment({**cloud_environment, **variables}):
            self._client = OpenAI(max_retries=0)

    def ask(self) -> str:
        """Send one prompt."""
        return _ask(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class FilePod:
    """A pod that runs on, and reads the mounted key before each call, as for a temporary key."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._mount = Mount(data)
        with pod_environment(dict(cloud_environment)):
            self._client = OpenAI(
                api_key=self._key, base_url=data["DASHSCOPE_API_BASE"], max_retries=0
            )

    def _key(self) -> str:
        return (self._mount.folder / "DASHSCOPE_API_KEY").read_text()

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files like the kubelet."""
        self._mount.write(data)

    def ask(self) -> str:
        """Send one prompt."""
        return _ask(self._client)

    def close(self) -> None:
        """Close the connections, and remove the mount."""
        self._client.close()
        self._mount.remove()


def _ask(client: OpenAI) -> str:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}]
    )
    return answer.choices[0].message.content or ""


def call(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt of the SDK dashscope, by a pod started for it."""
    return once(DASHSCOPE, DashScopePod, data=data, cloud_environment=cloud_environment)


def call_openai(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt of OpenAI's SDK, by a pod started for it."""
    return once(OPENAI, OpenAIPod, data=data, cloud_environment=cloud_environment)
