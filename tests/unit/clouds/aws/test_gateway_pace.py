"""API Gateway's fixed quotas and its one change at a time, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.aws.api_gateway.client import GatewayQuotas
from tests.unit.clouds.test_rate_limit import Watch

PLACE = ("123456789012", "us-east-1")
OTHER = ("123456789012", "eu-west-1")


@pytest.fixture
def pace() -> GatewayQuotas:
    """At the rates of AWS, with a clock that stands."""
    return GatewayQuotas(clock=Watch())


async def test_a_plan_is_changed_once_in_twenty_seconds(pace: GatewayQuotas) -> None:
    """What is due much later is refused at once, with its time; nothing is held by it."""
    leave = await pace.enter(PLACE, "UpdateUsagePlan", tenant="chat", change=True)
    leave()
    with pytest.raises(Failure) as caught:
        await pace.enter(PLACE, "UpdateUsagePlan", tenant="chat", change=True)
    assert caught.value.kind is FailureClass.THROTTLED
    assert caught.value.no_side_effect
    assert caught.value.retry_after is not None
    assert 20 <= caught.value.retry_after.total_seconds() <= 22
    async with asyncio.timeout(1):
        # Other operations and Regions do not wait for it.
        await pace.enter(PLACE, "CreateApiKey", tenant="chat", change=True)
        await pace.enter(OTHER, "UpdateUsagePlan", tenant="chat", change=True)


async def test_one_change_at_a_time_and_tenants_take_turns(pace: GatewayQuotas) -> None:
    """Reads need not wait for a change; a flood of one namespace delays another by one turn."""
    order: list[str] = []
    leaves: list[Callable[[], None]] = []

    async def change(tenant: str) -> None:
        leaves.append(await pace.enter(PLACE, "CreateUsagePlanKey", tenant=tenant, change=True))
        order.append(tenant)

    await change("first")
    flood = [asyncio.create_task(change("flood")) for _ in range(10)]
    await asyncio.sleep(0)
    honest = asyncio.create_task(change("honest"))
    await asyncio.sleep(0.01)
    assert order == ["first"]
    async with asyncio.timeout(1):
        await pace.enter(PLACE, "GetApiKeys", tenant="flood", change=False)
    for number in range(2):
        leaves[number]()
        await asyncio.sleep(0.01)
    assert honest.done()
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


async def test_a_caller_that_is_cancelled_leaves_the_place_free(pace: GatewayQuotas) -> None:
    """While it waits for a change, and while it waits for its turn."""
    leave = await pace.enter(PLACE, "TagResource", tenant="chat", change=True)
    waiting = asyncio.create_task(pace.enter(PLACE, "TagResource", tenant="chat", change=True))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    leave()
    async with asyncio.timeout(1):
        await pace.enter(PLACE, "TagResource", tenant="chat", change=True)


async def test_a_burst_and_then_ten_calls_a_second() -> None:
    """Forty at once; the next ones wait, by the scale of time."""
    pace = GatewayQuotas(scale=100)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(40):
        await pace.enter(PLACE, "GetApiKeys", tenant="chat", change=False)
    for _ in range(100):
        await pace.enter(PLACE, "GetApiKeys", tenant="chat", change=False)
    # 100 calls at 950 a second.
    assert loop.time() - began >= 0.09
