"""Calls of boto3, in a bounded pool of threads.

The operator's own credentials are never used: calls are unsigned, signed with the session that the
caller passes, or by a function of the caller. Only `clouds.http` sends requests (`aws.transport`).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from keywright.api.aws_source import AwsSource
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.addresses import Reach
from keywright.clouds.aws.client_cache import (
    DEFAULT_ATTEMPTS,
    BotoClientCache,
    ClientKey,
)
from keywright.clouds.aws.error_codes import is_throttled, retry_after_seconds
from keywright.clouds.aws.transport import Observe, Transport
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.endpoints import Endpoints, not_allowed
from keywright.clouds.http import HttpClient
from keywright.clouds.interfaces import (
    DefaultCredentials,
    RequestObserver,
    SecretReader,
    Session,
    TokenSource,
)
from keywright.clouds.listings import SharedListings
from keywright.clouds.rate_limit import AdaptiveRateLimiter
from keywright.clouds.sessions import Clock
from keywright.clouds.shares import FairShares, Share
from keywright.clouds.slots import waiting_for_cloud


@dataclass(frozen=True, slots=True)
class AwsContext:
    """All external dependencies of an identity; `ambient` only if the flag allows it."""

    tokens: TokenSource
    secrets: SecretReader
    calls: BotoClients
    clock: Clock
    ambient: DefaultCredentials | None = None
    min_lifetime: timedelta = timedelta(0)
    listings: SharedListings = field(
        default_factory=lambda: SharedListings(clock=lambda: datetime.now(UTC))
    )


def aws_of(source: CredentialSource) -> AwsSource:
    """The AWS part of the source."""
    assert source.spec.aws is not None
    return source.spec.aws


_Answer = TypeVar("_Answer")
Sign: TypeAlias = Callable[[Any], None]
"""Adds headers to an AWSRequest of botocore; called in a thread for each attempt of a call."""
# Threads for tenants that arrive while slow calls of others occupy the regular ones.
_MAX_THREADS_FOR_EACH: Final = 8


class ServiceQuotas(Protocol):
    """The fixed quotas of one service, which its requests are limited to."""

    def limits(self, region: str, operation: str) -> tuple[str, ...]:
        """The names of the rate limits of an operation, beyond the fixed quotas."""

    async def enter(
        self, place: tuple[str, str], operation: str, *, tenant: str, change: bool
    ) -> Callable[[], None]:
        """Wait until the request may be sent; returns what must be called after the response.

        `place` is the rate limit key of the account, and the Region. Raises Failure.
        """


@dataclass(frozen=True, slots=True)
class _Call:
    """The context of a client's handlers: the call in their thread."""

    transport: Transport
    account: str
    tenant: str
    service: str
    region: str
    session: Session | None
    quotas: ServiceQuotas | None
    sign: Sign | None

    def limits(self, operation: str) -> tuple[str, ...]:
        """Return the names of the rate limits that apply to a request of this operation."""
        if self.quotas is None:
            return (self.service,)
        return self.quotas.limits(self.region, operation)


