"""The one decision: facts in, next step out."""

from datetime import datetime, timedelta

import msgspec
import pytest

from keywright.api.problems import Problem
from keywright.api.status import ConditionStatus, PendingMint, RetiringKey
from keywright.planning.decide import decide, next_look, renewal_requested
from keywright.planning.facts import Facts, Keep, Refuse, Standing, Wait
from keywright.planning.failures import Failure
from keywright.planning.outcomes import Kept
from keywright.planning.record import record
from keywright.planning.renewal import BEGINS_WITHIN, begins_at
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import (
    MISSING_SOURCE,
    READY,
    STATUS,
    UID,
    asked,
    facts,
    noon,
    secret,
    status,
    told,
)

AFTER_ISSUE = "2026-11-22T09:00:00Z"
BEFORE_ISSUE = "2026-11-22T07:00:00Z"
NOBODYS = secret(standing=Standing.NOBODYS, revision=0, same_key=False, intact=False)
ANOTHERS = secret(standing=Standing.ANOTHER_GRANTS, owner="chat/other")
ADOPTING = grant(secret={"adopt": True})
SUSPENDED = grant(suspend=True)
DUE = secret(renew_at=NOON)
ENDED = secret(expires_at=NOON)
UNLIKE = secret(same_key=False)
DRIFTED = secret(intact=False)
JUST_FAILED = status(failed_attempts=3, last_failure_time=NOON)
EDITED_AND_FAILED = status(
    observed_generation=2,
    conditions=(READY,),
    failed_attempts=1,
    last_failure_time=noon(minutes=-10),
)
SECOND = facts().subject.__class__("chat", "chat-key", UID, generation=2, resource_version="8")
IN_A_WINDOW = grant(
    renewal={"windows": [{"schedule": "0 0 * * *", "duration": "24h", "timeZone": "UTC"}]}
)
BEGINS = begins_at(noon(hours=4), lifetime=timedelta(hours=12), uid=UID)
EDITED = msgspec.structs.replace(grant(), generation=2)
WRONG = (Problem("spec.secret.data", "has no such variable."),)

