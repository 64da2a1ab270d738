"""How fast an account is asked after it has said "slow down"."""

import pytest

from keywright.clouds.pacing import Pacing


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
