"""The clients' rows are sums over a report that is still being written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from testbed.demo.tallies import Tally
from testbed.readers import Reading

GOOD = Reading(
    time=1_800_000_002.5,
    revision="1",
    issued_at="2027-01-15T08:00:00Z",
    expires_at="2027-01-15T08:00:15Z",
    client="boto3-converse",
    ok=True,
    text="yes",
    error=None,
)
BAD = dataclasses.replace(GOOD, ok=False, text="", error="403 expired")


def _line(reading: Reading) -> str:
    return json.dumps(dataclasses.asdict(reading)) + "\n"


def test_calls_are_counted_once_and_half_a_line_waits(tmp_path: Path) -> None:
    """However often one looks; the first failure stays known."""
    report = tmp_path / "report.jsonl"
    tally = Tally()
    tally.follow(report)
    assert tally.clients() == ()
    second = _line(BAD)
    report.write_text(_line(GOOD) + second[:20])
    assert [(row.succeeded, row.failed) for row in tally.clients()] == [(1, 0)]
    with report.open("a") as file:
        file.write(second[20:] + _line(GOOD))
    [row] = tally.clients()
    assert (row.succeeded, row.failed, row.answer, row.error) == (2, 1, "yes", "403 expired")
    assert row.key_age_seconds == 2.5
    assert tally.clients() == (row,)
