"""A thousand keys of one account are looked up by one paged listing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError
from typing_extensions import override

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.bedrock_keys import BEDROCK, BedrockLongTermKey
from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.clouds.aws.api_gateway.keys import GatewayKeys
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.aws.iam.user_keys import UserKeys
from keywright.clouds.listings import SharedListings
from keywright.clouds.owner_tags import TAG
from keywright.planning.state import KeyFault
from tests.unit.api.samples import grant, source
from tests.unit.clouds.aws.contexts import ScriptedSts, bare, context
from tests.unit.fakes.clock import FakeClock
from tests.unit.replace import replace

_KEYS = 1000
_ACCOUNT = "123456789012"
_Answer = TypeVar("_Answer")


class _RefusedError(ClientError):
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "AccessDenied", "Message": "no"}}, "List")


class _Errors:
    ClientError = ClientError


@dataclass
class Cloud(BotoClients):
    """IAM and API Gateway with a thousand keys; counts the requests that it answers."""

    all_users: bool = True
    requests: int = 0
    gone: set[int] = field(default_factory=set)
    disabled: set[int] = field(default_factory=set)
    outside: set[int] = field(default_factory=set)
    exceptions: type[_Errors] = _Errors

    @override
    async def run(self, service: str, call: Callable[[Any], _Answer], **options: Any) -> _Answer:
        del service, options
        await asyncio.sleep(0)
        return call(self)

    def list_service_specific_credentials(self, **request: Any) -> dict[str, Any]:
        """In pages of a hundred, as IAM has them."""
        self.requests += 1
        numbers = [number for number in range(_KEYS) if number not in self.gone]
        if request.get("AllUsers"):
            if not self.all_users:
                raise _RefusedError
            first = int(request.get("Marker", 0))
            page, rest = numbers[first : first + 100], numbers[first + 100 :]
        else:
            name = str(request["UserName"])
            page, rest = [n for n in numbers if name == f"user-{n}"], []
            first = 0
        assert request["ServiceName"] == BEDROCK.name
        items = [
            {
                "UserName": f"user-{n}",
                "ServiceSpecificCredentialId": f"ACCA{n}",
                "Status": "Active",
            }
            for n in page
        ]
        answer = {"ServiceSpecificCredentials": items, "IsTruncated": bool(rest)}
        return answer | ({"Marker": str(first + 100)} if rest else {})

    def get_paginator(self, action: str) -> _Paginator:
        """Of keys, of the keys in plan p, or of the plans of a key."""
        return _Paginator(self, action)

    def items(self, action: str, request: dict[str, Any]) -> list[dict[str, Any]]:
        """All that a listing has."""
        numbers = [number for number in range(_KEYS) if number not in self.gone]
        match action:
            case "get_api_keys":
                return [
                    {
                        "id": f"k{n}",
                        "enabled": n not in self.disabled,
                        "tags": {TAG: f"chat/grant-{n}"},
                    }
                    for n in numbers
                ]
            case "get_usage_plan_keys":
                assert request["usagePlanId"] == "p"
                return [{"id": f"k{n}"} for n in numbers if n not in self.outside]
            case "get_usage_plans":
                outside = int(request["keyId"][1:]) in self.outside
                return [] if outside else [{"id": "p"}]
            case _:
                raise AssertionError(action)


@dataclass(frozen=True)
class _Paginator:
    cloud: Cloud
    action: str

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        """In pages of five hundred, as API Gateway has them."""
        size = request["PaginationConfig"]["PageSize"]
        items = self.cloud.items(self.action, request)
        for first in range(0, max(len(items), 1), size):
            self.cloud.requests += 1
            yield {"items": items[first : first + size]}


def _grant(number: int, **spec: Any) -> ApiKeyGrant:
    found = grant(bedrockShortTermKey=None, **spec)
    return replace(found, name=f"grant-{number}")


def _keys(kind: str, number: int, edge: Any) -> tuple[UserKeys | GatewayKeys, str]:
    if kind == "iam":
        user = {"name": f"user-{number}"}
        made = _grant(number, bedrockLongTermKey={"user": user, "rotateEvery": "7d"})
        assert isinstance(made.key, BedrockLongTermKey)
        long_term = UserKeys(made.key, made, source(), bare(), edge)
        return long_term, f"{_ACCOUNT}/user-{number}/ACCA{number}"
    made = _grant(number, apiGatewayKey={"usagePlan": {"id": "p"}})
    assert isinstance(made.key, ApiGatewayKey)
    gateway = GatewayKeys(made.key, made, source(), bare(), edge)
    return gateway, f"{_ACCOUNT}/us-west-2/k{number}"


async def _look_up_all(
    cloud: Cloud, kind: str, clock: Callable[[], datetime]
) -> dict[int, KeyFault]:
    """The faults by the numbers of the keys."""
    listings = SharedListings(clock=clock)
    edge = replace(context(ScriptedSts()), calls=cloud, listings=listings)
    each = [_keys(kind, number, edge) for number in range(_KEYS)]
    found = await asyncio.gather(
        *(keys.find_fault(key_id, frozenset({key_id}), 1) for keys, key_id in each)
    )
    return {number: fault for number, fault in enumerate(found) if fault is not None}


@pytest.mark.parametrize(("kind", "pages"), [("iam", 10), ("gateway", 4)])
def test_a_thousand_keys_cost_the_pages_of_shared_listings(kind: str, pages: int) -> None:
    """However many grants look at once; a key that is missing is seen.

    API Gateway: two pages of keys, and two of the keys in their usage plan.
    """
    cloud = Cloud(gone={7})
    found = asyncio.run(_look_up_all(cloud, kind, FakeClock()))
    assert found == {7: KeyFault.MISSING}
    assert cloud.requests == pages


def test_a_key_outside_of_its_plan_costs_one_more_request() -> None:
    """Its own plans are read to confirm what an old listing shows; nothing is read of others."""
    cloud = Cloud(outside={3, 600})
    found = asyncio.run(_look_up_all(cloud, "gateway", FakeClock()))
    assert found == {3: KeyFault.OUTSIDE_PLAN, 600: KeyFault.OUTSIDE_PLAN}
    assert cloud.requests == 4 + 2


def test_a_disabled_key_is_left_to_a_listing_of_its_own() -> None:
    """A listing that is minutes old does not say that a key is disabled now."""
    found = asyncio.run(_look_up_all(Cloud(disabled={3}), "gateway", FakeClock()))
    assert found == {3: KeyFault.MISSING}


def test_where_only_single_users_may_be_listed_each_costs_one_call() -> None:
    """The refusal of the whole listing is remembered."""
    cloud = Cloud(all_users=False, gone={7})
    found = asyncio.run(_look_up_all(cloud, "iam", FakeClock()))
    assert found == {7: KeyFault.MISSING}
    assert cloud.requests == 1 + _KEYS


def test_a_listing_is_made_again_when_it_is_old() -> None:
    """After its age, and not before; a failed one is never used."""
    clock, made = FakeClock(), 0

    async def make() -> dict[str, str]:
        nonlocal made
        made += 1
        if made == 1:
            raise OSError
        return {}

    async def play() -> None:
        listings = SharedListings(clock=clock, age=timedelta(minutes=10))
        with pytest.raises(OSError):  # noqa: PT011  that one
            await listings.get(("iam",), make, source=source())
        await listings.get(("iam",), make, source=source())
        clock.advance(minutes=9)
        await listings.get(("iam",), make, source=source())
        assert made == 2
        clock.advance(minutes=1)
        await listings.get(("iam",), make, source=source())

    asyncio.run(play())
    assert made == 3


@pytest.mark.parametrize("kind", list(FailureClass))
def test_a_failed_listing_speaks_for_its_source_alone(kind: FailureClass) -> None:
    """Those of another source that waited for it make one that they share, whatever the failure.

    Those of the same source share the failure, as they would get the same one.
    """
    made: list[str] = []

    async def play() -> list[str]:
        listings = SharedListings(clock=FakeClock())

        async def answer(uid: str, *, fails: bool, generation: int = 1) -> str:
            async def make() -> str:
                made.append(uid)
                await asyncio.sleep(0)
                if fails:
                    raise Failure("no.", kind=kind, reason="AccessDenied")
                return "made"

            by = replace(source(), uid=uid, generation=generation)
            try:
                return await listings.get(("iam",), make, source=by)
            except Failure:
                return "failed"

        return list(
            await asyncio.gather(
                answer("hostile", fails=True),
                answer("hostile", fails=True),
                answer("honest", fails=False),
                answer("honest", fails=False),
                answer("hostile", fails=False, generation=2),
            )
        )

    assert asyncio.run(play()) == ["failed", "failed", "made", "made", "made"]
    assert made == ["hostile", "honest", "hostile"]


def test_nobody_waits_for_the_failures_of_several_others() -> None:
    """In an outage, each source learns of it by one request of its own, at the same time."""
    began: list[int] = []

    async def play() -> None:
        listings, every = SharedListings(clock=FakeClock()), asyncio.Event()

        async def answer(number: int) -> None:
            async def make() -> str:
                began.append(number)
                if len(began) == 10:
                    every.set()
                if number:
                    await every.wait()
                raise Failure("no.", kind=FailureClass.TRANSIENT, reason="Unreachable")

            with pytest.raises(Failure):
                await listings.get(("iam",), make, source=replace(source(), uid=f"uid-{number}"))

        async with asyncio.timeout(20):
            await asyncio.gather(*(answer(number) for number in range(10)))

    asyncio.run(play())
    assert sorted(began) == list(range(10))
