"""A grant in one line: its state, whether a person has to look, and what happens next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.grant_summary import (
    GrantFacts,
    GrantSummary,
    Health,
    summarize,
    with_failing_source,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def condition(kind: str, *, true: bool = True, reason: str = "R", message: str = "m") -> Condition:
    """One condition."""
    status = ConditionStatus.TRUE if true else ConditionStatus.FALSE
    return Condition(type=kind, status=status, reason=reason, message=message)


def status(*conditions: Condition, **fields: object) -> GrantStatus:
    """A status with a key of revision 1 that is valid from 11:00 to 15:00."""
    known = {
        "revision": 1,
        "observed_generation": 1,
        "issued_at": NOW - HOUR,
        "expires_at": NOW + 3 * HOUR,
        "renew_at": NOW + HOUR,
        **fields,
    }
    found = conditions or (condition("Ready", reason="Succeeded"),)
    return GrantStatus(conditions=found, **known)  # type: ignore[arg-type]  # values of a test


def summary(
    of: GrantStatus,
    *,
    generation: int = 1,
    suspended: bool = False,
    deleting: bool = False,
    has_windows: bool = False,
) -> GrantSummary:
    """The summary at noon."""
    facts = GrantFacts(
        uid="u",
        generation=generation,
        suspended=suspended,
        deleting=deleting,
        has_windows=has_windows,
    )
    return summarize(of, facts, now=NOW)


def test_a_good_key_is_fine_and_renews() -> None:
    """The next step is the renewal."""
    found = summary(status())
    assert (found.state, found.health, found.message) == ("Ready", Health.FINE, "")
    assert (found.next_step, found.next_at) == ("renews", NOW + HOUR)


def test_a_new_grant_waits_for_the_operator() -> None:
    """Without conditions, it was not processed."""
    found = summary(GrantStatus())
    assert (found.state, found.health) == ("Pending", Health.WAITING)
    assert found.next_step == "issues the first key"


@pytest.mark.parametrize(
    "kind",
    [
        *("RenewalFailing", "ProbeFailing", "SecretConflict", "SecretContested"),
        *("RolloutFailing", "FormerSecretLeft"),
    ],
)
def test_an_abnormal_condition_beside_ready_is_the_state(kind: str) -> None:
    """Ready alone does not mean that no person has to look."""
    found = summary(status(condition("Ready"), condition(kind, message="why")))
    assert (found.state, found.health, found.message) == (kind, Health.FAILING, "why")


def test_a_rollout_is_fine() -> None:
    """It is a normal part of a renewal."""
    found = summary(status(condition("Ready"), condition("RolloutProgressing")))
    assert (found.state, found.health) == ("Ready", Health.FINE)


@pytest.mark.parametrize(("reason", "attempts"), [("SourceNotFound", 0), ("Denied", 3)])
def test_not_ready_is_failing_with_its_reason(reason: str, attempts: int) -> None:
    """The reason of Ready=False is the state."""
    found = summary(
        status(
            condition("Ready", true=False, reason=reason),
            revision=0,
            issued_at=None,
            expires_at=None,
            failed_attempts=attempts,
            last_failure_time=NOW if attempts else None,
        )
    )
    assert (found.state, found.health) == (reason, Health.FAILING)


def test_not_ready_without_a_reason_is_named_so() -> None:
    """The schema of conditions allows it."""
    assert summary(status(condition("Ready", true=False, reason=""))).state == "NotReady"


def test_progress_without_a_failure_waits() -> None:
    """The first key is being issued."""
    found = summary(status(condition("Ready", true=False, reason="Progressing"), revision=0))
    assert (found.state, found.health) == ("Progressing", Health.WAITING)


def test_a_failure_is_retried_at_its_back_off() -> None:
    """Never in the past, even if the operator is late."""
    failing = status(
        condition("Ready"),
        condition("RenewalFailing"),
        failed_attempts=4,
        last_failure_time=NOW - timedelta(seconds=1),
    )
    found = summary(failing)
    assert found.next_step == "retries"
    assert found.next_at is not None
    assert NOW < found.next_at < NOW + timedelta(seconds=12)
    late = summary(
        status(condition("Ready"), failed_attempts=1, last_failure_time=NOW - timedelta(hours=2))
    )
    assert late.next_at == NOW


def test_an_operator_that_is_down_is_noticed() -> None:
    """The object alone says that it is overdue, or expired."""
    overdue = summary(status(renew_at=NOW - HOUR))
    assert (overdue.state, overdue.health) == ("RenewalOverdue", Health.FAILING)
    assert overdue.next_step == "renewal due"
    expired = summary(status(expires_at=NOW - HOUR, renew_at=NOW - 2 * HOUR))
    assert (expired.state, expired.health) == ("Expired", Health.FAILING)
    edited = summary(status(), generation=2)
    assert (edited.state, edited.health) == ("NotProcessed", Health.WAITING)


def test_a_renewal_at_its_time_is_not_overdue() -> None:
    """A busy operator begins some seconds later."""
    found = summary(status(renew_at=NOW - timedelta(seconds=30)))
    assert (found.state, found.next_step) == ("Ready", "renewal due")
    windows = summary(status(renew_at=NOW - timedelta(seconds=30)), has_windows=True)
    assert (windows.next_step, windows.next_at) == ("renews in its next window", None)


def test_a_suspended_grant_says_when_its_key_expires() -> None:
    """It is what the user asked for, until the key has expired."""
    found = summary(status(condition("Ready", reason="Suspended")), suspended=True)
    assert (found.state, found.health) == ("Suspended", Health.FINE)
    assert (found.next_step, found.next_at) == ("expires", NOW + 3 * HOUR)
    ended = summary(status(expires_at=NOW, renew_at=None), suspended=True)
    assert (ended.next_step, ended.next_at) == ("expired", NOW)
    endless = summary(status(expires_at=None, renew_at=None), suspended=True)
    assert (endless.next_step, endless.next_at) == ("nothing: suspended", None)


def test_a_deletion_fails_only_after_a_failure() -> None:
    """The key is revoked first."""
    found = summary(status(condition("Ready", true=False, reason="Deleting")), deleting=True)
    assert (found.state, found.health) == ("Deleting", Health.WAITING)
    assert found.next_step == "revokes the key"
    failed = summary(status(failed_attempts=2), deleting=True)
    assert failed.health is Health.FAILING


def test_a_key_without_an_end_has_no_next_step() -> None:
    """A static key is never renewed."""
    found = summary(status(expires_at=None, renew_at=None))
    assert (found.next_step, found.next_at) == ("nothing: does not expire", None)


def test_a_key_that_is_not_renewed_expires() -> None:
    """The status has an expiry, and no time of a renewal."""
    found = summary(status(renew_at=None))
    assert (found.next_step, found.next_at) == ("expires", NOW + 3 * HOUR)


def test_a_stalled_grant_waits_for_a_change() -> None:
    """Without a failed attempt there is no time of a retry."""
    found = summary(
        status(
            condition("Ready", true=False, reason="InvalidSpec"),
            condition("Stalled", reason="InvalidSpec"),
        )
    )
    assert (found.next_step, found.next_at) == ("waits for a change", None)


@pytest.mark.parametrize("reason", ["SourceNotFound", "SourceNotAllowed", "SourceInvalid"])
def test_a_grant_without_a_usable_source_waits_for_it(reason: str) -> None:
    """A change of the source requeues the grant; failed attempts from before have no retry."""
    failing = (condition("Ready"), condition("RenewalFailing", reason=reason))
    for conditions in (failing, (condition("Ready", true=False, reason=reason),)):
        found = summary(status(*conditions, failed_attempts=3, last_failure_time=NOW - HOUR))
        assert (found.next_step, found.next_at) == ("waits for its source", None)


def test_a_failing_source_is_not_fine_while_the_key_is_valid() -> None:
    """The message says until when the key is valid."""
    good = status()
    found = with_failing_source(summary(good), good, problem="It fails.", waits=False)
    assert (found.state, found.health) == ("SourceFailing", Health.FAILING)
    assert found.message == (
        "It fails. The key is valid until 2026-01-01T15:00:00Z, and cannot be renewed until the"
        " source works."
    )
    assert (found.next_step, found.next_at) == ("renews", NOW + HOUR)
    endless = status(expires_at=None, renew_at=None)
    found = with_failing_source(summary(endless), endless, problem="It fails.", waits=True)
    assert "The key does not expire, and" in found.message
    assert (found.next_step, found.next_at) == ("waits for its source", None)


def test_a_grant_that_needs_no_source_now_keeps_its_state() -> None:
    """It is suspended, being deleted, or fails itself."""
    suspended = status(condition("Ready", reason="Suspended"))
    failing = status(condition("Ready"), condition("RenewalFailing", message="why"))
    for of, before in (
        (suspended, summary(suspended, suspended=True)),
        (status(), summary(status(), deleting=True)),
        (failing, summary(failing)),
    ):
        assert with_failing_source(before, of, problem="It fails.", waits=False) == before
