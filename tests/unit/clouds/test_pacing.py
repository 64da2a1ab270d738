"""How fast an account is asked after it has said "slow down"."""

import asyncio

import pytest

from keywright.clouds.pacing import Pacing, pace_key
from tests.unit.api.samples import source
from tests.unit.clouds.alibaba_edges import alibaba


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
def pacing(watch: Watch) -> Pacing:
    """An account `a` that has taken ten calls of IAM within two seconds."""
    made = Pacing(clock=watch)
    for _ in range(10):
        made.accepted("a", "iam")
    return made


def test_nobody_waits_for_nothing(pacing: Pacing) -> None:
    """Before the first refusal there is no pace."""
    assert [pacing.turn("a", "iam") for _ in range(3)] == [0, 0, 0]
    assert not pacing.is_paced("a")


def test_a_refusal_sets_the_pace_to_what_was_let_through(pacing: Pacing) -> None:
    """Ten in two seconds, and a fifth less for caution: four a second, in order."""
    pacing.throttled("a", "iam")
    assert pacing.is_paced("a")
    assert [pacing.turn("a", "iam") for _ in range(3)] == [
        pytest.approx(0.25),
        pytest.approx(0.5),
        pytest.approx(0.75),
    ]


def test_other_accounts_and_services_are_not_held_up(pacing: Pacing) -> None:
    """A limit is that of one service of one account."""
    pacing.throttled("a", "iam")
    assert pacing.turn("b", "iam") == 0
    assert pacing.turn("a", "sts") == 0
    assert not pacing.is_paced("b")


def test_refusals_of_the_same_second_slow_down_once(pacing: Pacing) -> None:
    """Calls that were on their way already are no news."""
    pacing.throttled("a", "iam")
    for _ in range(8):
        pacing.throttled("a", "iam")
    assert pacing.turn("a", "iam") == pytest.approx(0.25)


def test_it_never_stands_still(pacing: Pacing, watch: Watch) -> None:
    """Half a call a second at the least, whatever is refused."""
    for _ in range(20):
        pacing.throttled("a", "iam")
        watch.seconds += 60
    first = pacing.turn("a", "iam")
    assert pacing.turn("a", "iam") - first == pytest.approx(2.0)


def test_it_grows_a_little_each_second_until_there_is_no_need(pacing: Pacing, watch: Watch) -> None:
    """A limit of an hour ago is forgotten."""
    pacing.throttled("a", "iam")
    seconds = 0
    while pacing.is_paced("a"):
        watch.seconds += 1
        seconds += 1
        pacing.accepted("a", "iam")
    assert seconds == 128  # 4 * 1.02 ** 128 > 50
    assert pacing.turn("a", "iam") == 0


async def test_tenants_of_one_account_take_turns(watch: Watch) -> None:
    """A namespace that floods a paced account delays another one by its own turns alone."""
    pacing = Pacing(clock=watch)
    for _ in range(10_000):
        pacing.accepted("a", "iam")
    pacing.throttled("a", "iam")
    served: list[str] = []

    async def call(tenant: str) -> None:
        await pacing.wait("a", "iam", tenant=tenant)
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
    pacing = Pacing(clock=watch)
    for _ in range(1000):
        pacing.accepted("a", "iam")
    pacing.throttled("a", "iam")
    gone = asyncio.create_task(pacing.wait("a", "iam", tenant="x"))
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(2):
        await pacing.wait("a", "iam", tenant="y")
    assert gone.cancelled()


def test_rates_are_kept_by_an_account_that_the_vendor_reported() -> None:
    """What a custom endpoint says of the account slows down nobody but its own source."""
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
    pacing = Pacing(clock=watch)
    for number in range(10_000):
        pacing.accepted("used", "iam")
        pacing.throttled(f"source {number}", "sts")
    assert not pacing.is_paced("source 0")
    assert pacing.is_paced("source 9999")
    pacing.throttled("used", "iam")
    assert pacing.turn("used", "iam") > 0
