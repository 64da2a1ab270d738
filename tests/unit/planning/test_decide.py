"""The one decision: facts in, next step out."""

from datetime import datetime, timedelta

import msgspec
import pytest

from keywright.api.errors import Failure, FieldError
from keywright.api.status import ConditionStatus, PendingCreate, RetiringKey
from keywright.planning.decide import decide
from keywright.planning.renewal import BEGINS_WITHIN, begins_at
from keywright.planning.requeue import requeue_at
from keywright.planning.state import GrantState
from keywright.planning.status import next_status
from keywright.planning.steps import NoOp, Reject, Wait
from keywright.planning.triggers import renewal_requested
from keywright.secrets.ownership import Ownership
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import (
    MISSING_SOURCE,
    READY,
    STATUS,
    UID,
    noon,
    requested,
    secret,
    state,
    status,
    step_name,
)
from tests.unit.replace import replace

AFTER_ISSUE = "2026-11-22T09:00:00Z"
BEFORE_ISSUE = "2026-11-22T07:00:00Z"
UNOWNED = secret(ownership=Ownership.UNOWNED, revision=0, matches_spec=False)
ANOTHERS = secret(ownership=Ownership.OWNED_BY_OTHER, owner="chat/other")
ADOPTING = grant(secret={"adopt": True})
SUSPENDED = grant(suspend=True)
DUE = secret(renew_at=NOON)
WITH_PREVIOUS = secret(previous_id="old", previous_hash="0" * 32)
RETIRES = status(retiring=(RetiringKey(key_id="old", retire_at=noon(hours=1)),))
ENDED = secret(expires_at=NOON)
UNLIKE = secret(matches_spec=False)
DRIFTED = secret(altered=("data",))
JUST_FAILED = status(failed_attempts=3, last_failure_time=NOON)
EDITED_AND_FAILED = status(
    observed_generation=2,
    conditions=(READY,),
    failed_attempts=1,
    last_failure_time=noon(minutes=-10),
)
SECOND = state().subject.__class__("chat", "chat-key", UID, generation=2, resource_version="8")
IN_A_WINDOW = grant(
    renewal={"windows": [{"schedule": "0 0 * * *", "duration": "24h", "timeZone": "UTC"}]}
)
BEGINS = begins_at(noon(hours=4), lifetime=timedelta(hours=12), uid=UID)
EDITED = replace(grant(), generation=2)
WRONG = (FieldError("spec.secret.data", "has no such variable."),)

