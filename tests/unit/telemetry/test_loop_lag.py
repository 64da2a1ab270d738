"""The watchdog of the event loop."""

import asyncio
import time

import pytest

from keywright.telemetry.loop_lag import LoopWatchdog
from keywright.telemetry.metrics import Metrics


def _hold_up(seconds: float, secret: str) -> str:
    """Keep the processor busy, as a loop over a tenant's rows would."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        secret = secret[::-1]
    return secret


async def test_a_turn_that_is_late_is_measured_and_its_culprit_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once for each time, with places in the code and no value; a loop that runs is not logged."""
    lags: asyncio.Queue[float] = asyncio.Queue()
    watchdog = asyncio.create_task(LoopWatchdog(lags.put_nowait).run())
    await lags.get()
    assert "event loop lag" not in caplog.text
    _hold_up(0.8, "a-secret-value")
    while await lags.get() < 0.25:
        pass
    (line,) = [record for record in caplog.records if "event loop lag" in record.message]
    assert line.levelname == "WARNING"
    assert "telemetry/test_loop_lag.py" in line.message
    assert "_hold_up" in line.message
    assert "a-secret-value" not in line.message
    watchdog.cancel()
    await asyncio.wait({watchdog})


def test_the_lag_is_exported() -> None:
    """As a histogram, and the longest since the start."""
    metrics = Metrics()
    for seconds in (0.001, 0.3, 0.2):
        metrics.loop_lag(seconds)
    text = metrics.text().decode()
    assert 'keywright_event_loop_lag_seconds_bucket{le="0.25"} 2.0' in text
    assert "keywright_event_loop_lag_seconds_count 3.0" in text
    assert "keywright_event_loop_lag_max_seconds 0.3" in text


def test_restarts_of_tasks_are_exported() -> None:
    """By the kind of task."""
    metrics = Metrics()
    metrics.task_restarted("grant dispatcher")
    assert 'keywright_task_restarts_total{task="grant dispatcher"} 1.0' in metrics.text().decode()
