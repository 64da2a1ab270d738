"""A Prometheus server that scrapes operators on this machine, and its query API."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from testbed.go_tools import go_tool
from testbed.processes import ChildProcess, free_port

_MODULE = Path(__file__).parent / "server"
_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Series:
    """The labels of a series, and its samples as pairs of time and value."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


class Prometheus:
    """Runs while its context is open; scrapes each second."""

    def __init__(self, directory: Path, *, ports: Sequence[int]) -> None:
        self._directory = directory
        self._ports = tuple(ports)
        self._port = free_port()
        self._child: ChildProcess | None = None

    def __enter__(self) -> Self:
        program = go_tool("prometheus", module=_MODULE)
        self._directory.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "prometheus.yml"
        configuration.write_text(yaml.safe_dump(self._configuration()), encoding="utf-8")
        self._child = ChildProcess(
            "prometheus",
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--log.level=warn",
            ],
            log=self._directory / "prometheus.log",
        )
        self._child.wait_until(self._is_ready, seconds=_READY_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child is not None:
            self._child.stop()

    def query(self, expression: str, *, at: float) -> list[Series]:
        """The instant vector of an expression."""
        found = self._get("query", query=expression, time=str(at))
        return [Series(each["metric"], _samples([each["value"]])) for each in found]

    def query_range(
        self, expression: str, *, start: float, end: float, step: float
    ) -> list[Series]:
        """The values of an expression at each step."""
        found = self._get(
            "query_range", query=expression, start=str(start), end=str(end), step=str(step)
        )
        return [Series(each["metric"], _samples(each["values"])) for each in found]

    def _get(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=2).close()
        except OSError:
            return False
        return True

    def _configuration(self) -> dict[str, Any]:
        targets = [f"127.0.0.1:{port}" for port in self._ports]
        job = {
            "job_name": "keywright",
            "honor_labels": True,
            "static_configs": [{"targets": targets}],
        }
        return {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [job],
        }


def _samples(pairs: Sequence[tuple[float, str]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(value)) for at, value in pairs)
