"""Cached boto3 clients: no tenant delays or evicts those of others, and none keeps a session."""

import asyncio
import gc
import re
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from keywright.clouds.addresses import Reach
from keywright.clouds.aws.client_cache import BotoClientCache, ClientKey
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.bounded import FairLruDict
from keywright.clouds.http import HttpClient, HttpResponse, Timeouts
from keywright.clouds.interfaces import Session
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.provider import session

ANSWER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>a</Arn><UserId>u</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


class RecordingHttp(HttpClient):
    """Sends nothing: notes which key signed each request, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__()
        self.signed_by: list[str] = []
        self.status = 200

    @override
    async def exchange(
        self,
        method: str,
        url: str,
        *,
        limits: Timeouts,
        reach: Reach,
        body: bytes | None,
        headers: Mapping[str, str],
        keep: bool = True,
    ) -> HttpResponse:
        found = re.search(r"Credential=(\w+)/", headers.get("Authorization", ""))
        self.signed_by.append(found.group(1) if found else "")
        return HttpResponse(self.status, ANSWER)


async def _client(
    calls: BotoClients,
    *,
    tenant: str,
    endpoint: str | None = None,
    session: Session | None = None,
    attempts: int = 3,
) -> Any:
    return await calls.run(
        "sts",
        lambda client: client,
        region="us-east-1",
        tenant=tenant,
        endpoint=endpoint,
        session=session,
        attempts=attempts,
    )


async def _caller(calls: BotoClients, *, session: Session, attempts: int = 3) -> Any:
    return await calls.run(
        "sts",
        lambda client: client.get_caller_identity(),
        region="us-east-1",
        tenant="honest",
        session=session,
        attempts=attempts,
    )


async def test_a_client_that_exists_does_not_wait_for_one_that_is_being_made() -> None:
    """Sixty endpoints of one tenant must not delay all others."""
    calls = BotoClients()
    mine = await _client(calls, tenant="honest")
    assert calls._clients._making.acquire(timeout=10)
    try:
        other = asyncio.create_task(
            _client(calls, tenant="hostile", endpoint="https://sts.us-west-2.amazonaws.com")
        )
        async with asyncio.timeout(10):
            assert await _client(calls, tenant="honest") is mine
        assert not other.done()
    finally:
        calls._clients._making.release()
    assert await other is not mine
    calls.close()


async def test_endpoints_of_tenants_evict_no_client_of_the_vendors_hosts() -> None:
    """Each has a cache of its own."""
    calls = BotoClients()
    mine = await _client(calls, tenant="honest")
    for number in range(100):
        key = ClientKey("sts", "us-east-1", str(number))
        calls._clients._unsigned_of_endpoints.put(key, mine)
    assert await _client(calls, tenant="honest") is mine
    theirs = await _client(calls, tenant="hostile", endpoint="https://sts.us-west-2.amazonaws.com")
    assert theirs is not mine
    assert calls.clients <= 65
    calls.close()


async def test_signed_calls_of_a_tenant_reuse_one_client() -> None:
    """A client is made once for each service, region and number of attempts."""
    calls = BotoClients()
    mine = await _client(calls, tenant="honest", session=session(issued_at=NOON))
    assert await _client(calls, tenant="honest", session=session(issued_at=NOON, name="2")) is mine
    once = await _client(calls, tenant="honest", session=session(issued_at=NOON), attempts=1)
    assert once is not mine
    assert once.meta.config.retries["total_max_attempts"] == 1
    assert mine.meta.config.retries["total_max_attempts"] == 3
    calls.close()


async def test_two_tenants_with_the_same_role_share_no_client() -> None:
    """The SDK counts retries by client: one tenant must not use up those of another."""
    calls = BotoClients()
    same = session(issued_at=NOON)
    mine = await _client(calls, tenant="honest", session=same)
    assert await _client(calls, tenant="other", session=same) is not mine
    calls.close()


async def test_a_request_is_signed_by_the_session_of_its_call() -> None:
    """Also after a renewal, and in several threads at once: a client never mixes up sessions."""
    http = RecordingHttp()
    calls = BotoClients(http=http, threads=2)
    sessions = [session(issued_at=NOON, name=str(number)) for number in range(20)]
    names = [each.access_key_id for each in sessions]
    for each in (*sessions, *sessions):
        await _caller(calls, session=each)
    assert http.signed_by == [*names, *names]
    both = threading.Barrier(2)

    def work(client: Any) -> None:
        both.wait(timeout=20)
        client.get_caller_identity()

    async def call(each: Session) -> None:
        await calls.run("sts", work, region="us-east-1", tenant="honest", session=each)

    http.signed_by.clear()
    await asyncio.gather(*map(call, sessions))
    assert sorted(http.signed_by) == sorted(names)
    assert calls.clients == 1
    calls.close()
    await http.close()


async def test_the_secrets_of_a_session_are_in_no_client_after_the_call() -> None:
    """A revoked or renewed session leaves nothing behind that could sign once more."""
    http = RecordingHttp()
    calls = BotoClients(http=http)
    await _caller(calls, session=session(issued_at=NOON))
    client = await _client(calls, tenant="honest", session=session(issued_at=NOON))
    assert not _reaches(client, "planted-secret-access-key")
    with pytest.raises(AttributeError):
        client.get_caller_identity()
    assert len(http.signed_by) == 1
    calls.close()
    await http.close()


def _reaches(root: object, text: str) -> bool:
    """Whether the text is found by following the references of botocore's own objects."""
    seen: set[int] = set()
    stack: list[object] = [root]
    while stack:
        for each in gc.get_referents(stack.pop()):
            if isinstance(each, str):
                if each == text:
                    return True
            elif id(each) not in seen and (
                isinstance(each, dict | list | tuple | set)
                or type(each).__module__.startswith(("botocore", "keywright"))
            ):
                seen.add(id(each))
                stack.append(each)
    return False


