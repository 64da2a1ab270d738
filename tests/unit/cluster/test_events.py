"""Queued Events: posted one after the other, the namespaces in turn, and never without a bound."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keywright.api.errors import ApiUnreachableError
from keywright.cluster.events import EventWriter


class _Posts:
    """The API server's Events, in the order in which they arrived."""

    def __init__(self, *, wanted: int, fail: int = 0) -> None:
        self.notes: list[tuple[str, str]] = []
        self.complete = asyncio.Event()
        self._wanted, self._fail = wanted, fail

    async def request(self, method: str, path: str, *, body: dict[str, Any]) -> None:
        assert method == "POST"
        namespace = body["metadata"]["namespace"]
        assert path == f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        self.notes.append((namespace, body["note"]))
        if len(self.notes) >= self._wanted:
            self.complete.set()
        if self._fail:
            self._fail -= 1
            raise ApiUnreachableError("no answer")


def _queue(writer: EventWriter, namespace: str, count: int) -> None:
    for number in range(count):
        regarding = {"kind": "ApiKeyGrant", "namespace": namespace, "name": "g", "uid": "u"}
        writer.queue(regarding, warning=False, reason="Issued", note=str(number))


async def _run_until_complete(writer: EventWriter, posts: _Posts) -> None:
    task = asyncio.create_task(writer.run())
    try:
        async with asyncio.timeout(20):
            await posts.complete.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_namespace_with_many_events_does_not_delay_another() -> None:
    """The second namespace's first Event is the second of all."""
    posts = _Posts(wanted=22)
    writer = EventWriter(posts, instance="a", pause=0)  # type: ignore[arg-type]
    _queue(writer, "flood", 20)
    _queue(writer, "quiet", 2)
    await _run_until_complete(writer, posts)
    assert [namespace for namespace, _ in posts.notes[:4]] == ["flood", "quiet", "flood", "quiet"]
    assert [note for namespace, note in posts.notes if namespace == "flood"] == [
        str(number) for number in range(20)
    ]


async def test_a_namespace_keeps_a_bounded_number() -> None:
    """The first ones, as they say how it began."""
    posts = _Posts(wanted=257)
    writer = EventWriter(posts, instance="a", pause=0)  # type: ignore[arg-type]
    _queue(writer, "flood", 1000)
    _queue(writer, "quiet", 1)
    await _run_until_complete(writer, posts)
    assert len(posts.notes) == 257


async def test_an_event_that_is_refused_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """And the next one is posted."""
    caplog.set_level("INFO")
    posts = _Posts(wanted=2, fail=1)
    writer = EventWriter(posts, instance="a", pause=0)  # type: ignore[arg-type]
    _queue(writer, "team", 2)
    await _run_until_complete(writer, posts)
    assert [note for _, note in posts.notes] == ["0", "1"]
    assert "no answer" in caplog.text


async def test_events_that_arrive_later_are_posted_as_well() -> None:
    """The task waits without work."""
    posts = _Posts(wanted=1)
    writer = EventWriter(posts, instance="a", pause=0)  # type: ignore[arg-type]
    task = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    _queue(writer, "team", 1)
    async with asyncio.timeout(20):
        await posts.complete.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_make_way_for_keys_that_are_due() -> None:
    """Twenty pauses between two Events while keys are due, one as soon as none is."""
    posts = _Posts(wanted=5)
    seen: list[int] = []

    def busy() -> bool:
        seen.append(len(posts.notes))
        return len(posts.notes) < 3

    writer = EventWriter(posts, instance="a", pause=0, busy=busy)  # type: ignore[arg-type]
    _queue(writer, "team", 5)
    await _run_until_complete(writer, posts)
    assert [seen.count(number) for number in (1, 2, 3, 4)] == [20, 20, 1, 1]


async def test_keys_that_are_always_due_slow_down_events_for_a_minute() -> None:
    """As of a tenant whose endpoints hang; nor does a moment without them begin another minute."""
    posts = _Posts(wanted=10)
    seen: list[int] = []
    seconds = 1000.0

    def busy() -> bool:
        nonlocal seconds
        seen.append(len(posts.notes))
        seconds += 3.0 if len(posts.notes) < 7 else 240.0
        # Between two Events, no key is due.
        return len(posts.notes) != 5

    writer = EventWriter(
        posts,  # type: ignore[arg-type]
        instance="a",
        pause=0,
        busy=busy,
        clock=lambda: seconds,
    )
    _queue(writer, "team", 10)
    await _run_until_complete(writer, posts)
    looks = [seen.count(number) for number in range(1, 10)]
    # A minute is twenty looks of three seconds. After five minutes, the pace is slow again: until
    # the second look, as one takes four minutes then.
    assert looks == [20, 1, 1, 1, 1, 1, 2, 2, 2]
