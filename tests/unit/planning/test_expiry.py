"""The status of a key that expired while the operator was not running."""

import msgspec
from hypothesis import given

from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.failure_status import expired_status
from tests.unit.planning.samples import noon
from tests.unit.planning.strategies import moments, statuses


def _ready(reason: str = "Succeeded") -> Condition:
    return Condition(
        type="Ready",
        status=ConditionStatus.TRUE,
        reason=reason,
        message="Secret chat-key holds a key.",
        last_transition_time=noon(hours=-3),
        observed_generation=3,
    )


def _told(status: GrantStatus | None) -> dict[str, tuple[str, str, str]]:
    assert status is not None
    return {c.type: (c.status.value, c.reason, c.message) for c in status.conditions}


def test_a_key_that_ended_is_not_ready() -> None:
    """With the time, and that it is being worked on; all else stays."""
    before = GrantStatus(conditions=(_ready(),), observed_generation=3, revision=7)
    after = expired_status(before, expires_at=noon(hours=-1), now=noon())
    message = "The key ended at 2026-11-22T11:00:00Z. A new one has not been issued yet."
    assert _told(after) == {
        "Ready": ("False", "Expired", message),
        "Reconciling": ("True", "ProgressingWithRetry", message),
    }
    assert after is not None
    assert after.state == "Expired"
    unchanged = {"conditions": before.conditions, "state": before.state}
    assert msgspec.structs.replace(after, **unchanged) == before
    assert after.conditions[0].last_transition_time == noon()


def test_why_the_renewal_fails_is_kept() -> None:
    """And no condition of a key that is still valid stays beside it."""
    failing = Condition(
        type="RenewalFailing",
        status=ConditionStatus.TRUE,
        reason="AccessDenied",
        message="the role is not trusted.",
    )
    other = Condition(type="RolloutFailing", status=ConditionStatus.TRUE, reason="NotFound")
    before = GrantStatus(conditions=(_ready(), failing, other))
    step_name = _told(expired_status(before, expires_at=noon(hours=-1), now=noon()))
    assert step_name.keys() == {"Ready", "Reconciling", "RolloutFailing"}
    assert step_name["Ready"][2].endswith("the role is not trusted.")


def test_a_suspended_grant_stays_suspended() -> None:
    """Nothing is being worked on."""
    before = GrantStatus(conditions=(_ready("Suspended"),))
    step_name = _told(expired_status(before, expires_at=noon(hours=-1), now=noon()))
    assert step_name == {"Ready": ("False", "Suspended", "Secret chat-key holds a key.")}


@given(statuses(), moments())
def test_it_is_reported_once(status: GrantStatus, now: object) -> None:
    """What says already that it is not ready is left as it is."""
    del now
    after = expired_status(status, expires_at=noon(), now=noon())
    ready = status.condition("Ready")
    assert (after is None) == (ready is None or ready.status is not ConditionStatus.TRUE)
    if after is not None:
        assert expired_status(after, expires_at=noon(), now=noon()) is None
