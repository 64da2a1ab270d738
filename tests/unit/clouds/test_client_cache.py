"""The clients of AWS that are kept: those of tenants' endpoints delay and evict no others."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from keywright.clouds.aws.calls import BotoClients


@pytest.fixture
def calls() -> Iterator[BotoClients]:
    """Without a client yet."""
    made = BotoClients()
    yield made
    made.close()


async def _client(calls: BotoClients, *, tenant: str, endpoint: str | None = None) -> Any:
    return await calls.run(
        "sts", lambda client: client, region="us-east-1", tenant=tenant, endpoint=endpoint
    )


async def test_a_client_that_exists_does_not_wait_for_one_that_is_being_made(
    calls: BotoClients,
) -> None:
    """It takes 70 ms each: sixty endpoints of one tenant delayed all others by seconds."""
    mine = await _client(calls, tenant="honest")
    assert calls._making.acquire(timeout=10)
    try:
        other = asyncio.create_task(
            _client(calls, tenant="hostile", endpoint="https://sts.us-west-2.amazonaws.com")
        )
        async with asyncio.timeout(10):
            assert await _client(calls, tenant="honest") is mine
        assert not other.done()
    finally:
        calls._making.release()
    assert await other is not mine


async def test_endpoints_of_tenants_evict_no_client_of_the_vendors_hosts(
    calls: BotoClients,
) -> None:
    """Each has a cache of its own."""
    mine = await _client(calls, tenant="honest")
    for number in range(100):
        calls._tenant_clients.put(("sts", "us-east-1", str(number)), mine)
    assert await _client(calls, tenant="honest") is mine
    theirs = await _client(calls, tenant="hostile", endpoint="https://sts.us-west-2.amazonaws.com")
    assert theirs is not mine
    assert calls.clients <= 65
