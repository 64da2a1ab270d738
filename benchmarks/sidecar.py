"""The duration of a request to the sidecar that serves mounted credentials."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.measures import Row
from testbed.readers.sidecars import Sidecar

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUESTS = 2000
_GOAL_MILLISECONDS = 5
_END = "2099-01-01T00:00:00Z"


def requests() -> list[Row]:
    """The median of sequential requests in each convention, on one connection."""
    secret = {"AccessKeyId": "id", "Expiration": _END}
    sidecar = Sidecar(
        {
            "credentials.json": json.dumps(
                {**secret, "Code": "Success", "AccessKeySecret": "s", "SecurityToken": "t" * 800}
            ),
            "credential-process.json": json.dumps(
                {**secret, "Version": 1, "SecretAccessKey": "s", "SessionToken": "t" * 800}
            ),
        }
    )
    try:
        token = {"Authorization": sidecar.token_file.read_text()}
        return [
            _row("sidecar, credentials URI", _median(sidecar, "/alibaba-cloud", headers={})),
            _row("sidecar, container endpoint", _median(sidecar, "/aws", headers=token)),
        ]
    finally:
        sidecar.close()


def _median(sidecar: Sidecar, path: str, *, headers: Mapping[str, str]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=5)
    taken = []
    for _ in range(_REQUESTS):
        start = time.perf_counter()
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - start) * 1000)
        assert answer.status == http.HTTPStatus.OK
    connection.close()
    return statistics.median(taken)


def _row(what: str, median: float) -> Row:
    return Row(
        f"{what}, median of a request",
        f"{median:.2f} ms",
        f"under {_GOAL_MILLISECONDS} ms",
        median < _GOAL_MILLISECONDS,
    )
