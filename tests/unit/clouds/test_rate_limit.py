"""How fast an account is asked after it has said "slow down"."""

import asyncio
import random
from collections.abc import Callable

import pytest

from keywright.clouds.rate_limit import AdaptiveRateLimiter, pace_key
from testbed.clouds.buckets import Bucket
from tests.unit.api.samples import source
from tests.unit.clouds.alibaba.contexts import alibaba


class Watch:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    """One."""
    return Watch()


@pytest.fixture
def rate_limiter(watch: Watch) -> AdaptiveRateLimiter:
    """An account `a` that has taken ten calls of IAM within two seconds."""
    made = AdaptiveRateLimiter(clock=watch)
    for _ in range(10):
        made.accepted("a", "iam")
        watch.seconds += 0.2
    return made


def test_nobody_waits_for_nothing(rate_limiter: AdaptiveRateLimiter) -> None:
    """Before the first refusal there is no pace."""
    assert [rate_limiter.reserve("a", "iam") for _ in range(3)] == [0, 0, 0]
    assert not rate_limiter.is_paced("a")


def _refuse(rate_limiter: AdaptiveRateLimiter, account: str = "a", *, times: int = 4) -> None:
    """More than a fifth of the calls of the fixture."""
    for _ in range(times):
        rate_limiter.throttled(account, "iam")


def test_refusals_set_the_pace_to_what_was_let_through(rate_limiter: AdaptiveRateLimiter) -> None:
    """Ten in two seconds, and a fifth less for caution: four a second, in order."""
    _refuse(rate_limiter)
    assert rate_limiter.is_paced("a")
    assert [rate_limiter.reserve("a", "iam") for _ in range(3)] == [
        pytest.approx(0.25),
        pytest.approx(0.5),
        pytest.approx(0.75),
    ]


def test_a_single_refusal_among_many_calls_sets_no_pace(rate_limiter: AdaptiveRateLimiter) -> None:
    """The SDK repeats that call; the others need not wait."""
    rate_limiter.throttled("a", "iam")
    assert not rate_limiter.is_paced("a")


def test_retry_after_is_kept_without_any_pace(
    rate_limiter: AdaptiveRateLimiter, watch: Watch
) -> None:
    """No call is made before the time that the cloud named."""
    rate_limiter.throttled("a", "iam", retry_after=7)
    assert rate_limiter.is_held("a", "iam")
    assert rate_limiter.reserve("a", "iam") == pytest.approx(7)
    watch.seconds += 8
    assert not rate_limiter.is_held("a", "iam")


def test_other_accounts_and_services_are_not_held_up(rate_limiter: AdaptiveRateLimiter) -> None:
    """A limit is that of one service of one account."""
    _refuse(rate_limiter)
    assert rate_limiter.reserve("b", "iam") == 0
    assert rate_limiter.reserve("a", "sts") == 0
    assert not rate_limiter.is_paced("b")


def test_refusals_of_the_same_second_slow_down_once(rate_limiter: AdaptiveRateLimiter) -> None:
    """Calls that were on their way already are no news."""
    _refuse(rate_limiter)
    _refuse(rate_limiter, times=8)
    assert rate_limiter.reserve("a", "iam") == pytest.approx(0.25)


def test_it_never_stands_still(rate_limiter: AdaptiveRateLimiter, watch: Watch) -> None:
    """Half a call a second at the least, whatever is refused."""
    for _ in range(20):
        _refuse(rate_limiter)
        watch.seconds += 1
    first = rate_limiter.reserve("a", "iam")
    assert rate_limiter.reserve("a", "iam") - first == pytest.approx(2.0, rel=0.05)


def test_a_slow_account_recovers_within_half_a_minute(
    rate_limiter: AdaptiveRateLimiter, watch: Watch
) -> None:
    """From the slowest pace to none, with or without calls meanwhile."""
    for _ in range(20):
        _refuse(rate_limiter)
        watch.seconds += 1
    seconds = 0
    while rate_limiter.is_paced("a"):
        watch.seconds += 1
        seconds += 1
        rate_limiter.accepted("a", "iam")
    assert seconds <= 30
    assert rate_limiter.reserve("a", "iam") == 0


