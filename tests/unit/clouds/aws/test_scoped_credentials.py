"""What STS is asked for a scoped session, when it ends, and what its refusals say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.aws.sts.scoped_credentials import scope_down
from keywright.clouds.interfaces import Session, SessionOptions
from tests.unit.api.samples import source
from tests.unit.clouds.aws.contexts import ScriptedSts, context
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.provider import session

POLICY = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TEXT = '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
# Half of its hour is over.
HALF = session(issued_at=NOON - timedelta(minutes=30))
ENDS = NOON + timedelta(minutes=30)


async def _scoped(sts: ScriptedSts, *, by: Session = HALF, **options: Any) -> Session:
    return await scope_down(
        by, source=source(), ask=SessionOptions(scoped=True, **options), context=context(sts)
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"policy": POLICY}, {"Policy": TEXT}),
        ({"policy": POLICY, "seconds": 900}, {"Policy": TEXT, "DurationSeconds": 900}),
        ({"policy": POLICY, "seconds": 3600}, {"Policy": TEXT}),
        ({"seconds": 900}, {"DurationSeconds": 900}),
        ({"seconds": 3600}, {"DurationSeconds": 1799}),
    ],
)
async def test_it_is_asked_for_what_the_session_can_give(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Without a duration the expiry is inherited, and more than what is left is refused."""
    sts = ScriptedSts()
    await _scoped(sts, **options)
    ((action, request, signed_by),) = sts.requested
    assert (action, signed_by) == ("get_scoped_credentials", HALF.access_key_id)
    assert request == {"ScopedSessionDescription": "chat.bedrock", **expected}


async def test_a_session_without_a_known_end_is_asked_for_the_duration() -> None:
    """And for 36 hours at most, the limit of STS."""
    sts, endless = ScriptedSts(), replace(HALF, expires_at=None)
    await _scoped(sts, by=endless, seconds=200_000)
    assert sts.requested[0][1]["DurationSeconds"] == 129_600


@pytest.mark.parametrize(
    ("life", "issued_at"),
    [
        (timedelta(minutes=30), NOON - timedelta(minutes=30)),
        (timedelta(minutes=15), NOON),
    ],
)
async def test_what_inherits_the_end_inherits_the_beginning(
    life: timedelta, issued_at: datetime
) -> None:
    """The renewal is planned by both: otherwise half a session would seem to be a whole one."""
    sts = ScriptedSts()
    sts.life = life
    found = await _scoped(sts, policy=POLICY)
    assert (found.issued_at, found.expires_at) == (issued_at, NOON + life)
    assert found.identity == "arn:aws:sts::1:assumed-role/a/b"
    assert found.chained is HALF.chained


@pytest.mark.parametrize(
    ("code", "kind", "reason", "says"),
    [
        ("AccessDenied", FailureClass.DENIED, "AccessDenied", "Allow sts:GetScopedCredentials"),
        ("InvalidAction", FailureClass.CONFIGURATION, "ScopedSessionUnsupported", "regional"),
        ("MalformedPolicyDocument", FailureClass.CONFIGURATION, None, "policy of the grant"),
        ("PackedPolicyTooLarge", FailureClass.CONFIGURATION, None, "shorten the policy"),
        ("InsufficientSessionLifetime", FailureClass.TRANSIENT, None, "new session"),
        ("InvalidSubjectCredentials", FailureClass.TRANSIENT, None, "new session"),
        ("Throttling", FailureClass.THROTTLED, None, ""),
    ],
)
async def test_a_refusal_says_what_to_change(
    code: str, kind: FailureClass, reason: str | None, says: str
) -> None:
    """In STS's words, with the cure; never with the request."""
    sts = ScriptedSts()
    sts.failure = ClientError({"Error": {"Code": code, "Message": "no"}}, "GetScopedCredentials")
    with pytest.raises(Failure) as caught:
        await _scoped(sts, policy=POLICY)
    failure = caught.value
    assert (failure.kind, failure.reason) == (kind, reason or failure.reason)
    assert says in f"{failure} {failure.remedy}"
    assert failure.__cause__ is None
