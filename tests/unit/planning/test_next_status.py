"""Statuses by example: what a person reads after each outcome."""

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.planning.conditions import ConditionWriter
from keywright.planning.decide import decide
from keywright.planning.state import GrantState
from keywright.planning.status import is_routine_renewal, next_status
from keywright.planning.steps import Fail, NoOp, Outcome, Reject, Written
from keywright.secrets.ownership import Ownership
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import (
    MISSING_SOURCE,
    NO_SOURCE,
    STATUS,
    noon,
    requested,
    secret,
    state,
    status,
    step_name,
)
from tests.unit.replace import replace

DENIED = Failure("STS says no.", kind=FailureClass.DENIED, reason="AccessDenied", field="spec.x")
PASSING = Failure("no answer.", kind=FailureClass.TRANSIENT, reason="CloudError")
MISTAKE = Failure("no.", kind=FailureClass.CONFIGURATION, reason="InvalidSpec")
CONFLICT = Failure("theirs.", kind=FailureClass.CONFIGURATION, reason="SecretConflict")
ENDED = secret(expires_at=noon(minutes=-1))
NEW = {"secret": None, "status": STATUS.__class__()}
SUSPENDED = grant(suspend=True)
RESTART = {"restart": [{"kind": "Deployment", "name": "chat"}]}


@pytest.mark.parametrize(
    ("words", "known", "outcome", "expected"),
    [
        ("written", state(), Written(secret(), None), ["Ready True Succeeded"]),
        ("kept", state(), NoOp(), ["Ready True Succeeded"]),
        (
            "kept without a source",
            state(**MISSING_SOURCE),
            NoOp(),
            ["Ready True Succeeded", "RenewalFailing True SourceNotFound"],
        ),
        (
            "failed, the key is valid",
            state(),
            Fail(PASSING),
            ["Ready True Succeeded", "RenewalFailing True CloudError"],
        ),
        (
            "failed, the key has ended",
            state(secret=ENDED),
            Fail(PASSING),
            ["Ready False Expired", "Reconciling True ProgressingWithRetry"],
        ),
        (
            "failed, there never was a key",
            state(**NEW),
            Fail(PASSING),
            ["Ready False CloudError", "Reconciling True ProgressingWithRetry"],
        ),
        (
            "denied: it may not have spread yet",
            state(**NEW),
            Fail(DENIED),
            ["Ready False AccessDenied", "Reconciling True ProgressingWithRetry"],
        ),
        (
            "denied for the fifth time",
            state(secret=None, status=status(failed_attempts=4)),
            Fail(DENIED),
            ["Ready False AccessDenied", "Stalled True AccessDenied"],
        ),
        (
            "a mistake found while trying",
            state(**NEW),
            Fail(MISTAKE),
            ["Ready False InvalidSpec", "Stalled True InvalidSpec"],
        ),
        (
            "wrong",
            state(),
            Reject(MISTAKE),
            ["Ready False InvalidSpec", "Stalled True InvalidSpec"],
        ),
        (
            "a conflict",
            state(**NEW),
            Reject(CONFLICT),
            [
                "Ready False SecretConflict",
                "Stalled True SecretConflict",
                "SecretConflict True SecretConflict",
            ],
        ),
        (
            "no source, no key",
            state(**NEW | MISSING_SOURCE),
            Reject(NO_SOURCE),
            ["Ready False SourceNotFound", "Reconciling True ProgressingWithRetry"],
        ),
        (
            "no source, the key is valid",
            state(**MISSING_SOURCE),
            Reject(NO_SOURCE),
            ["Ready True Succeeded", "RenewalFailing True SourceNotFound"],
        ),
        (
            "no source, the key has ended",
            state(**MISSING_SOURCE, secret=ENDED),
            Reject(NO_SOURCE),
            ["Ready False Expired", "Reconciling True ProgressingWithRetry"],
        ),
        ("suspended", state(grant=SUSPENDED), NoOp(), ["Ready True Suspended"]),
        (
            "suspended, ended",
            state(grant=SUSPENDED, secret=ENDED),
            NoOp(),
            ["Ready False Suspended"],
        ),
        (
            "suspended, no key",
            state(grant=SUSPENDED, secret=None),
            NoOp(),
            ["Ready False Suspended"],
        ),
    ],
)
def test_each_outcome_has_its_conditions(
    words: str, known: GrantState, outcome: Outcome, expected: list[str]
) -> None:
    """Type, status and reason of every condition, in order."""
    found = next_status(known, outcome, now=NOON).conditions
    assert [f"{c.type} {c.status.value} {c.reason}" for c in found] == expected, words