async def test_a_call_that_must_not_be_repeated_is_sent_once() -> None:
    """The SDK repeats the call of a client with three attempts, and no other."""
    http = RecordingHttp()
    http.status = 500
    calls = BotoClients(http=http)
    for attempts, sent in ((1, 1), (3, 4)):
        with pytest.raises(Exception, match="GetCallerIdentity"):
            await _caller(calls, session=session(issued_at=NOON), attempts=attempts)
        assert len(http.signed_by) == sent
    calls.close()
    await http.close()


def test_invented_regions_of_a_tenant_evict_only_its_own_clients() -> None:
    """A tenant that makes clients without end takes the places that others do not need."""
    cache = BotoClientCache(signing_session=lambda: session(issued_at=NOON), handlers={})
    mine = [cache.signed(ClientKey("sts", region), tenant="honest") for region in ("a-1", "b-1")]
    for number in range(150):
        cache._signed.put("hostile", ClientKey("sts", f"us-{number}"), mine[0])
    again = [cache.signed(ClientKey("sts", region), tenant="honest") for region in ("a-1", "b-1")]
    assert [new is old for new, old in zip(again, mine, strict=True)] == [True, True]
    assert len(cache) == 128


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=60),
)
def test_no_owner_evicts_an_owner_with_its_share(limit: int, puts: list[tuple[str, int]]) -> None:
    """The newest entries of an owner stay, up to a share of the limit."""
    evicted: list[tuple[str, int]] = []
    cache = FairLruDict[str, int, tuple[str, int]](limit, evicted=evicted.append)
    newest: dict[str, list[int]] = {}
    for owner, key in puts:
        cache.put(owner, key, (owner, key))
        stored = newest.setdefault(owner, [])
        if key in stored:
            stored.remove(key)
        stored.append(key)
    assert len(cache) <= limit
    share = limit // 3
    for owner, stored in newest.items():
        for key in stored[-share:] if share else ():
            assert cache.get(owner, key) == (owner, key)
    assert len(cache) + len(evicted) <= len(puts)
