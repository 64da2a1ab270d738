"""Decisions about sources."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from keywright.api.errors import Failure, FailureClass, FieldError
from keywright.api.source import CredentialSource
from keywright.api.status import SourceStatus
from keywright.planning.sources import (
    Verified,
    failed_status,
    invalid_status,
    source_error,
    source_failure,
    verification_due,
    verified_status,
)
from tests.unit.api.samples import source
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon

PASSING = Failure("no answer.", kind=FailureClass.TRANSIENT, reason="CloudError")
DENIED = Failure("STS says no.", kind=FailureClass.DENIED, reason="AccessDenied")
HOUR = timedelta(hours=1)
COMMON: dict[str, Any] = {"provider": "AWS", "generation": 1, "grants": 2}
US = Verified("arn:aws:sts::1:assumed-role/a/b", "1", issued_at=NOON, expires_at=NOON + HOUR)


def _good(*, now: datetime = NOON) -> SourceStatus:
    return verified_status(SourceStatus(), US, uid="s", now=now, **COMMON)


def _words(status: SourceStatus) -> list[str]:
    return [f"{c.type} {c.status.value} {c.reason}" for c in status.conditions]


@pytest.mark.parametrize(
    ("value", "deleting", "expected"),
    [
        (source(), False, None),
        (None, False, "Retry SourceNotFound"),
        (source(), True, "Retry SourceNotFound"),
        ([FieldError("spec", "is wrong.")], False, "Configuration SourceInvalid"),
        ([FieldError("spec", "is wrong.")], True, "Configuration SourceInvalid"),
    ],
)
def test_a_grant_is_told_why_its_source_is_of_no_use(
    value: CredentialSource | list[FieldError] | None, *, deleting: bool, expected: str | None
) -> None:
    """Missing, going, or wrong; each names the source, and the field of the grant."""
    failure = source_failure(
        ("chat", "bedrock"), value=value, deleting=deleting, asking="chat", permitted=True
    )
    assert (failure and f"{failure.kind.value} {failure.reason}") == expected
    if failure is not None:
        assert "bedrock" in failure.message
        assert failure.field == "spec.sourceRef.name"
    if failure is not None and failure.reason == "SourceNotFound":
        assert failure.remedy.startswith("Create it")


@pytest.mark.parametrize("deleting", [False, True])
@pytest.mark.parametrize("value", [None, [FieldError("spec.aws.region", "is wrong.")], source()])
def test_who_may_not_use_a_source_learns_nothing_of_it(
    value: CredentialSource | list[FieldError] | None, *, deleting: bool
) -> None:
    """Missing, wrong, deleting or valid: the message is the same, with field and remedy."""
    failure = source_failure(
        ("platform", "bedrock"), value=value, deleting=deleting, asking="chat", permitted=False
    )
    assert failure is not None
    assert (failure.reason, failure.kind) == ("SourceNotAllowed", FailureClass.CONFIGURATION)
    assert failure.message_with_remedy() == (
        "spec.sourceRef.namespace: there is no CredentialSource bedrock in namespace platform that"
        " allows namespace chat. Ask the owner of namespace platform to allow chat in the source's"
        " spec.allowedNamespaces, or name a source of your own namespace."
    )


def test_a_mistake_is_told_in_the_words_of_the_check() -> None:
    """One after the other, each with its field."""
    wrong = source_error([FieldError("spec.aws", "is wrong."), FieldError("spec.b", "too.")])
    assert wrong is not None
    assert (wrong.reason, wrong.message) == ("InvalidSpec", "spec.aws: is wrong.; spec.b: too.")
    assert source_error(source()) is None


@pytest.mark.parametrize(
    ("changed", "generation", "expected"),
    [
        ({}, 1, "later"),
        ({}, 2, "now"),
        ({"renew_at": None}, 1, "now"),
        ({"failed_attempts": 1, "last_failure_time": NOON}, 1, "soon"),
        ({"failed_attempts": 1, "last_failure_time": NOON}, 2, "now"),
        ({"failed_attempts": 1, "last_failure_time": noon(hours=1)}, 1, "now"),
        ({"failed_attempts": 1, "last_failure_time": None}, 1, "later"),
    ],
)
def test_the_cloud_is_asked_when_there_is_reason_to(
    changed: dict[str, Any], generation: int, expected: str
) -> None:
    """After an edit at once, after a failure by its back-off, else as the session ages."""
    status = msgspec.structs.replace(_good(), **changed)
    due = verification_due(status, generation=generation, uid="s", now=NOON)
    assert due is not None
    match expected:
        case "now":
            assert due == NOON
        case "soon":
            assert NOON < due < noon(seconds=2)
        case _:
            assert due == status.renew_at
            assert NOON < due <= noon(minutes=57)


def test_an_identity_without_an_end_is_proved_once() -> None:
    """A static key has no end that anybody tells: no further look, unless something changes."""
    never = Verified("arn:aws:iam::1:user/a", "1", issued_at=NOON, expires_at=None)
    found = verified_status(SourceStatus(), never, uid="s", now=NOON, **COMMON)
    assert (found.expires_at, found.renew_at) == (None, None)
    assert verification_due(found, generation=1, uid="s", now=noon(days=9)) is None
    assert verification_due(found, generation=2, uid="s", now=NOON) == NOON
    failed = failed_status(found, PASSING, now=NOON, **COMMON)
    assert _words(failed)[0] == "Ready False CloudError"
    assert verification_due(failed, generation=1, uid="s", now=NOON) is not None
    lost = msgspec.structs.replace(found, identity=None)
    assert verification_due(lost, generation=1, uid="s", now=NOON) == NOON


def test_a_verified_source_says_who_we_are() -> None:
    """Identity, account, end and the number of grants; nothing that failed before is left."""
    before = failed_status(SourceStatus(), PASSING, now=NOON, **COMMON)
    found = verified_status(before, US, uid="s", now=NOON, **COMMON)
    assert (found.identity, found.account_id, found.provider) == (US.identity, "1", "AWS")
    assert (found.expires_at, found.grants, found.failed_attempts) == (NOON + HOUR, 2, 0)
    assert _words(found) == ["Ready True Succeeded"]


@pytest.mark.parametrize(
    ("words", "before", "failure", "generation", "now", "expected"),
    [
        (
            "new",
            SourceStatus(),
            PASSING,
            1,
            NOON,
            ["Ready False CloudError", "Reconciling True ProgressingWithRetry"],
        ),
        (
            "alive",
            _good(),
            PASSING,
            1,
            NOON,
            ["Ready True Succeeded", "RenewalFailing True CloudError"],
        ),
        (
            "edited",
            _good(),
            PASSING,
            2,
            NOON,
            ["Ready False CloudError", "Reconciling True ProgressingWithRetry"],
        ),
        (
            "ended",
            _good(),
            PASSING,
            1,
            noon(hours=1),
            ["Ready False CloudError", "Reconciling True ProgressingWithRetry"],
        ),
        (
            "denied",
            SourceStatus(failed_attempts=4),
            DENIED,
            1,
            NOON,
            ["Ready False AccessDenied", "Stalled True AccessDenied"],
        ),
    ],
)
def test_a_source_that_fails_is_ready_while_its_session_lives(
    words: str,
    before: SourceStatus,
    failure: Failure,
    *,
    generation: int,
    now: datetime,
    expected: list[str],
) -> None:
    """An edited source is verified again: a session of the old spec proves nothing."""
    found = failed_status(before, failure, provider="AWS", generation=generation, grants=0, now=now)
    assert _words(found) == expected, words
    assert found.failed_attempts == before.failed_attempts + 1
    assert found.last_failure_time == now


@pytest.mark.parametrize("now", [NOON, noon(hours=2)])
def test_a_source_that_is_not_ready_shows_no_identity(now: datetime) -> None:
    """EXPIRES in the past, or the identity of an earlier spec, would pass for current values."""
    mistake = source_error([FieldError("spec", "is wrong.")])
    assert mistake is not None
    edited = {**COMMON, "generation": 2}
    for found in (
        failed_status(_good(), DENIED, now=now, **edited),
        invalid_status(_good(), mistake, now=now, **edited),
    ):
        assert (found.identity, found.expires_at, found.renew_at) == (None, None, None)
        assert found.account_id == US.account_id
        assert verified_status(found, US, uid="s", now=now, **edited).identity == US.identity


def test_a_source_with_a_valid_session_shows_it_while_its_renewal_fails() -> None:
    """Nothing has ended yet."""
    found = failed_status(_good(), PASSING, now=NOON, **COMMON)
    assert (found.identity, found.expires_at) == (US.identity, US.expires_at)


def test_a_mistaken_source_waits_for_a_person() -> None:
    """Stalled, and reported once."""
    mistake = source_error([FieldError("spec", "is wrong.")])
    assert mistake is not None
    found = invalid_status(SourceStatus(), mistake, now=NOON, **COMMON)
    assert _words(found) == ["Ready False InvalidSpec", "Stalled True InvalidSpec"]
    assert invalid_status(found, mistake, now=noon(hours=1), **COMMON) == found