ROWS: list[tuple[str, Facts, str]] = [
    ("all is well", facts(), "Keep"),
    ("a new grant", facts(secret=None, status=status(revision=0)), "Mint New"),
    (
        "it was issued while the clock was ahead",
        facts(secret=secret(issued_at=noon(minutes=6))),
        "Mint IssuedInFuture",
    ),
    (
        "it was issued by a clock that is a little ahead",
        facts(secret=secret(issued_at=noon(minutes=4))),
        "Keep",
    ),
    (
        "its source may be applied a moment later",
        facts(
            secret=None,
            status=status(revision=0, observed_generation=-1),
            **MISSING_SOURCE,
            created_at=noon(seconds=-4),
        ),
        "Wait",
    ),
    (
        "its source has not followed",
        facts(
            secret=None,
            status=status(revision=0, observed_generation=-1),
            **MISSING_SOURCE,
            created_at=noon(seconds=-5),
        ),
        "Refuse SourceNotFound",
    ),
    ("its Secret was deleted", facts(secret=None), "Mint SecretMissing"),
    ("its Secret lost its revision", facts(secret=secret(revision=0)), "Mint SecretMissing"),
    ("another key is asked for", facts(secret=UNLIKE), "Mint KeyChanged"),
    ("the key has ended", facts(secret=ENDED), "Mint Expired"),
    ("a key without an end", facts(secret=secret(expires_at=None, renew_at=None)), "Keep"),
    ("due this very second", facts(secret=DUE), "Mint Due"),
    ("a second before it is due", facts(secret=secret(renew_at=noon(seconds=1))), "Keep"),
    ("asked for", facts(grant=asked(renew_requested_at=AFTER_ISSUE)), "Mint Requested"),
    ("asked for by Flux", facts(grant=asked(reconcile_requested_at=AFTER_ISSUE)), "Mint Requested"),
    (
        "of both requests the newer one counts",
        facts(
            grant=asked(renew_requested_at=BEFORE_ISSUE, reconcile_requested_at=AFTER_ISSUE),
            status=status(last_handled_reconcile_at=BEFORE_ISSUE),
        ),
        "Mint Requested",
    ),
    (
        "asked for before the key was made",
        facts(grant=asked(renew_requested_at=BEFORE_ISSUE)),
        "Keep",
    ),
    (
        "asked for, and done",
        facts(
            grant=asked(renew_requested_at=AFTER_ISSUE),
            status=status(last_handled_reconcile_at=AFTER_ISSUE),
        ),
        "Keep",
    ),
    ("asked for by no time", facts(grant=asked(renew_requested_at="please")), "Mint Requested"),
    (
        "asked for by no time, and done",
        facts(
            grant=asked(renew_requested_at="please"),
            status=status(last_handled_reconcile_at="please"),
        ),
        "Keep",
    ),
    (
        "asked for, of a key that nobody knows the age of",
        facts(grant=asked(renew_requested_at=BEFORE_ISSUE), secret=secret(issued_at=None)),
        "Mint Requested",
    ),
    ("changed by hand", facts(secret=DRIFTED), "Rewrite Drift"),
    ("the spec was edited", facts(grant=EDITED, subject=SECOND), "Rewrite SpecChanged"),
    ("the status was lost", facts(status=STATUS.__class__()), "Rewrite SpecChanged"),
    (
        "an edit that could not be written yet",
        facts(grant=EDITED, subject=SECOND, status=EDITED_AND_FAILED),
        "Rewrite SpecChanged",
    ),
    ("suspended", facts(grant=SUSPENDED), "Keep"),
    ("suspended and due", facts(grant=SUSPENDED, secret=DUE), "Keep"),
    ("suspended without a Secret", facts(grant=SUSPENDED, secret=None), "Keep"),
    ("suspended and wrong", facts(grant=SUSPENDED, problems=WRONG), "Refuse InvalidSpec"),
    ("wrong", facts(problems=WRONG), "Refuse InvalidSpec"),
    ("wrong beyond parsing", facts(grant=None, problems=WRONG), "Refuse InvalidSpec"),
    ("wrong and without a Secret", facts(problems=WRONG, secret=None), "Refuse InvalidSpec"),
    ("nobody's Secret", facts(secret=NOBODYS), "Refuse SecretConflict"),
    (
        "nobody's Secret, to be adopted",
        facts(secret=NOBODYS, grant=ADOPTING, status=status(revision=0)),
        "Mint New",
    ),
    (
        "a Secret without our mark but with a key, to be adopted",
        facts(secret=secret(standing=Standing.NOBODYS), grant=ADOPTING),
        "Mint New",
    ),
    ("another grant's Secret", facts(secret=ANOTHERS), "Refuse SecretConflict"),
    (
        "another grant's, adopt or not",
        facts(secret=ANOTHERS, grant=ADOPTING),
        "Refuse SecretConflict",
    ),
    ("an older grant wants it too", facts(secret=None, rival="older"), "Refuse SecretConflict"),
    ("suspended in a conflict", facts(secret=NOBODYS, grant=SUSPENDED), "Refuse SecretConflict"),
    ("no source, nothing to do", facts(**MISSING_SOURCE, secret=UNLIKE), "Keep"),
    ("no source, and due", facts(**MISSING_SOURCE, secret=DUE), "Refuse SourceNotFound"),
    ("no source, and ended", facts(**MISSING_SOURCE, secret=ENDED), "Refuse SourceNotFound"),
    ("no source, no Secret", facts(**MISSING_SOURCE, secret=None), "Refuse SourceNotFound"),
    (
        "no source, changed by hand",
        facts(**MISSING_SOURCE, secret=DRIFTED),
        "Refuse SourceNotFound",
    ),
    ("failed just now", facts(secret=DUE, status=JUST_FAILED), "Wait"),
    ("failed just now, nothing left to do", facts(status=JUST_FAILED), "Keep"),
    ("failed, without a Secret", facts(secret=None, status=JUST_FAILED), "Wait"),
    (
        "failed just now, and heard of a change",
        facts(secret=DUE, status=JUST_FAILED, impatient=True),
        "Mint Due",
    ),
    (
        "failed just now, and edited",
        facts(secret=DUE, status=JUST_FAILED, subject=SECOND, grant=EDITED),
        "Mint Due",
    ),
    (
        "failed long ago",
        facts(secret=DUE, status=status(failed_attempts=3, last_failure_time=noon(minutes=-1))),
        "Mint Due",
    ),
    (
        "failed at a time that is still to come",
        facts(secret=DUE, status=status(failed_attempts=9, last_failure_time=noon(hours=1))),
        "Mint Due",
    ),
    (
        "failed, nobody knows when",
        facts(secret=DUE, status=status(failed_attempts=3, last_failure_time=None)),
        "Mint Due",
    ),
]


