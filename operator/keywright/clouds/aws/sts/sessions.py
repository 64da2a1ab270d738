"""Sessions of AWS: parameters of the requests to STS, and sessions from the responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from keywright.api import checks
from keywright.api.aws_source import AwsHop, RolesAnywhere, WebIdentity
from keywright.api.durations import format_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import (
    ACCOUNT,
    AWS_ARN,
    AWS_KEY_ID,
    AWS_SECRET,
    AWS_TOKEN,
    moment,
    part,
    secret,
    text,
)
from keywright.clouds.aws.clients import AwsContext, account_of, aws_of
from keywright.clouds.interfaces import CallerIdentity, Session, SessionOptions
from keywright.clouds.rate_limit import pace_key

# The default of STS.
DEFAULT_DURATION: Final = "1h"
_SESSION_NAME_LIMIT = 64


def session_name(source: CredentialSource) -> str:
    """<namespace>.<name>, truncated to STS's limit: it distinguishes tenants in CloudTrail."""
    return f"{source.namespace}.{source.name}"[:_SESSION_NAME_LIMIT]


def limits(role: WebIdentity | AwsHop, *, ask: SessionOptions) -> dict[str, Any]:
    """The session policies as call parameters: the source's, or those of the session options.

    Never of both: a session may do what any one of its policies allows. The controller rejects such
    a pair (api.grant_checks.validate_with_source) before.
    """
    own = bool(role.policy or role.policy_arns)
    assert not (own and (ask.policy or ask.policy_arns)), "policies of both source and grant"
    policy = role.policy if own else ask.policy
    found: dict[str, Any] = {}
    if policy is not None:
        found["Policy"] = checks.policy_text(policy, latin=True)
    if arns := (role.policy_arns if own else ask.policy_arns):
        found["PolicyArns"] = [{"arn": arn} for arn in arns]
    return found


def session_of(answer: Mapping[str, Any], *, issued_at: datetime) -> Session:
    """The session in a response of STS, with its expiry, never the requested one.

    Raises:
        Failure: a value is missing or not of AWS's format, or the session has already expired.
    """
    arn = text(part(answer, "AssumedRoleUser").get("Arn"), AWS_ARN)
    return credentials_of(answer, issued_at=issued_at, identity=arn)


def credentials_of(answer: Mapping[str, Any], *, issued_at: datetime, identity: str) -> Session:
    """The credentials in a response of STS, as a session of that identity; raises Failure."""
    credentials = part(answer, "Credentials")
    expires_at = moment(credentials.get("Expiration"), what="Expiration")
    if expires_at <= issued_at:
        raise Failure(
            f"AWS STS: the session has ended already, at {expires_at:%Y-%m-%dT%H:%M:%SZ}.",
            kind=FailureClass.TRANSIENT,
            reason="CredentialsExpired",
            remedy="Check the clocks of the operator's node and of the STS endpoint.",
        )
    return Session(
        access_key_id=text(credentials.get("AccessKeyId"), AWS_KEY_ID),
        secret_access_key=secret(credentials.get("SecretAccessKey"), AWS_SECRET),
        session_token=secret(credentials.get("SessionToken"), AWS_TOKEN),
        issued_at=issued_at,
        expires_at=expires_at,
        identity=identity,
    )


def caller_of(answer: Mapping[str, Any]) -> CallerIdentity:
    """The caller in a response to GetCallerIdentity; raises Failure."""
    return CallerIdentity(
        identity=text(answer.get("Arn"), AWS_ARN), account_id=text(answer.get("Account"), ACCOUNT)
    )


async def verify_identity(
    session: Session,
    *,
    source: CredentialSource,
    context: AwsContext,
    refusal: Callable[[Exception], Failure],
) -> Session:
    """Return the session with the identity that AWS itself reports for it.

    Raises:
        Failure: AWS does not accept it; what `refusal` makes of the error.
    """
    aws = aws_of(source)
    try:
        answer = await context.calls.run(
            "sts",
            lambda client: client.get_caller_identity(),
            region=aws.region,
            tenant=source.namespace,
            source=source,
            endpoint=aws.sts_endpoint,
            session=session,
            pace=pace_key(source, account=account_of(session)),
        )
        return replace(session, identity=caller_of(answer).identity)
    except Exception as error:
        # `from None`: botocore's exception contains the request.
        raise refusal(error) from None


def explain_short_session(session: Session, *, source: CredentialSource) -> str:
    """How long the session lasts, why, and what to change if possible."""
    assert session.expires_at is not None
    life = format_duration((session.expires_at - session.issued_at).total_seconds())
    if session.chained:
        return (
            f"a role that is assumed by another role's session ends within an hour ({life});"
            " it is renewed before that."
        )
    limit = "the role's maximum session duration"
    if isinstance(aws_of(source).identity, RolesAnywhere):
        # The shorter of the two durations counts: docs/roles-anywhere.md, "Sessions".
        limit = "durationSeconds of the profile in Roles Anywhere"
    return (
        f"the session lasts {life}. Raise sessionDuration of CredentialSource {source.name} and, if"
        f" need be, {limit}."
    )
