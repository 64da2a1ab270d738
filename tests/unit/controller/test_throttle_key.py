"""Which grants share the slow workers of an account."""

import time

from keywright.api.status import SourceStatus
from keywright.clouds.rate_limit import AdaptiveRateLimiter
from keywright.controller.wiring import _throttle_key
from tests.unit.controller.samples import UID, Scene, scene

VICTIM = "123456789012"


def _refuse(rate_limiter: AdaptiveRateLimiter, account: str) -> None:
    """More than a single refusal, which may be chance."""
    for _ in range(2):
        rate_limiter.throttled(account, "iam")


def _verified(made: Scene) -> AdaptiveRateLimiter:
    """The source's status names the victim's account, which has said "slow down"."""
    (record,) = made.store.sources.values()
    record.status = SourceStatus(account_id=VICTIM)
    rate_limiter = AdaptiveRateLimiter(clock=time.monotonic)
    _refuse(rate_limiter, VICTIM)
    return rate_limiter


def test_an_account_that_the_vendor_reported_has_a_lane() -> None:
    """All of its grants."""
    made = scene()
    assert _throttle_key(made.store, _verified(made), UID) == VICTIM


def test_an_account_that_a_custom_endpoint_claims_has_none() -> None:
    """The source has one of its own, once it is slowed down itself."""
    made = scene(source=False)
    made.put_source(stsEndpoint="https://sts.example.com")
    rate_limiter = _verified(made)
    assert _throttle_key(made.store, rate_limiter, UID) is None
    _refuse(rate_limiter, "source s")
    assert _throttle_key(made.store, rate_limiter, UID) == "source s"


def test_a_grant_without_a_source_has_none() -> None:
    """Nor has one that is not known."""
    made = scene(source=False)
    rate_limiter = AdaptiveRateLimiter(clock=time.monotonic)
    assert _throttle_key(made.store, rate_limiter, UID) is None
    assert _throttle_key(made.store, rate_limiter, "unknown") is None