@pytest.mark.parametrize(("known", "expected"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_the_first_rule_that_applies_decides(known: Facts, expected: str) -> None:
    """Each row is one situation and the one step that follows from it."""
    assert told(decide(known, now=NOON)) == expected


@pytest.mark.parametrize(
    ("words", "known", "expected"),
    [
        ("a good key", facts(), BEGINS),
        ("in a window, and never before it", facts(grant=IN_A_WINDOW), noon(hours=4)),
        ("a key without an end", facts(secret=secret(renew_at=None)), None),
        ("suspended: told when it ends", facts(grant=SUSPENDED), noon(hours=8)),
        ("suspended after the end", facts(grant=SUSPENDED, secret=ENDED), None),
        ("suspended without a Secret", facts(grant=SUSPENDED, secret=None), None),
        ("wrong: told when it ends", facts(problems=WRONG), noon(hours=8)),
        ("wrong without a Secret", facts(problems=WRONG, secret=None), None),
        ("wrong beyond parsing", facts(grant=None, problems=WRONG, secret=None), None),
        ("no source: told when it ends", facts(**MISSING_SOURCE, secret=DUE), noon(hours=8)),
        ("unwatched Secrets are looked at", facts(secret=NOBODYS), noon(minutes=1)),
        ("another's Secret", facts(secret=ANOTHERS), noon(minutes=1)),
        ("a rival", facts(secret=None, rival="older"), noon(minutes=1)),
    ],
)
def test_the_next_look_is_no_earlier_than_needed(
    words: str, known: Facts, expected: datetime | None
) -> None:
    """An idle grant costs nothing: it is looked at when something must be done or told."""
    assert next_look(known, decide(known, now=NOON), now=NOON) == expected, words


def test_a_wait_is_looked_at_when_it_ends() -> None:
    """The third failure puts the next attempt off by seconds, at the place of the object's uid."""
    known = facts(secret=DUE, status=JUST_FAILED)
    step = decide(known, now=NOON)
    assert isinstance(step, Wait)
    assert timedelta(seconds=3) <= step.until - NOON <= timedelta(seconds=5)
    assert next_look(known, step, now=NOON) == step.until
    assert told(decide(known, now=step.until)) == "Mint Due"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (facts(problems=WRONG), ["spec.secret.data", "has no such variable"]),
        (facts(problems=WRONG * 2), ["variable.; spec"]),
        (facts(secret=NOBODYS), ["spec.secret.name", "chat-key", "left alone", "adopt"]),
        (facts(secret=ANOTHERS), ["spec.secret.name", "chat-key", "chat/other", "another name"]),
        (facts(secret=None, rival="older"), ["spec.secret.name", "chat-key", "older", "another"]),
    ],
)
def test_a_refusal_says_what_where_and_what_to_do(known: Facts, words: list[str]) -> None:
    """Rule 15: the field, the mistake and the cure."""
    step = decide(known, now=NOON)
    assert isinstance(step, Refuse)
    sentence = step.failure.sentence()
    assert [word for word in words if word not in sentence] == []


def test_without_its_source_a_grant_is_not_looked_at_over_and_over() -> None:
    """What has to be done with it waits for the source; only the end of the key is told."""
    retiring = (RetiringKey(key_id="old", retire_at=NOON),)
    known = facts(**MISSING_SOURCE, status=status(retiring=retiring))
    step = decide(known, now=NOON)
    assert isinstance(step, Keep)
    assert next_look(known, step, now=NOON) == noon(hours=8)


def test_a_forged_journal_of_a_key_that_has_none_is_no_work() -> None:
    """A tenant that writes it into its status keeps nobody busy, and it is taken out again."""
    forged = status(
        retiring=(RetiringKey(key_id="old", retire_at=noon(days=-1)),), pending=PendingMint()
    )
    known = facts(status=forged)
    step = decide(known, now=NOON)
    assert next_look(known, step, now=NOON) == BEGINS
    mended = record(known, Kept(), now=NOON)
    assert (mended.retiring, mended.pending) == ((), None)


def test_the_work_begins_within_the_second_before_the_renewal_is_due() -> None:
    """Keys that are due in the same second do not all begin at its start."""
    assert noon(hours=4) - BEGINS_WITHIN < BEGINS < noon(hours=4)
    just_before = BEGINS - timedelta(microseconds=1)
    assert decide(facts(), now=just_before) == Keep()
    assert told(decide(facts(), now=BEGINS)) == "Mint Due"
    assert decide(facts(grant=IN_A_WINDOW), now=BEGINS) == Keep()


def test_an_edit_that_failed_once_is_owed_until_it_is_written() -> None:
    """A failure has seen the generation; that it was not carried out is read from Ready."""
    known = facts(grant=EDITED, subject=SECOND, status=EDITED_AND_FAILED)
    assert told(decide(known, now=NOON)) == "Rewrite SpecChanged"
    ready = msgspec.structs.replace(READY, observed_generation=2, status=ConditionStatus.TRUE)
    done = msgspec.structs.replace(EDITED_AND_FAILED, conditions=(ready,), failed_attempts=0)
    assert decide(facts(grant=EDITED, subject=SECOND, status=done), now=NOON) == Keep()


def test_a_request_is_answered_by_a_newer_key_without_a_status() -> None:
    """A restore from a backup brings the annotation back, and costs no key."""
    wanted = asked(renew_requested_at=BEFORE_ISSUE)
    assert not renewal_requested(wanted, facts(grant=wanted, status=STATUS.__class__()))
    assert not renewal_requested(grant(), facts())


def test_the_missing_source_is_what_is_told() -> None:
    """The failure of the refusal is the very one that was found with the source."""
    known = facts(**MISSING_SOURCE, secret=None)
    step = decide(known, now=NOON)
    assert isinstance(step, Refuse)
    assert isinstance(step.failure, Failure)
    assert step.failure is known.source_problem