ROWS: list[tuple[str, GrantState, str]] = [
    ("all is well", state(), "NoOp"),
    ("a new grant", state(secret=None, status=status(revision=0)), "Issue New"),
    (
        "it was issued while the clock was ahead",
        state(secret=secret(issued_at=noon(minutes=6))),
        "Issue IssuedInFuture",
    ),
    (
        "it was issued by a clock that is a little ahead",
        state(secret=secret(issued_at=noon(minutes=4))),
        "NoOp",
    ),
    (
        "its source may be applied a moment later",
        state(
            secret=None,
            status=status(revision=0, observed_generation=-1),
            **MISSING_SOURCE,
            created_at=noon(seconds=-4),
        ),
        "Wait",
    ),
    (
        "its source has not followed",
        state(
            secret=None,
            status=status(revision=0, observed_generation=-1),
            **MISSING_SOURCE,
            created_at=noon(seconds=-5),
        ),
        "Reject SourceNotFound",
    ),
    ("its Secret was deleted", state(secret=None), "Issue SecretMissing"),
    ("its Secret lost its revision", state(secret=secret(revision=0)), "Issue SecretMissing"),
    ("another key is asked for", state(secret=UNLIKE), "Issue KeyChanged"),
    ("the key has ended", state(secret=ENDED), "Issue Expired"),
    ("a key without an end", state(secret=secret(expires_at=None, renew_at=None)), "NoOp"),
    ("due this very second", state(secret=DUE), "Issue Due"),
    ("a second before it is due", state(secret=secret(renew_at=noon(seconds=1))), "NoOp"),
    ("asked for", state(grant=requested(renew_requested_at=AFTER_ISSUE)), "Issue Requested"),
    (
        "asked for by Flux",
        state(grant=requested(reconcile_requested_at=AFTER_ISSUE)),
        "Issue Requested",
    ),
    (
        "of both requests the newer one counts",
        state(
            grant=requested(renew_requested_at=BEFORE_ISSUE, reconcile_requested_at=AFTER_ISSUE),
            status=status(last_handled_reconcile_at=BEFORE_ISSUE),
        ),
        "Issue Requested",
    ),
    (
        "asked for before the key was made",
        state(grant=requested(renew_requested_at=BEFORE_ISSUE)),
        "NoOp",
    ),
    (
        "asked for, and done",
        state(
            grant=requested(renew_requested_at=AFTER_ISSUE),
            status=status(last_handled_reconcile_at=AFTER_ISSUE),
        ),
        "NoOp",
    ),
    (
        "asked for by no time",
        state(grant=requested(renew_requested_at="please")),
        "Issue Requested",
    ),
    (
        "asked for by no time, and done",
        state(
            grant=requested(renew_requested_at="please"),
            status=status(last_handled_reconcile_at="please"),
        ),
        "NoOp",
    ),
    (
        "requested, for a key of unknown age",
        state(grant=requested(renew_requested_at=BEFORE_ISSUE), secret=secret(issued_at=None)),
        "Issue Requested",
    ),
    ("changed by hand", state(secret=DRIFTED), "Rewrite Drift"),
    ("the spec was edited", state(grant=EDITED, subject=SECOND), "Rewrite SpecChanged"),
    ("the status was lost", state(status=STATUS.__class__()), "Rewrite SpecChanged"),
    (
        "an edit that could not be written yet",
        state(grant=EDITED, subject=SECOND, status=EDITED_AND_FAILED),
        "Rewrite SpecChanged",
    ),
    ("suspended", state(grant=SUSPENDED), "NoOp"),
    ("suspended and due", state(grant=SUSPENDED, secret=DUE), "NoOp"),
    ("suspended without a Secret", state(grant=SUSPENDED, secret=None), "NoOp"),
    ("suspended and wrong", state(grant=SUSPENDED, field_errors=WRONG), "Reject InvalidSpec"),
    ("wrong", state(field_errors=WRONG), "Reject InvalidSpec"),
    ("wrong beyond parsing", state(grant=None, field_errors=WRONG), "Reject InvalidSpec"),
    ("wrong and without a Secret", state(field_errors=WRONG, secret=None), "Reject InvalidSpec"),
    ("unowned Secret", state(secret=UNOWNED), "Reject SecretConflict"),
    (
        "unowned Secret, to be adopted",
        state(secret=UNOWNED, grant=ADOPTING, status=status(revision=0)),
        "Issue New",
    ),
    (
        "a Secret without our mark but with a key, to be adopted",
        state(secret=secret(ownership=Ownership.UNOWNED), grant=ADOPTING),
        "Issue New",
    ),
    ("another grant's Secret", state(secret=ANOTHERS), "Reject SecretConflict"),
    (
        "another grant's, adopt or not",
        state(secret=ANOTHERS, grant=ADOPTING),
        "Reject SecretConflict",
    ),
    ("an older grant wants it too", state(secret=None, rival="older"), "Reject SecretConflict"),
    ("suspended in a conflict", state(secret=UNOWNED, grant=SUSPENDED), "Reject SecretConflict"),
    ("no source, nothing to do", state(**MISSING_SOURCE, secret=UNLIKE), "NoOp"),
    ("no source, and due", state(**MISSING_SOURCE, secret=DUE), "Reject SourceNotFound"),
    ("no source, and ended", state(**MISSING_SOURCE, secret=ENDED), "Reject SourceNotFound"),
    ("no source, no Secret", state(**MISSING_SOURCE, secret=None), "Reject SourceNotFound"),
    (
        "no source, changed by hand",
        state(**MISSING_SOURCE, secret=DRIFTED),
        "Reject SourceNotFound",
    ),
    ("failed just now", state(secret=DUE, status=JUST_FAILED), "Wait"),
    ("failed just now, nothing left to do", state(status=JUST_FAILED), "NoOp"),
    ("failed, without a Secret", state(secret=None, status=JUST_FAILED), "Wait"),
    (
        "failed just now, and heard of a change",
        state(secret=DUE, status=JUST_FAILED, skip_backoff=True),
        "Issue Due",
    ),
    (
        "failed just now, and edited",
        state(secret=DUE, status=JUST_FAILED, subject=SECOND, grant=EDITED),
        "Issue Due",
    ),
    (
        "failed long ago",
        state(secret=DUE, status=status(failed_attempts=3, last_failure_time=noon(minutes=-1))),
        "Issue Due",
    ),
    (
        "failed at a time that is still to come",
        state(secret=DUE, status=status(failed_attempts=9, last_failure_time=noon(hours=1))),
        "Issue Due",
    ),
    ("the value of a key that is retiring", state(secret=WITH_PREVIOUS, status=RETIRES), "NoOp"),
    ("the value of a retired key", state(secret=WITH_PREVIOUS), "Rewrite OverlapEnded"),
    (
        "the value of an old key, and a status of another key",
        state(secret=WITH_PREVIOUS, status=status(fingerprint="d.e.f")),
        "NoOp",
    ),
    (
        "the value of a retired key, and no source",
        state(**MISSING_SOURCE, secret=WITH_PREVIOUS),
        "NoOp",
    ),
    (
        "the value of a retired key, suspended",
        state(secret=WITH_PREVIOUS, grant=SUSPENDED),
        "NoOp",
    ),
    (
        "the value of a retired key, and a renewal that is due",
        state(secret=replace(WITH_PREVIOUS, renew_at=NOON)),
        "Issue Due",
    ),
    (
        "failed at an unknown time",
        state(secret=DUE, status=status(failed_attempts=3, last_failure_time=None)),
        "Issue Due",
    ),
]


