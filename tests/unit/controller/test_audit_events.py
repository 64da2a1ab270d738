"""Which actions are Events: every one, but of many renewals of a grant one in five minutes."""

from __future__ import annotations

from datetime import timedelta

from keywright.api.names import ANNOTATION_RENEW_REQUESTED_AT
from tests.unit.controller.samples import GRANTS, Scene, scene


async def _posted(made: Scene) -> list[str]:
    """The reasons of all Events, when the queued ones are posted."""
    await made.context.events.flush()
    return [reason for _, reason in made.api.events()]


async def _renew(made: Scene, request: str) -> None:
    """Request a renewal, and carry it out."""
    made.clock.advance(seconds=20)
    body = made.api.objects[f"{GRANTS}/chat-key"]
    body["metadata"]["annotations"] = {ANNOTATION_RENEW_REQUESTED_AT: request}
    made.store.put_grant(made.api.put(GRANTS, body))
    await made.settle()


async def test_renewals_in_a_short_time_are_one_event() -> None:
    """The log has a line for each of them."""
    made = scene()
    await made.settle()
    for request in ("first", "second", "third"):
        await _renew(made, request)
    assert made.status()["revision"] == 4
    assert await _posted(made) == ["Issued", "Renewed"]
    made.clock.now += timedelta(minutes=5)
    await _renew(made, "fourth")
    assert await _posted(made) == ["Issued", "Renewed", "Renewed"]