def test_a_written_secret_is_the_status() -> None:
    """Times, revision and fingerprint are those of the Secret; the request counts as answered."""
    wanted = requested(renew_requested_at="2026-11-22T11:00:00Z")
    new = secret(revision=4, fingerprint="d.e.f", expires_at=noon(hours=12))
    written = Written(new, "ASIA2", warning="It is short.")
    found = next_status(state(grant=wanted), written, now=NOON)
    assert (found.revision, found.fingerprint, found.key_id) == (4, "d.e.f", "ASIA2")
    assert (found.expires_at, found.renew_at) == (new.expires_at, new.renew_at)
    assert found.last_handled_reconcile_at == "2026-11-22T11:00:00Z"
    assert found.conditions[0].message == (
        "Secret chat-key holds a bedrockShortTermKey until 2026-11-23T00:00:00Z. It is short."
    )


NEXT = secret(revision=4, fingerprint="d.e.f", issued_at=NOON, expires_at=noon(hours=12))
LONG = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}
MANAGED = grant(bedrockShortTermKey=None, bedrockLongTermKey=LONG)
KEPT = next_status(state(grant=MANAGED), Written(secret(), "ACCA0"), now=NOON)


def test_nobody_waits_for_the_status_of_a_renewal() -> None:
    """All that changes are the dates and marks of the key, which the Secret has too."""
    after = next_status(state(), Written(NEXT, "ASIA2"), now=NOON)
    assert after.conditions != STATUS.conditions
    assert is_routine_renewal(STATUS, after)


@pytest.mark.parametrize(
    ("words", "known", "outcome"),
    [
        ("the first key", state(**NEW), Written(secret(revision=1), "ASIA1")),
        ("the same key", state(), Written(secret(fingerprint="d.e.f"), "ASIA1")),
        (
            "a key that was asked for",
            state(grant=requested(renew_requested_at="2026-11-22T11:00:00Z")),
            Written(NEXT, "ASIA2"),
        ),
        (
            "an edit is done",
            state(grant=replace(grant(), generation=2)),
            Written(NEXT, "ASIA2"),
        ),
        (
            "renewals failed before",
            state(status=next_status(state(), Fail(PASSING), now=NOON)),
            Written(NEXT, "ASIA2"),
        ),
        ("a renewal fails", state(), Fail(PASSING)),
        (
            "a managed key",
            state(status=KEPT, grant=MANAGED),
            Written(NEXT, "ACCA0"),
        ),
        (
            "a rollout begins",
            state(grant=grant(rollout=RESTART), recorded_data_hash="a"),
            Written(replace(NEXT, data_hash="b"), "ASIA2"),
        ),
    ],
)
def test_somebody_waits_for_any_other_status(
    words: str, known: GrantState, outcome: Outcome
) -> None:
    """A person, a script or a rollout; or what is left of a journal."""
    after = next_status(known, outcome, now=NOON)
    assert after != known.status, words
    assert not is_routine_renewal(known.status, after), words


def test_a_rewrite_keeps_the_name_of_the_key() -> None:
    """What the cloud calls the key is known from before, as the Secret does not say it."""
    assert next_status(state(), Written(secret(), None), now=NOON).key_id == "ASIA1"


def test_a_lost_status_comes_back_from_the_secret() -> None:
    """After a restore the annotations of the Secret say all that there is to say."""
    found = next_status(state(status=STATUS.__class__()), NoOp(), now=NOON)
    assert (found.revision, found.fingerprint) == (3, "a.b.c")
    assert (found.issued_at, found.expires_at) == (STATUS.issued_at, STATUS.expires_at)


def test_a_grant_that_does_not_parse_keeps_its_names() -> None:
    """What was known of its kind and Secret stands, as the spec cannot be asked."""
    found = next_status(state(grant=None), Reject(MISTAKE), now=NOON)
    assert (found.kind, found.secret_name) == ("bedrockShortTermKey", "chat-key")


