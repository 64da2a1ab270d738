"""What holds of every status that is written: the rules of kstatus and Flux, and rule 3."""

from datetime import datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keywright.api.status import ConditionStatus, GrantStatus
from keywright.planning.decide import decide
from keywright.planning.state import GrantState
from keywright.planning.status import next_status
from keywright.planning.steps import (
    ClearPending,
    Fail,
    FormerTended,
    NoOp,
    Outcome,
    Pause,
    ProbePending,
    RecordIntent,
    Reject,
    Remove,
    ReportDeletion,
    ReportLost,
    Retire,
    Wait,
    Written,
)
from keywright.secrets.ownership import Ownership
from tests.unit.planning.kstatus import kstatus
from tests.unit.planning.strategies import GENERATION, moments, outcomes, situations
from tests.unit.replace import replace


@st.composite
def recorded(draw: st.DrawFn) -> tuple[GrantState, Outcome, GrantStatus, datetime]:
    """Facts, what came of their step, and the status that tells it."""
    known, now = draw(situations()), draw(moments())
    step = decide(known, now=now)
    assume(not isinstance(step, Wait))
    outcome = draw(outcomes(known, step, now))
    return known, outcome, next_status(known, outcome, now=now), now


Recorded = tuple[GrantState, Outcome, GrantStatus, datetime]
_RECORDED = recorded()


def _holds(status: GrantStatus, type_: str) -> bool:
    condition = status.condition(type_)
    return condition is not None and condition.status is ConditionStatus.TRUE


# A second for the lot; the sampled words are few, and what matters is how they meet.
_enough = settings(max_examples=60)


@_enough
@given(_RECORDED)
def test_ready_is_always_there_and_types_are_unique(case: Recorded) -> None:
    """One condition of each type, and Ready among them, either True or False."""
    types = [condition.type for condition in case[2].conditions]
    assert types.count("Ready") == 1
    assert len(types) == len(set(types))


@_enough
@given(_RECORDED)
def test_what_does_not_hold_is_not_there(case: Recorded) -> None:
    """Every condition but Ready is abnormal-true: removed, never False."""
    others = [condition for condition in case[2].conditions if condition.type != "Ready"]
    assert {condition.status for condition in others} <= {ConditionStatus.TRUE}


@_enough
@given(_RECORDED)
def test_a_grant_is_ready_or_worked_on_or_stuck(case: Recorded) -> None:
    """Reconciling and Stalled are never both there, nor beside Ready; one explains why not."""
    state, _, status, _ = case
    ready, worked_on, stuck = (_holds(status, t) for t in ("Ready", "Reconciling", "Stalled"))
    suspended = state.grant is not None and state.grant.spec.suspend
    if not suspended or worked_on or stuck:
        assert [ready, worked_on, stuck].count(True) == 1


@_enough
@given(_RECORDED)
def test_no_generation_is_seen_before_it_exists(case: Recorded) -> None:
    """observedGeneration, also that of each condition, is never above generation."""
    status = case[2]
    assert status.observed_generation == GENERATION
    assert max(c.observed_generation or 0 for c in status.conditions) <= GENERATION


@_enough
@given(_RECORDED)
def test_every_condition_has_words(case: Recorded) -> None:
    """A reason and a message that a person can read, within the limits of the schema."""
    for condition in case[2].conditions:
        assert condition.reason
        assert 0 < len(condition.message) <= 4096


@_enough
@given(_RECORDED)
def test_a_failure_while_the_key_lives_is_no_outage(case: Recorded) -> None:
    """Rule 3: Ready stays True, and RenewalFailing says that no new key can be had."""
    state, outcome, status, now = case
    if isinstance(outcome, Fail) and state.secret is not None and state.secret.is_unexpired(now):
        assert _holds(status, "Ready")
        assert _holds(status, "RenewalFailing")


@_enough
@given(_RECORDED)
def test_past_its_end_a_key_is_told_as_expired(case: Recorded) -> None:
    """Rule 3: Ready False, reason Expired, whether the cloud fails or the source is missing."""
    state, outcome, status, now = case
    secret = state.secret
    failing = isinstance(outcome, Fail) or (
        isinstance(outcome, Reject) and outcome.failure is state.source_problem
    )
    if failing and secret is not None and secret.ownership is Ownership.OWNED and secret.revision:
        ready = status.condition("Ready")
        assert ready is not None
        assert (ready.reason == "Expired") is not secret.is_unexpired(now)
        assert _holds(status, "Ready") is secret.is_unexpired(now)


