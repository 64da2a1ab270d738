"""A grant whose status or finalizers another client changes again and again."""

from datetime import timedelta
from typing import Any

import pytest

from keywright.controller.event_handlers import Damper
from tests.unit.api.samples import grant_body
from tests.unit.controller.samples import UID, Scene, scene
from tests.unit.fakes.clock import FakeClock


def test_five_changes_are_answered_at_once_then_pauses_grow_to_a_minute() -> None:
    """Ten quiet minutes, or a new object of the same uid, reset the count."""
    clock = FakeClock()
    damper = Damper(clock)
    found = [damper.due("a", name="chat/a") for _ in range(13)]
    pauses = [due - clock.now if due is not None else timedelta(0) for due in found]
    seconds = [pause.total_seconds() for pause in pauses]
    assert seconds == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert damper.due("b", name="chat/b") is None
    clock.advance(minutes=11)
    assert damper.due("a", name="chat/a") is None
    for _ in range(9):
        damper.due("a", name="chat/a")
    damper.forget("a")
    assert damper.due("a", name="chat/a") is None


def _seen(made: Scene, version: int, **metadata: Any) -> None:
    body = grant_body()
    body["metadata"] |= {"resourceVersion": str(version), **metadata}
    made.event_handlers.grant(body)


@pytest.mark.parametrize(
    "request_",
    [
        {"generation": 9},
        {"deletionTimestamp": "2026-11-22T12:00:00Z"},
        {"annotations": {"keywright.dev/renew-requested-at": "2026-11-22T12:00:00Z"}},
    ],
    ids=["edit", "deletion", "request"],
)
async def test_what_asks_for_something_is_never_delayed(request_: dict[str, Any]) -> None:
    """However often the status was changed before."""
    made = scene()
    for version in range(1000, 1010):
        _seen(made, version)
        work = made.grant_queue.take_work()
        if work is not None:
            made.grant_queue.done(UID, due=None)
    _seen(made, 1010)
    assert made.grant_queue.take_work() is None
    _seen(made, 1011, **request_)
    work = made.grant_queue.take_work()
    assert work is not None
    assert work.key == UID
