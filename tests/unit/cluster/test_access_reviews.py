"""Who may read /metrics, by the answers of the API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from keywright.api.errors import ApiUnreachableError
from keywright.cluster.access_reviews import Access, AccessReviews
from tests.unit.fakes.clock import FakeMonotonic
from tests.unit.fakes.kubernetes import KubernetesInMemory

GOOD = "Bearer good"


class Reviewer(KubernetesInMemory):
    """Knows the tokens `good` and `guest`; `down` answers nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.reviews: list[tuple[str, Any]] = []
        self.down = False

    @override
    async def request(self, method: str, path: str, **more: Any) -> Any:
        if self.down:
            raise ApiUnreachableError(path)
        spec = more["body"]["spec"]
        kind = more["body"]["kind"]
        self.reviews.append((kind, spec))
        await asyncio.sleep(0)
        if kind == "TokenReview":
            known = spec["token"] in {"good", "guest"}
            user = {"username": spec["token"], "uid": "1", "groups": ["g"], "extra": {"a": ["b"]}}
            return {"status": {"authenticated": known, **({"user": user} if known else {})}}
        return {"status": {"allowed": spec["user"] == "good"}}


class Desk:
    """Reviews with a clock that stands still."""

    def __init__(self) -> None:
        self.api = Reviewer()
        self.clock = FakeMonotonic()
        self.reviews = AccessReviews(self.api, path="/metrics", monotonic=self.clock)


@pytest.mark.parametrize(
    ("header", "access"),
    [
        (GOOD, Access.ALLOWED),
        ("bearer good", Access.ALLOWED),
        ("Bearer guest", Access.FORBIDDEN),
        ("Bearer stranger", Access.UNAUTHENTICATED),
        (None, Access.UNAUTHENTICATED),
        ("", Access.UNAUTHENTICATED),
        ("Bearer", Access.UNAUTHENTICATED),
        ("Bearer \udcff\udcfe", Access.UNAUTHENTICATED),
        ("Bearer gö", Access.UNAUTHENTICATED),
        ("Bearer good\x00", Access.UNAUTHENTICATED),
        ("Bearer good, Bearer guest", Access.UNAUTHENTICATED),
        ("Basic good", Access.UNAUTHENTICATED),
        (f"Bearer {'x' * 20_000}", Access.UNAUTHENTICATED),
    ],
)
async def test_the_api_server_decides(header: str | None, access: Access) -> None:
    """A token that it does not know, a user who may not, and no token at all."""
    assert await Desk().reviews.check(header) is access


async def test_the_whole_user_is_asked_about() -> None:
    """Groups and extras decide in RBAC and in webhooks."""
    desk = Desk()
    await desk.reviews.check(GOOD)
    assert desk.api.reviews[1] == (
        "SubjectAccessReview",
        {
            "user": "good",
            "uid": "1",
            "groups": ["g"],
            "extra": {"a": ["b"]},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    )


async def test_a_decision_is_kept_for_a_minute() -> None:
    """One scrape a minute costs two requests; refusals are kept as well."""
    desk = Desk()
    for header in (GOOD, "Bearer stranger"):
        await desk.reviews.check(header)
        requested = len(desk.api.reviews)
        await desk.reviews.check(header)
        assert len(desk.api.reviews) == requested
    desk.clock.seconds += 61
    requested = len(desk.api.reviews)
    await desk.reviews.check(GOOD)
    assert len(desk.api.reviews) == requested + 2


async def test_requests_that_come_together_are_reviewed_once() -> None:
    """A scraper with many connections is no load on the API server."""
    desk = Desk()
    found = await asyncio.gather(*(desk.reviews.check(GOOD) for _ in range(50)))
    assert set(found) == {Access.ALLOWED}
    assert len(desk.api.reviews) == 2


async def test_monitoring_outlives_the_api_server() -> None:
    """Clients stay allowed while the API server is unreachable; new ones are not let in."""
    desk = Desk()
    await desk.reviews.check(GOOD)
    desk.clock.seconds += 3600
    desk.api.down = True
    assert await desk.reviews.check(GOOD) is Access.ALLOWED
    assert await desk.reviews.check("Bearer other") is Access.UNAVAILABLE


async def test_strangers_do_not_push_out_who_is_allowed() -> None:
    """The memory is bounded, and a flood of tokens takes only the places of refusals."""
    desk = Desk()
    await desk.reviews.check(GOOD)
    for number in range(1500):
        await desk.reviews.check(f"Bearer stranger-{number}")
    requested = len(desk.api.reviews)
    assert await desk.reviews.check(GOOD) is Access.ALLOWED
    assert len(desk.api.reviews) == requested
    assert len(desk.reviews._decisions) <= 1024