@pytest.mark.parametrize(("known", "expected"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_the_first_rule_that_applies_decides(known: GrantState, expected: str) -> None:
    """Each row is one situation and the one step that follows from it."""
    assert step_name(decide(known, now=NOON)) == expected


@pytest.mark.parametrize(
    ("words", "known", "expected"),
    [
        ("a good key", state(), BEGINS),
        ("in a window, and never before it", state(grant=IN_A_WINDOW), noon(hours=4)),
        ("a key without an end", state(secret=secret(renew_at=None)), None),
        ("suspended: due at its expiry", state(grant=SUSPENDED), noon(hours=8)),
        ("suspended after the end", state(grant=SUSPENDED, secret=ENDED), None),
        ("suspended without a Secret", state(grant=SUSPENDED, secret=None), None),
        ("invalid: due at its expiry", state(field_errors=WRONG), noon(hours=8)),
        ("wrong without a Secret", state(field_errors=WRONG, secret=None), None),
        ("wrong beyond parsing", state(grant=None, field_errors=WRONG, secret=None), None),
        ("no source: due at its expiry", state(**MISSING_SOURCE, secret=DUE), noon(hours=8)),
        ("unwatched Secrets are looked at", state(secret=UNOWNED), noon(minutes=1)),
        ("another's Secret", state(secret=ANOTHERS), noon(minutes=1)),
        ("a rival", state(secret=None, rival="older"), noon(minutes=1)),
    ],
)
def test_the_next_look_is_no_earlier_than_needed(
    words: str, known: GrantState, expected: datetime | None
) -> None:
    """An idle grant costs nothing: it is due when work or a report is due."""
    assert requeue_at(known, decide(known, now=NOON), now=NOON) == expected, words


def test_a_wait_is_looked_at_when_it_ends() -> None:
    """The third failure puts the next attempt off by seconds, at the place of the object's uid."""
    known = state(secret=DUE, status=JUST_FAILED)
    step = decide(known, now=NOON)
    assert isinstance(step, Wait)
    assert timedelta(seconds=3) <= step.until - NOON <= timedelta(seconds=5)
    assert requeue_at(known, step, now=NOON) == step.until
    assert step_name(decide(known, now=step.until)) == "Issue Due"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (state(field_errors=WRONG), ["spec.secret.data", "has no such variable"]),
        (state(field_errors=WRONG * 2), ["variable.; spec"]),
        (state(secret=UNOWNED), ["spec.secret.name", "chat-key", "left alone", "adopt"]),
        (state(secret=ANOTHERS), ["spec.secret.name", "chat-key", "chat/other", "another name"]),
        (state(secret=None, rival="older"), ["spec.secret.name", "chat-key", "older", "another"]),
    ],
)
def test_a_refusal_says_what_where_and_what_to_do(known: GrantState, words: list[str]) -> None:
    """Rule 15: the field, the mistake and the remedy."""
    step = decide(known, now=NOON)
    assert isinstance(step, Reject)
    sentence = step.failure.message_with_remedy()
    assert [word for word in words if word not in sentence] == []


