"""STS of Alibaba Cloud allows an account 100 calls of an API a second."""

from __future__ import annotations

import json

import pytest

from keywright.clouds.alibaba.sts.client import Endpoint, StsCalls, StsError
from keywright.clouds.http import HttpResponse, Timeouts
from keywright.clouds.rate_limit import AdaptiveRateLimiter
from tests.unit.clouds.alibaba.contexts import ScriptedHttp
from tests.unit.clouds.aws.contexts import bare
from tests.unit.clouds.test_rate_limit import Watch
from tests.unit.fakes.clock import FakeClock

AT = Endpoint("sts.cn-hangzhou.aliyuncs.com", Timeouts(1, 1), tenant="chat", field="f")
_BODY = {"Code": "Throttling.User", "Message": "Request was denied due to user flow control."}


@pytest.mark.parametrize("status", [400, 503])
async def test_a_throttled_key_is_paced_and_no_other(status: int) -> None:
    """The next calls of that key and API wait for their turns."""
    answer = HttpResponse(status, json.dumps(_BODY).encode())
    rate_limiter = AdaptiveRateLimiter(clock=Watch())
    sts = StsCalls(
        ScriptedHttp({f"https://{AT.host}/": answer}), clock=FakeClock(), rate_limiter=rate_limiter
    )
    for _ in range(2):
        with pytest.raises(StsError) as caught:
            await sts.assume_role({}, by=bare("LTAI1"), at=AT)
        assert (caught.value.code, caught.value.field) == ("Throttling.User", "f")
    assert rate_limiter.is_held(f"{AT.host} LTAI1", "AssumeRole")
    assert not rate_limiter.is_held(f"{AT.host} LTAI2", "AssumeRole")
    assert not rate_limiter.is_held(f"{AT.host} LTAI1", "GetCallerIdentity")


async def test_namespaces_with_tokens_do_not_slow_each_other_down() -> None:
    """No answer proves whose account a token is for: the namespace has the pace."""
    rate_limiter = AdaptiveRateLimiter(clock=Watch())
    answer = HttpResponse(400, json.dumps(_BODY).encode())
    sts = StsCalls(
        ScriptedHttp({f"https://{AT.host}/": answer}), clock=FakeClock(), rate_limiter=rate_limiter
    )
    for _ in range(2):
        with pytest.raises(StsError):
            await sts.assume_role_with_oidc({}, at=AT)
    assert rate_limiter.is_held(f"{AT.host} chat", "AssumeRoleWithOIDC")
    assert not rate_limiter.is_held(f"{AT.host} other", "AssumeRoleWithOIDC")
