"""Alibaba Cloud's SDK in a process of its own, as a pod runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = Path(__file__).with_name("alibaba_sdk_program.py")


class SdkError(RuntimeError):
    """The SDK raised; the message is what it said."""


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """What the SDK has for credentials at the moment."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(repr=False)


class Sdk:
    """One process of the SDK; its environment is the cloud's variables and what is given."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", **environment},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def key(self, *, asynchronous: bool = False, **config: Any) -> TemporaryKey:
        """The credentials that the SDK gets; without a type those of its default chain."""
        reported = self._ask(config=config or None, action=None, asynchronous=asynchronous)
        return TemporaryKey(**reported)

    def identity(self, **config: Any) -> str:
        """The ARN that GetCallerIdentity tells."""
        reported = self.call("GetCallerIdentity", host="sts.cn-hangzhou.aliyuncs.com", **config)
        return str(reported["Arn"])

    def call(
        self,
        action: str,
        *,
        host: str,
        version: str = "2015-04-01",
        query: Mapping[str, object] | None = None,
        **config: Any,
    ) -> dict[str, Any]:
        """The answer of an API; raises SdkError with what the SDK raised."""
        return self._ask(
            config=config or None, action=action, host=host, version=version, query=query or {}
        )

    def _ask(self, **requested: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(requested) + "\n")
        self._process.stdin.flush()
        reported = json.loads(self._process.stdout.readline())
        if "error" in reported:
            raise SdkError(reported["error"])
        return dict(reported["answer"])