class BotoClients:
    """Clients by service, region and endpoint; the pool's first job imports boto3.

    `threads` calls run concurrently. Those that wait for a response for more than a second do not
    count for a namespace with less than its share: there are up to eight times as many threads.
    `quotas` has the services with fixed quotas. `observe` is called in the threads.
    """

    def __init__(
        self,
        *,
        http: HttpClient | None = None,
        endpoints: Endpoints | None = None,
        threads: int = 8,
        quotas: Mapping[str, ServiceQuotas] | None = None,
        skews: ClockSkews | None = None,
        observe: RequestObserver | None = None,
    ) -> None:
        self._skews = skews
        self._observe = observe
        self._quotas = quotas or {}
        self.rate_limiter = AdaptiveRateLimiter(clock=time.monotonic)
        self._http = http or HttpClient()
        self._endpoints = endpoints or Endpoints()
        most = threads * _MAX_THREADS_FOR_EACH
        self._shares = FairShares(soft=threads, hard=most)
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="aws")
        self._local = threading.local()
        self._clients = BotoClientCache(
            signing_session=self._session_of_call,
            handlers={
                "request-created.*": self._created,
                "before-send.*": self._send,
                "response-received.*": self._note,
            },
        )

    def warm_up(self) -> None:
        """Import boto3 and read the model of STS in the background: a third of a second."""
        self._pool.submit(self._http.warm_up)
        self._pool.submit(self._clients.unsigned, ClientKey("sts", "us-east-1"))

    def close(self) -> None:
        """Shut down without waiting; calls in progress end with the process."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def clients(self) -> int:
        """The number of cached clients."""
        return len(self._clients)

    async def run(
        self,
        service: str,
        call: Callable[[Any], _Answer],
        *,
        region: str,
        tenant: str,
        endpoint: str | None = None,
        session: Session | None = None,
        sign: Sign | None = None,
        pace: str | None = None,
        attempts: int = DEFAULT_ATTEMPTS,
        source: CredentialSource | None = None,
    ) -> _Answer:
        """Return `call(client)`, run in the pool; the client signs as `session`, if there is one.

        `sign` signs the requests of a call without a session, in another way than Signature V4.
        `tenant` is the namespace whose share of the threads the call uses; `pace` the rate limit
        key of its requests. `source` is the source that the clock skew is recorded for.
        `attempts=1` is for calls that must not be repeated: the SDK then does not retry.

        Raises:
            Failure: the operator does not allow the endpoint.
        """
        loop = asyncio.get_running_loop()
        reach = self._reach(endpoint)
        transport = Transport(
            self._http,
            loop,
            reach=reach,
            service=service,
            once=attempts == 1,
            observe=self._observer(source, reach),
        )
        key = ClientKey(service, region, endpoint, attempts)
        this = _Call(
            transport,
            account=pace or "",
            tenant=tenant,
            service=service,
            region=region,
            session=session,
            quotas=self._quotas.get(service),
            sign=sign,
        )

        def work() -> _Answer:
            self._local.call = this
            try:
                return call(
                    self._clients.unsigned(key)
                    if session is None
                    else self._clients.signed(key, tenant=tenant)
                )
            finally:
                del self._local.call

        with waiting_for_cloud():
            return await self._in_thread(work, loop, tenant=tenant)

    async def _in_thread(
        self, work: Callable[[], _Answer], loop: asyncio.AbstractEventLoop, *, tenant: str
    ) -> _Answer:
        share = await self._shares.acquire(tenant)
        try:
            # In the context of the caller: requests belong to the span of its reconcile.
            running = self._pool.submit(contextvars.copy_context().run, work)
        except BaseException:
            self._shares.release(share)
            raise
        # A thread outlives a cancelled caller, and occupies its slot until its own end.
        running.add_done_callback(lambda _: self._release(loop, share))
        return await asyncio.wrap_future(running)

    def _observer(self, source: CredentialSource | None, reach: Reach) -> Observe | None:
        if source is None or self._skews is None:
            return None
        return partial(self._skews.note, source=source, by_vendor=reach is not Reach.LISTED)

    def _release(self, loop: asyncio.AbstractEventLoop, share: Share) -> None:
        # A thread may end after the loop: then there is no waiter to start.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._shares.release, share)

    def _reach(self, endpoint: str | None) -> Reach:
        if endpoint is None:
            # botocore's own hosts, or those of the operator's AWS_ENDPOINT_URL variables.
            chosen = any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ)
            return Reach.OPERATOR if chosen else Reach.VENDOR
        reach = self._endpoints.sts_reach(endpoint)
        if reach is None:
            raise not_allowed("spec.aws.stsEndpoint")
        return reach

    # ---- called by botocore, in the thread of the call

    def _session_of_call(self) -> Session:
        call: _Call = self._local.call
        assert call.session is not None, "an unsigned call is being signed"
        return call.session

    def _created(self, request: Any, **_: Any) -> None:
        call: _Call = self._local.call
        if call.sign is not None:
            call.sign(request)

    def _send(self, request: Any, *, event_name: str = "", **_: Any) -> Any:
        call: _Call = self._local.call
        operation = event_name.rpartition(".")[2]
        if not call.account:
            return self._sent(call, request, operation)
        for limit in call.limits(operation):
            if self.rate_limiter.is_held(call.account, limit):
                turn = self.rate_limiter.wait(call.account, limit, tenant=call.tenant)
                asyncio.run_coroutine_threadsafe(turn, call.transport.loop).result()
        if call.quotas is None:
            return self._sent(call, request, operation)
        place, loop = (call.account, call.region), call.transport.loop
        change = request.method != "GET"
        entering = call.quotas.enter(place, operation, tenant=call.tenant, change=change)
        leave = asyncio.run_coroutine_threadsafe(entering, loop).result()
        try:
            return self._sent(call, request, operation)
        finally:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(leave)

    def _sent(self, call: _Call, request: Any, operation: str) -> Any:
        """Send the request, and count it with its time on the way."""
        if self._observe is None:
            return call.transport.send(request)
        began, status = time.monotonic(), None
        try:
            response = call.transport.send(request)
            status = response.status_code
        finally:
            self._observe(
                Provider.AWS.value,
                f"{call.service}:{operation}",
                status=status,
                seconds=time.monotonic() - began,
            )
        return response

    def _note(
        self, parsed_response: dict[str, Any] | None = None, *, event_name: str = "", **_: Any
    ) -> None:
        """Record each response, including those that botocore retries."""
        call: _Call = self._local.call
        if not call.account:
            return
        answer = parsed_response or {}
        refused = is_throttled(answer)
        for limit in call.limits(event_name.rpartition(".")[2]):
            if refused:
                pause = retry_after_seconds(answer)
                note = partial(self.rate_limiter.throttled, call.account, limit, retry_after=pause)
            else:
                note = partial(self.rate_limiter.accepted, call.account, limit)
            call.transport.loop.call_soon_threadsafe(note)


def account_of(session: Session) -> str:
    """The account in a session's identity, an ARN; empty if that is not known yet."""
    parts = session.identity.split(":")
    return parts[4] if len(parts) > 4 else ""
