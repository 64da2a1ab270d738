"""What holds of every decision, whatever the facts."""

from datetime import datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from keywright.planning.backoff import retry_at
from keywright.planning.decide import decide
from keywright.planning.requeue import requeue_at
from keywright.planning.state import GrantState
from keywright.planning.steps import Issue, NoOp, Reject, Rewrite, Wait
from keywright.planning.triggers import renewal_requested
from keywright.secrets.ownership import Ownership
from tests.unit.planning.samples import READY
from tests.unit.planning.strategies import GENERATION, fresh, moments, situations
from tests.unit.replace import replace

_SITUATIONS, _MOMENTS = situations(), moments()


# A second for the lot; the sampled words are few, and what matters is how they meet.
_enough = settings(max_examples=60)


@_enough
@given(_SITUATIONS, _MOMENTS)
def test_nothing_is_minted_that_must_not_be(known: GrantState, now: datetime) -> None:
    """Neither for a suspended, a wrong or a conflicting grant, nor without a source."""
    if not isinstance(decide(known, now=now), Issue | Rewrite):
        return
    assert known.grant is not None
    assert not known.grant.spec.suspend
    assert not known.field_errors
    assert known.source_problem is None
    assert not known.rival
    assert known.secret is None or known.secret.ownership is not Ownership.OWNED_BY_OTHER


@_enough
@given(_SITUATIONS, _MOMENTS)
def test_another_grants_secret_is_refused(known: GrantState, now: datetime) -> None:
    """A Secret that is marked by another grant is never touched."""
    theirs = known.secret is not None and known.secret.ownership is Ownership.OWNED_BY_OTHER
    if theirs or (known.rival and known.grant is not None):
        assert isinstance(decide(known, now=now), Reject)


@_enough
@given(_SITUATIONS, _MOMENTS)
def test_a_wait_ends_before_the_key_does(known: GrantState, now: datetime) -> None:
    """Rule 2: a back-off fits into what is left to live, and is never in the past."""
    step = decide(known, now=now)
    if not isinstance(step, Wait):
        return
    assert step.until > now
    failed_at = known.status.last_failure_time
    assert failed_at is not None
    if known.secret is not None and known.secret.expires_at and failed_at < known.secret.expires_at:
        assert step.until < known.secret.expires_at


@_enough
@given(_SITUATIONS, _MOMENTS)
def test_a_good_secret_is_kept(known: GrantState, now: datetime) -> None:
    """Rule 4: whatever else happened, a fresh, intact Secret of the spec as it stands stays."""
    ready = msgspec.structs.replace(READY, observed_generation=GENERATION)
    good = replace(
        known,
        field_errors=(),
        rival="",
        secret=fresh(revision=1, now=now),
        status=msgspec.structs.replace(
            known.status, observed_generation=GENERATION, conditions=(ready,)
        ),
    )
    if good.grant is None or renewal_requested(good.grant, good):
        return
    assert decide(good, now=now) == NoOp()


@_enough
@given(_SITUATIONS, _MOMENTS)
def test_a_good_key_is_never_minted_anew_for_a_lost_status(
    known: GrantState, now: datetime
) -> None:
    """Rule 4: a restore without status, with an edited Secret, rewrites at most."""
    touched = replace(fresh(revision=1, now=now), altered=("data",))
    lost = replace(known, secret=touched, status=msgspec.structs.replace(known.status.__class__()))
    if lost.grant is None or renewal_requested(lost.grant, lost):
        return
    assert not isinstance(decide(lost, now=now), Issue)


@_enough
@given(_SITUATIONS, _MOMENTS)
def test_a_refused_grant_is_looked_at_only_in_the_future(known: GrantState, now: datetime) -> None:
    """No step but a due one asks to be looked at again at once: nothing spins."""
    step = decide(known, now=now)
    if isinstance(step, Reject | Wait):
        look = requeue_at(known, step, now=now)
        assert look is None or look > now


@_enough
@given(st.integers(1, 60), st.integers(1, 60), moments(), st.none() | moments(), st.floats(0, 1))
def test_a_back_off_grows_and_has_its_bounds(
    attempts: int, more: int, failed_at: datetime, end: datetime | None, position: float
) -> None:
    """Seconds to minutes, longer with each failure, and inside the remaining lifetime if it can be.

    After the first, never under a second: the failure is recorded in whole seconds, so that a
    shorter delay would often be over at once, and the attempts would follow without a pause.
    """
    first, later = (
        retry_at(attempts=n, last_failure=failed_at, expires_at=end, position=position) - failed_at
        for n in (attempts, attempts + more)
    )
    assert 0.75 <= first.total_seconds() <= later.total_seconds() <= 375
    assert attempts == 1 or first.total_seconds() >= 1
    if end is not None and end > failed_at + timedelta(seconds=1.25):
        assert failed_at + later < end
