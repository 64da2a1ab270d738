"""What counts as the lateness of a renewal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.controller.samples import Scene, scene
from tests.unit.controller.test_grants import DENIED

_NAME = "keywright_renewal_lateness_seconds"


def _lateness(made: Scene) -> tuple[float, float]:
    """The number of renewals, and the sum of their lateness in seconds."""
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(made.metrics.text().decode())
        for sample in family.samples
    }
    return found[f"{_NAME}_count"], found[f"{_NAME}_sum"]


async def _suspended(made: Scene, *, after_renewal_time: timedelta) -> None:
    """The grant gets a key, and is then suspended until that long after its planned renewal."""
    due = await made.settle()
    made.put_grant(suspend=True)
    await made.settle()
    made.clock.now = due + after_renewal_time
    await made.settle()
    assert _lateness(made) == (0, 0)


async def test_a_renewal_is_late_from_its_planned_time() -> None:
    """Without a suspension, by the time that has passed since then."""
    made = scene()
    due = await made.settle()
    made.clock.now = due + timedelta(minutes=5)
    await made.settle()
    number, seconds = _lateness(made)
    assert number == 1
    assert seconds == pytest.approx(300, abs=2)


@pytest.mark.parametrize(
    "wait", [timedelta(minutes=10), timedelta(days=2)], ids=["key valid", "key expired"]
)
async def test_the_wait_of_a_suspension_is_not_late(wait: timedelta) -> None:
    """The user asked for it; the renewal is due from the moment at which it ends."""
    made = scene()
    await _suspended(made, after_renewal_time=wait)
    made.put_grant(suspend=False)
    await made.settle()
    assert made.status()["revision"] == 2
    assert _lateness(made) == (1, 0)


async def test_failures_after_a_suspension_are_late() -> None:
    """From its end on, and not from the planned time."""
    made = scene()
    await _suspended(made, after_renewal_time=timedelta(minutes=10))
    made.put_grant(suspend=False)
    made.cloud_provider.failures.append(DENIED)
    again = await made.settle()
    assert made.conditions() == ["Ready True Succeeded", "RenewalFailing True AccessDenied"]
    assert made.status()["state"] == "RenewalFailing"
    assert _lateness(made) == (0, 0)
    made.clock.now = again + timedelta(seconds=30)
    await made.settle()
    number, seconds = _lateness(made)
    assert number == 1
    assert 30 <= seconds < 60


async def test_a_suspension_counts_for_one_renewal() -> None:
    """The renewal after the next is late from its own planned time."""
    made = scene()
    await _suspended(made, after_renewal_time=timedelta(minutes=10))
    made.put_grant(suspend=False)
    due = await made.settle()
    made.clock.now = due + timedelta(minutes=1)
    await made.settle()
    number, seconds = _lateness(made)
    assert number == 2
    assert seconds == pytest.approx(60, abs=2)


async def test_a_second_suspension_begins_again() -> None:
    """The end of the last one counts."""
    made = scene()
    await _suspended(made, after_renewal_time=timedelta(minutes=10))
    made.put_grant(suspend=False)
    made.cloud_provider.failures.append(DENIED)
    await made.settle()
    made.put_grant(suspend=True)
    await made.settle()
    made.clock.advance(hours=1)
    made.put_grant(suspend=False)
    await made.settle()
    assert _lateness(made) == (1, 0)
