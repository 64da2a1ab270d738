"""AssumeRoleWithWebIdentity with the token of a ServiceAccount (IRSA, and any federated cluster).

STS is called in the source's region. The call is unsigned: the token authenticates it.
"""

from __future__ import annotations

import re
from typing import Any

from keywright.api.aws_source import WebIdentity
from keywright.api.durations import parse_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.names import ANNOTATION_EKS_ROLE_ARN
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import AwsContext, aws_of
from keywright.clouds.aws.sts.errors import failure_from_token
from keywright.clouds.aws.sts.sessions import DEFAULT_DURATION, limits, session_name, session_of
from keywright.clouds.identity_tokens import token_facts
from keywright.clouds.interfaces import Session, SessionOptions, TokenSource, whole_seconds

_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")


async def open_session(
    identity: WebIdentity,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    context: AwsContext,
) -> Session:
    """Open a session, with the expiry from STS, never the requested one.

    Raises:
        Failure: no role ARN, no token, or STS refuses.
    """
    account = identity.service_account_ref.name
    role_arn = identity.role_arn or await _annotated_role(
        source, account=account, tokens=context.tokens
    )
    token = await context.tokens.token(
        namespace=source.namespace, name=account, audience=identity.audience
    )
    request = _request(identity, source=source, ask=ask, role_arn=role_arn, token=token)
    issued_at = whole_seconds(context.clock())
    aws = aws_of(source)
    try:
        answer = await context.calls.run(
            "sts",
            lambda client: client.assume_role_with_web_identity(**request),
            region=aws.region,
            tenant=source.namespace,
            source=source,
            endpoint=aws.sts_endpoint,
        )
        return session_of(answer, issued_at=issued_at)
    except Exception as error:
        # `from None`: botocore's exception contains the request, and the request the token.
        raise failure_from_token(error, token=token_facts(token), role_arn=role_arn) from None


def _request(
    identity: WebIdentity,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    role_arn: str,
    token: Sensitive,
) -> dict[str, Any]:
    seconds = int(parse_duration(identity.session_duration or DEFAULT_DURATION))
    return {
        "RoleArn": role_arn,
        "RoleSessionName": identity.session_name or session_name(source),
        "WebIdentityToken": token.reveal(),
        "DurationSeconds": ask.seconds or seconds,
        **limits(identity, ask=ask),
    }


async def _annotated_role(source: CredentialSource, *, account: str, tokens: TokenSource) -> str:
    annotations = await tokens.annotations(namespace=source.namespace, name=account)
    role_arn = annotations.get(ANNOTATION_EKS_ROLE_ARN)
    if role_arn and not _ROLE_ARN.fullmatch(role_arn):
        raise Failure(
            f"ServiceAccount {account}: {ANNOTATION_EKS_ROLE_ARN} is no ARN of a role.",
            kind=FailureClass.CONFIGURATION,
            reason="NoRoleArn",
            field="CredentialSource spec.aws.webIdentity.serviceAccountRef",
            remedy="Write it like arn:aws:iam::123456789012:role/name.",
        )
    if not role_arn:
        raise Failure(
            f"the source names no role, and ServiceAccount {account} has no annotation"
            f" {ANNOTATION_EKS_ROLE_ARN}.",
            kind=FailureClass.CONFIGURATION,
            reason="NoRoleArn",
            field="CredentialSource spec.aws.webIdentity.roleArn",
            remedy="Set it, or annotate the ServiceAccount.",
        )
    return role_arn
