"""All exchanges come from one address: after a 429, namespaces take turns at a vendor's host."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.endpoints import AllowedUris
from keywright.clouds.http import HttpResponse
from keywright.clouds.rate_limit import AdaptiveRateLimiter
from keywright.clouds.token_exchange.context import TokenExchangeContext
from keywright.clouds.token_exchange.exchange import exchange_token
from tests.unit.api.samples import parsed_source
from tests.unit.clouds.alibaba.contexts import ScriptedHttp
from tests.unit.clouds.test_rate_limit import Watch
from tests.unit.fakes.clock import FakeClock

_HOST = "auth.openai.com"
_URL = f"https://{_HOST}/oauth/token"
_GENERIC = "https://sts.example.com/token"
_TOO_MANY = HttpResponse(429, b"{}", {"retry-after": "60"})
_REFUSED = HttpResponse(401, b'{"error": "invalid_grant"}')
_ISSUED = HttpResponse(200, json.dumps({"access_token": "planted", "expires_in": 600}).encode())


@dataclass
class _Tokens:
    """Counts the tokens, by namespace."""

    asked: list[str] = field(default_factory=list)

    async def token(self, *, namespace: str, **_: Any) -> Sensitive:
        self.asked.append(namespace)
        return Sensitive("a.b.c")

    async def annotations(self, **_: Any) -> dict[str, str]:
        return {}


def _source(namespace: str = "chat", *, uid: str = "s", generic: bool = False) -> CredentialSource:
    exchange: dict[str, Any] = {"serviceAccountRef": {"name": "chat"}}
    if generic:
        exchange["serviceAccountRef"]["audiences"] = ["a"]
        exchange["generic"] = {"endpoint": _GENERIC}
    else:
        exchange["openai"] = {"identityProviderId": "idp_1", "serviceAccountId": "sa_1"}
    metadata = {"namespace": namespace, "name": "ai", "uid": uid, "generation": 1}
    return parsed_source({"metadata": metadata, "spec": {"tokenExchange": exchange}})


def _context(answer: HttpResponse, rate_limiter: AdaptiveRateLimiter) -> TokenExchangeContext:
    return TokenExchangeContext(
        tokens=_Tokens(),
        http=ScriptedHttp({_URL: answer, _GENERIC: answer}),
        clock=FakeClock(),
        endpoints=AllowedUris((_GENERIC,)),
        rate_limiter=rate_limiter,
    )


async def _throttle(context: TokenExchangeContext, source: CredentialSource) -> None:
    for _ in range(2):
        with pytest.raises(Failure) as caught:
            await exchange_token(source, context=context)
        assert caught.value.kind is FailureClass.THROTTLED


async def test_a_throttled_vendor_has_one_pace_for_all_sources() -> None:
    """By its fixed host, and no other vendor. One source's Retry-After holds no other source up."""
    watch = Watch()
    rate_limiter = AdaptiveRateLimiter(clock=watch)
    await _throttle(_context(_TOO_MANY, rate_limiter), _source())
    assert rate_limiter.is_paced(_HOST)
    assert not rate_limiter.is_paced("api.anthropic.com")
    assert rate_limiter.reserve(_HOST, "token") <= 2.0


async def test_another_endpoint_slows_down_its_own_source_alone() -> None:
    """What a tenant's endpoint says holds up neither a vendor nor another source."""
    rate_limiter = AdaptiveRateLimiter(clock=Watch())
    await _throttle(_context(_TOO_MANY, rate_limiter), _source(uid="mine", generic=True))
    assert rate_limiter.is_paced("source mine")
    assert not rate_limiter.is_paced("source other")
    assert not rate_limiter.is_paced(_HOST)
    assert not rate_limiter.is_paced("sts.example.com")


@pytest.mark.parametrize("answer", [_ISSUED, _REFUSED])
async def test_any_other_answer_counts_as_accepted(answer: HttpResponse) -> None:
    """A single 429 among them sets no pace: it can be about one organization."""
    rate_limiter = AdaptiveRateLimiter(clock=Watch())
    context = _context(answer, rate_limiter)
    for _ in range(10):
        await asyncio.gather(exchange_token(_source(), context=context), return_exceptions=True)
    with pytest.raises(Failure):
        await exchange_token(_source(), context=_context(_TOO_MANY, rate_limiter))
    assert not rate_limiter.is_paced(_HOST)


async def test_a_namespace_that_floods_a_throttled_vendor_delays_another_by_its_turns() -> None:
    """As many exchanges as edits: each waits for a turn, before it requests a token."""
    rate_limiter = AdaptiveRateLimiter(clock=Watch())
    for _ in range(10_000):
        rate_limiter.accepted(_HOST, "token")
    for _ in range(3000):
        rate_limiter.throttled(_HOST, "token")
    context = _context(_REFUSED, rate_limiter)
    assert isinstance(context.tokens, _Tokens)
    flood = [
        asyncio.create_task(exchange_token(_source("flood"), context=context)) for _ in range(200)
    ]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        honest = (exchange_token(_source("honest"), context=context) for _ in range(5))
        await asyncio.gather(*honest, return_exceptions=True)
    assert context.tokens.asked.count("honest") == 5
    assert context.tokens.asked.count("flood") <= 8
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
