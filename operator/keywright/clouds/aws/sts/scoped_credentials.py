"""GetScopedCredentials: the session of a source, limited further without assuming its role again.

The result can do what both the session and the policy allow, has the same identity, and cannot
outlive the session. It needs temporary credentials and a regional endpoint. Source: botocore
1.44.8, sts/2011-06-15, `GetScopedCredentials`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from keywright.api import checks
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import AWS_ARN, part, text
from keywright.clouds.aws.clients import AwsContext, account_of, aws_of
from keywright.clouds.aws.error_codes import code_and_message, common_failure
from keywright.clouds.aws.sts.sessions import credentials_of, session_name
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds
from keywright.clouds.rate_limit import pace_key

_ACTION: Final = "sts:GetScopedCredentials"
_LONGEST: Final = timedelta(hours=36)


async def scope_down(
    session: Session, *, source: CredentialSource, ask: SessionOptions, context: AwsContext
) -> Session:
    """The session with the limits of the options.

    One that inherits the expiry also has the issue time of its session: renewal is planned by both.

    Raises:
        Failure: STS refuses.
    """
    aws, now = aws_of(source), whole_seconds(context.clock())
    request = _request(session, source=source, ask=ask, now=now)
    try:
        answer = await context.calls.run(
            "sts",
            lambda client: client.get_scoped_credentials(**request),
            region=aws.region,
            tenant=source.namespace,
            source=source,
            endpoint=aws.sts_endpoint,
            session=session,
            pace=pace_key(source, account=account_of(session)),
        )
        arn = text(part(answer, "SessionInfo").get("Arn"), AWS_ARN)
        scoped = credentials_of(answer, issued_at=now, identity=arn)
    except Exception as error:
        # `from None`: botocore's exception contains the request.
        raise _failure(error, source=source) from None
    inherited = scoped.expires_at == session.expires_at
    issued_at = session.issued_at if inherited else now
    return replace(scoped, issued_at=issued_at, chained=session.chained)


def _request(
    session: Session, *, source: CredentialSource, ask: SessionOptions, now: datetime
) -> dict[str, Any]:
    """The parameters; without a duration, the expiry of the session is inherited."""
    request: dict[str, Any] = {"ScopedSessionDescription": session_name(source)}
    if ask.policy is not None:
        request["Policy"] = checks.policy_text(ask.policy, latin=True)
    if ask.seconds is None:
        return request
    wanted = timedelta(seconds=ask.seconds)
    if session.expires_at is None or now + wanted < session.expires_at:
        request["DurationSeconds"] = int(min(wanted, _LONGEST).total_seconds())
    elif ask.policy is None:
        # One of the two is required; more than what is left is refused.
        left = (session.expires_at - now).total_seconds()
        request["DurationSeconds"] = max(int(left) - 1, 1)
    return request


def _failure(error: Exception, *, source: CredentialSource) -> Failure:
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    match code:
        case "AccessDenied":
            kind, field = FailureClass.DENIED, f"CredentialSource {source.name} spec.aws"
            remedy = (
                f"Allow {_ACTION} on * in the policies of the role, and in the session policies of"
                f" CredentialSource {source.name} if it has any; or remove scopedSession."
            )
        case "InvalidAction" | "UnknownOperationException":
            return Failure(
                f"AWS STS: {message} (GetScopedCredentials).",
                kind=FailureClass.CONFIGURATION,
                reason="ScopedSessionUnsupported",
                field=f"CredentialSource {source.name} spec.aws.stsEndpoint",
                remedy=(
                    "Use a regional endpoint of STS that has GetScopedCredentials, or remove"
                    " scopedSession."
                ),
            )
        case "MalformedPolicyDocument" | "PackedPolicyTooLarge":
            kind, field = FailureClass.CONFIGURATION, ""
            remedy = "Correct or shorten the policy of the grant."
        case "InsufficientSessionLifetime" | "InvalidSubjectCredentials":
            # The session has ended, or was revoked, since it was opened.
            kind, field = FailureClass.TRANSIENT, ""
            remedy = "Tried again with a new session."
        case _:
            return common_failure(code, message)
    return Failure(
        f"AWS STS: {message} (GetScopedCredentials).",
        kind=kind,
        reason=code,
        field=field,
        remedy=remedy,
    )
