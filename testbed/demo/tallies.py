"""The results of the clients: a sum over the report of their process, read as it grows."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path

from testbed.demo.observed import Client
from testbed.readers import Reading

APPLICATION, PARTNER = "app behind the proxy", "partner with two keys"
_MOST_ANSWERS = 8
_NAMES = {
    "boto3-converse": "boto3 converse",
    "openai-chat": "openai chat",
    "http-converse": "plain HTTP",
    "llm-app": APPLICATION,
    "partner-with-previous-key": PARTNER,
    "kubernetes": "reading the Secret",
}


class Tally:
    """One row for each client, over any number of reports."""

    def __init__(self) -> None:
        self._ends: dict[Path, int] = {}
        self._clients: dict[str, Client] = {}

    def follow(self, report: Path) -> None:
        """Count that report as well."""
        self._ends[report] = 0

    def clients(self) -> tuple[Client, ...]:
        """The rows, with everything reported until now."""
        for report in self._ends:
            for reading in self._news(report):
                name = _NAMES.get(reading.client, reading.client)
                self._clients[name] = counted(self._clients.get(name), reading, name=name)
        return tuple(self._clients.values())

    def _news(self, report: Path) -> list[Reading]:
        if not report.exists():
            return []
        with report.open("rb") as file:
            file.seek(self._ends[report])
            # The last line may be incomplete.
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._ends[report] += len(whole) + 1
        return [Reading(**json.loads(line)) for line in whole.splitlines()]


def counted(client: Client | None, reading: Reading, *, name: str) -> Client:
    """The row of a client after one more call."""
    before = client or Client(
        name=name, succeeded=0, failed=0, answer="", key_age_seconds=None, error=None
    )
    return dataclasses.replace(
        before,
        succeeded=before.succeeded + reading.ok,
        failed=before.failed + (not reading.ok),
        answer=reading.text if reading.ok else reading.error or "",
        key_age_seconds=_age(reading),
        error=before.error or reading.error,
        answers=_answers(before, reading),
    )


def _answers(before: Client, reading: Reading) -> frozenset[str]:
    """The different answers so far; a few, whatever a model says."""
    if not reading.ok or len(before.answers) >= _MOST_ANSWERS:
        return before.answers
    return before.answers | {reading.text}


def _age(reading: Reading) -> float | None:
    if reading.issued_at is None:
        return None
    return max(reading.time - datetime.fromisoformat(reading.issued_at).timestamp(), 0.0)