def test_without_its_source_a_grant_is_not_looked_at_over_and_over() -> None:
    """Its work waits for the source; only the expiry of the key is reported."""
    retiring = (RetiringKey(key_id="old", retire_at=NOON),)
    known = state(**MISSING_SOURCE, status=status(retiring=retiring))
    step = decide(known, now=NOON)
    assert isinstance(step, NoOp)
    assert requeue_at(known, step, now=NOON) == noon(hours=8)


def test_a_forged_journal_of_a_key_that_has_none_is_no_work() -> None:
    """A tenant that writes it into its status causes no work, and it is removed."""
    forged = status(
        retiring=(RetiringKey(key_id="old", retire_at=noon(days=-1)),), pending=PendingCreate()
    )
    known = state(status=forged)
    step = decide(known, now=NOON)
    assert requeue_at(known, step, now=NOON) == BEGINS
    mended = next_status(known, NoOp(), now=NOON)
    assert (mended.retiring, mended.pending) == ((), None)


def test_the_work_begins_within_the_second_before_the_renewal_is_due() -> None:
    """Keys that are due in the same second do not all begin at its start."""
    assert noon(hours=4) - BEGINS_WITHIN < BEGINS < noon(hours=4)
    just_before = BEGINS - timedelta(microseconds=1)
    assert decide(state(), now=just_before) == NoOp()
    assert step_name(decide(state(), now=BEGINS)) == "Issue Due"
    assert decide(state(grant=IN_A_WINDOW), now=BEGINS) == NoOp()


def test_an_edit_that_failed_once_is_owed_until_it_is_written() -> None:
    """A failure has seen the generation; that it was not carried out is read from Ready."""
    known = state(grant=EDITED, subject=SECOND, status=EDITED_AND_FAILED)
    assert step_name(decide(known, now=NOON)) == "Rewrite SpecChanged"
    ready = msgspec.structs.replace(READY, observed_generation=2, status=ConditionStatus.TRUE)
    done = msgspec.structs.replace(EDITED_AND_FAILED, conditions=(ready,), failed_attempts=0)
    assert decide(state(grant=EDITED, subject=SECOND, status=done), now=NOON) == NoOp()


def test_a_request_is_answered_by_a_newer_key_without_a_status() -> None:
    """A restore from a backup brings the annotation back, and costs no key."""
    wanted = requested(renew_requested_at=BEFORE_ISSUE)
    assert not renewal_requested(wanted, state(grant=wanted, status=STATUS.__class__()))
    assert not renewal_requested(grant(), state())


def test_the_missing_source_is_what_is_told() -> None:
    """The failure of the refusal is the very one that was found with the source."""
    known = state(**MISSING_SOURCE, secret=None)
    step = decide(known, now=NOON)
    assert isinstance(step, Reject)
    assert isinstance(step.failure, Failure)
    assert step.failure is known.source_problem