@_enough
@given(_RECORDED)
def test_a_failure_loses_nothing_of_the_key(case: Recorded) -> None:
    """Rule 3: what is known of the last good key stays as it was."""
    state, outcome, status, _ = case
    if isinstance(outcome, Fail | Reject):
        for name in ("issued_at", "expires_at", "renew_at", "revision", "fingerprint", "key_id"):
            assert getattr(status, name) == getattr(state.status, name)


@_enough
@given(_RECORDED)
def test_only_a_failure_counts_as_one(case: Recorded) -> None:
    """The back-off grows with tries, not with looks; a success forgets it."""
    state, outcome, status, _ = case
    before = state.status.failed_attempts
    match outcome:
        case Fail():
            assert status.failed_attempts == before + 1
            assert status.last_failure_time is not None
        case Reject():
            assert status.failed_attempts == before
            assert status.last_failure_time == state.status.last_failure_time
        case Written():
            assert (status.failed_attempts, status.last_failure_time) == (0, None)
        case NoOp():
            assert status.failed_attempts in (0, before)
        case ReportDeletion():
            assert status.failed_attempts == 0
        case (
            RecordIntent()
            | Remove()
            | Retire()
            | ClearPending()
            | ReportLost()
            | ProbePending()
            | Pause()
            | FormerTended()
        ):
            assert status.failed_attempts == before


@_enough
@given(_RECORDED)
def test_after_a_write_a_restart_writes_nothing(case: Recorded) -> None:
    """Rule 4: the next look at the same Secret keeps it, and the status to the letter."""
    state, outcome, status, now = case
    if not isinstance(outcome, Written):
        return
    after = replace(state, status=status, secret=outcome.secret, source_problem=None)
    if not outcome.secret.is_unexpired(now) or now >= (outcome.secret.renew_at or now):
        return
    assert decide(after, now=now) == NoOp()
    assert next_status(after, NoOp(), now=now) == status


@_enough
@given(_RECORDED, moments())
def test_looking_twice_writes_once(case: Recorded, later: datetime) -> None:
    """An unchanged or refused state is reported once: the same again is no new status."""
    state, outcome, status, now = case
    if isinstance(outcome, NoOp | Reject):
        secret = state.secret
        if secret is not None and secret.is_unexpired(now) != secret.is_unexpired(later):
            return
        assert next_status(replace(state, status=status), outcome, now=later) == status


@_enough
@given(_RECORDED)
def test_a_condition_that_stays_keeps_its_time(case: Recorded) -> None:
    """LastTransitionTime moves with the status of the condition, and only then."""
    state, _, status, now = case
    for condition in status.conditions:
        before = state.status.condition(condition.type)
        if before is not None and before.status is condition.status and before.last_transition_time:
            assert condition.last_transition_time == before.last_transition_time
        elif before is None or before.status is not condition.status:
            assert condition.last_transition_time == now.replace(microsecond=0)


@_enough
@given(_RECORDED)
def test_kstatus_reads_what_is_meant(case: Recorded) -> None:
    """Current where Ready, Failed where only a person can help, else InProgress."""
    status = case[2]
    body = {"metadata": {"generation": GENERATION}, "status": status.to_body()}
    expected = (
        "Current"
        if _holds(status, "Ready")
        else "Failed"
        if _holds(status, "Stalled")
        else "InProgress"
    )
    assert kstatus(body) == expected


def _status(*conditions: str, observed: int = 2) -> dict[str, object]:
    words = [text.partition("=") for text in conditions]
    found = [{"type": type_, "status": status} for type_, _, status in words]
    return {"observedGeneration": observed, "conditions": found}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (_status(observed=-1), "InProgress"),
        (_status("Ready=True", observed=1), "InProgress"),
        (_status("Ready=True"), "Current"),
        (_status("Ready=True", "RenewalFailing=True"), "Current"),
        (_status("Ready=False", "Reconciling=True"), "InProgress"),
        (_status("Ready=False", "Stalled=True"), "Failed"),
        (_status("Ready=False", "Stalled=True", "SecretConflict=True"), "Failed"),
        (_status("Ready=False"), "InProgress"),
    ],
)
def test_the_rules_of_kstatus(status: dict[str, object], expected: str) -> None:
    """Golden statuses as GitOps tools read them; the CRDs' default makes a new one InProgress."""
    assert kstatus({"metadata": {"generation": 2}, "status": status}) == expected


def test_an_object_that_goes_is_terminating() -> None:
    """Whatever its conditions."""
    body = {"metadata": {"generation": 1, "deletionTimestamp": "2026-11-22T12:00:00Z"}}
    assert kstatus(body) == "Terminating"