def _run(
    rate_limiter: AdaptiveRateLimiter, watch: Watch, *, calls: int, is_refused: Callable[[], bool]
) -> int:
    """Make calls at 20 a second or at the pace, until so many were let through; the refused."""
    done = refused = 0
    while done < calls:
        watch.seconds += 0.05 + rate_limiter.reserve("a", "iam")
        if is_refused():
            rate_limiter.throttled("a", "iam")
            refused += 1
        else:
            rate_limiter.accepted("a", "iam")
            done += 1
    return refused


@pytest.mark.parametrize("seed", range(5))
def test_random_refusals_slow_an_account_down_little(watch: Watch, seed: int) -> None:
    """10 % of the calls at random, as an account with other users has: within twice the time."""
    rate_limiter, chance = AdaptiveRateLimiter(clock=watch), random.Random(seed)  # noqa: S311  no secret
    began = watch.seconds
    _run(rate_limiter, watch, calls=400, is_refused=lambda: chance.random() < 0.1)
    ideal = 400 / 0.9 * 0.05
    assert watch.seconds - began < 2 * ideal


def test_a_limit_is_used_and_seldom_met(watch: Watch) -> None:
    """Five calls a second: at least 80 % of it is used, and at most a fifth is refused."""
    rate_limiter, bucket = AdaptiveRateLimiter(clock=watch), Bucket(5.0, 5.0, 5.0, watch.seconds)
    began = watch.seconds
    refused = _run(
        rate_limiter, watch, calls=500, is_refused=lambda: not bucket.take(watch.seconds)
    )
    assert watch.seconds - began < 500 / (0.8 * 5)
    assert refused < 500 / 4


async def test_tenants_of_one_account_take_turns(watch: Watch) -> None:
    """A namespace that floods a paced account delays another one by its own turns alone."""
    rate_limiter = AdaptiveRateLimiter(clock=watch)
    for _ in range(10_000):
        rate_limiter.accepted("a", "iam")
    _refuse(rate_limiter, times=3000)
    served: list[str] = []

    async def call(tenant: str) -> None:
        await rate_limiter.wait("a", "iam", tenant=tenant)
        served.append(tenant)

    flood = [asyncio.create_task(call("flood")) for _ in range(200)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await asyncio.gather(*(call("honest") for _ in range(5)))
    assert served.count("flood") <= 8
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


async def test_a_caller_that_gives_up_takes_no_turn(watch: Watch) -> None:
    """The next one is served in its place."""
    rate_limiter = AdaptiveRateLimiter(clock=watch)
    for _ in range(1000):
        rate_limiter.accepted("a", "iam")
    _refuse(rate_limiter, times=300)
    gone = asyncio.create_task(rate_limiter.wait("a", "iam", tenant="x"))
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(2):
        await rate_limiter.wait("a", "iam", tenant="y")
    assert gone.cancelled()


def test_rates_are_kept_by_an_account_that_the_vendor_reported() -> None:
    """What a custom endpoint says of the account slows down only its own source."""
    plain = source()
    custom = source(stsEndpoint="https://sts.example.com")
    assert pace_key(plain, account="123456789012") == "123456789012"
    assert pace_key(custom, account="123456789012") == f"source {custom.uid}"
    assert pace_key(plain, account="") == f"source {plain.uid}"
    assert pace_key(plain, account=None) == f"source {plain.uid}"
    key = {"accessKey": {"secretRef": {"name": "key"}}}
    assert pace_key(alibaba(**key), account="1") == "1"
    assert pace_key(alibaba(stsEndpoint="sts.example.com", **key), account="1") == "source s"


def test_accounts_that_nobody_uses_are_forgotten(watch: Watch) -> None:
    """Thousands of sources with endpoints of their own leave nothing behind."""
    rate_limiter = AdaptiveRateLimiter(clock=watch)
    for number in range(10_000):
        rate_limiter.accepted("used", "iam")
        for _ in range(2):
            rate_limiter.throttled(f"source {number}", "sts")
    assert not rate_limiter.is_paced("source 0")
    assert rate_limiter.is_paced("source 9999")
    _refuse(rate_limiter, "used", times=5000)
    assert rate_limiter.reserve("used", "iam") > 0