def test_a_suspended_grant_says_when_its_key_ends() -> None:
    """Suspending is a decision with a date."""
    for held, words in (
        (secret(), "ends at 2026-11-22T20:00:00Z"),
        (ENDED, "ended at 2026-11-22T11:59:00Z"),
        (None, "no key is issued."),
    ):
        found = next_status(state(grant=SUSPENDED, secret=held), NoOp(), now=NOON)
        assert words in found.conditions[0].message


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({}, 3), ({"lost": True}, 0), ({"doubted": True}, 0)],
    ids=["a good key", "a lost key", "a doubted key"],
)
def test_a_suspended_grant_restores_a_lost_status(changed: dict[str, bool], expected: int) -> None:
    """From the Secret, if its key is known to work."""
    held = secret(lost=changed.get("lost", False))
    known = state(
        grant=SUSPENDED, secret=held, status=STATUS.__class__(), doubted="doubted" in changed
    )
    found = next_status(known, NoOp(), now=NOON)
    assert found.revision == expected
    assert found.expires_at == (held.expires_at if expected else None)


def test_a_success_ends_the_failures_before_it() -> None:
    """The back-off of the next failure begins at its start."""
    failed = status(failed_attempts=3, last_failure_time=noon(minutes=-1))
    for outcome in (NoOp(), Written(NEXT, "ASIA2")):
        found = next_status(state(status=failed), outcome, now=NOON)
        assert (found.failed_attempts, found.last_failure_time) == (0, None)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({"kind": "sessionCredentials"}, "bedrockShortTermKey"),
        ({"kind": "bedrockLongTermKey", "key_id": None}, "bedrockShortTermKey"),
        ({"kind": "bedrockLongTermKey"}, "bedrockLongTermKey"),
    ],
    ids=["nothing in the cloud", "no key was created", "a managed key"],
)
def test_a_failure_keeps_the_kind_of_keys_in_the_cloud(
    before: dict[str, str | None], expected: str
) -> None:
    """A deletion revokes keys by it; otherwise the kind is that of the spec."""
    found = next_status(state(status=status(**before)), Fail(PASSING), now=NOON)
    assert found.kind == expected


def test_an_edit_that_could_not_be_written_is_owed() -> None:
    """Ready stays at the generation that was carried out, so that the next try still knows."""
    second = replace(grant(), generation=2)
    subject = state().subject.__class__("chat", "chat-key", "u", generation=2, resource_version="8")
    for before in (STATUS, status(conditions=()), STATUS.__class__()):
        known = state(grant=second, subject=subject, status=before)
        assert step_name(decide(known, now=NOON)) == "Rewrite SpecChanged"
        failed = next_status(known, Fail(PASSING), now=NOON)
        assert failed.observed_generation == 2
        after = state(grant=second, subject=subject, status=failed)
        assert step_name(decide(after, now=noon(minutes=1))) == "Rewrite SpecChanged"
        done = next_status(after, Written(secret(), None), now=noon(minutes=1))
        kept = state(grant=second, subject=subject, status=done)
        assert step_name(decide(kept, now=noon(minutes=1))) == "NoOp"


def test_an_edit_without_a_source_is_owed_as_well() -> None:
    """The source comes back later; what was edited meanwhile is written then."""
    second = replace(grant(), generation=2)
    subject = state().subject.__class__("chat", "chat-key", "u", generation=2, resource_version="8")
    gone = state(grant=second, subject=subject, **MISSING_SOURCE)
    waiting = next_status(gone, Reject(NO_SOURCE), now=NOON)
    back = state(grant=second, subject=subject, status=waiting)
    assert step_name(decide(back, now=NOON)) == "Rewrite SpecChanged"


def test_a_long_message_is_cut_to_what_the_schema_takes() -> None:
    """4096 characters, so that a status is never refused for its words."""
    writer = ConditionWriter((), generation=1, now=NOON)
    assert len(writer.condition("Ready", true=True, reason="a", message="x" * 9999).message) == 4096


def test_another_grants_secret_is_not_taken_for_an_ended_key() -> None:
    """Whatever its annotations are, a key that is not owned has no expiry to report."""
    theirs = secret(ownership=Ownership.OWNED_BY_OTHER, revision=0)
    found = next_status(state(secret=theirs), Reject(CONFLICT), now=NOON)
    assert found.conditions[0].reason == "SecretConflict"
