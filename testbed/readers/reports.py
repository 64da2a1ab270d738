"""The report of the polling reader, and the class that starts and stops it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from testbed.processes import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REVISION = "keywright.dev/revision"
ISSUED_AT = "keywright.dev/issued-at"
EXPIRES_AT = "keywright.dev/expires-at"
CLUSTER = "kubernetes"
DEFAULT_CLIENTS = ("boto3-converse", "openai-chat", "http-converse")
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Reading:
    """One call of the polling reader; `client` is "kubernetes" if the Secret was unreadable."""

    time: float
    revision: str | None
    issued_at: str | None
    expires_at: str | None
    client: str
    ok: bool
    text: str
    error: str | None


class PollingReader:
    """A process that reads a Secret and calls the cloud with it, again and again.

    `clients` are names of `testbed.readers.clients`; by default those of a Bedrock key. Start it
    from the main thread: it ends with the thread that started it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        kubeconfig: Path,
        namespace: str,
        secret: str,
        cloud_environment: Mapping[str, str],
        interval_seconds: float = 0.2,
        clients: Sequence[str] = DEFAULT_CLIENTS,
    ) -> None:
        self._directory = directory
        self.report = directory / f"{namespace}-{secret}.jsonl"
        self._cloud_environment = cloud_environment
        self._process: ChildProcess | None = None
        self._readings: list[Reading] = []
        self._read_bytes = 0
        self._arguments = [
            *("--kubeconfig", str(kubeconfig)),
            *("--namespace", namespace),
            *("--secret", secret),
            *("--interval", str(interval_seconds)),
            *("--report", str(self.report)),
            *("--clients", *clients),
        ]

    @property
    def process(self) -> ChildProcess:
        """The running reader."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start polling, also before the Secret exists."""
        self._directory.mkdir(parents=True, exist_ok=True)
        parts = [
            self._cloud_environment.get("PYTHONPATH"),
            str(_ROOT),
            os.environ.get("PYTHONPATH"),
        ]
        path = os.pathsep.join(filter(None, parts))
        self._process = ChildProcess(
            "polling reader",
            [sys.executable, "-m", "testbed.readers.polling", *self._arguments],
            log=self.report.with_suffix(".log"),
            environment={
                **os.environ,
                **self._cloud_environment,
                "PYTHONPATH": path,
                # A reader that must be killed leaves its mounts behind: they go with its directory.
                "TMPDIR": str(self._directory),
            },
        )

    def stop(self) -> None:
        """End the process; the report stays."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def readings(self) -> list[Reading]:
        """All calls so far."""
        self._read_on()
        return list(self._readings)

    def failures(self) -> list[Reading]:
        """The calls that failed."""
        return [reading for reading in self.readings() if not reading.ok]

    def wait_until(self, enough: Callable[[list[Reading]], bool], *, seconds: float) -> None:
        """Wait until the readings so far satisfy `enough`; raises ProcessFailedError."""
        self.process.wait_until(lambda: enough(self.readings()), seconds=seconds)

    def _read_on(self) -> None:
        """Read the new part of the report, which is done many times a second."""
        if not self.report.exists():
            return
        with self.report.open("rb") as report:
            report.seek(self._read_bytes)
            # the last line may be incomplete
            lines, ended, _ = report.read().rpartition(b"\n")
        self._read_bytes += len(lines) + len(ended)
        self._readings += [Reading(**json.loads(line)) for line in lines.splitlines()]
