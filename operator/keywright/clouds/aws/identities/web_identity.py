"""AssumeRoleWithWebIdentity with the token of a ServiceAccount (IRSA, and every federated cluster).

STS is asked in the source's region. The call is unsigned: the token is the proof.
"""

from __future__ import annotations

from typing import Any

import msgspec

from keywright.api.aws_source import WebIdentity
from keywright.api.durations import parse_duration
from keywright.api.names import ANNOTATION_EKS_ROLE_ARN
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.aws.calls import AwsCalls
from keywright.clouds.aws.refusals import refusal_of_token, token_facts
from keywright.clouds.sessions import Clock
from keywright.clouds.ways import Session, Tokens, whole_seconds
from keywright.planning.failures import Failure, FailureClass

_SESSION_NAME_LIMIT = 64
# What STS gives where nothing is asked.
_DEFAULT_DURATION = "1h"


async def open_session(
    identity: WebIdentity,
    *,
    source: CredentialSource,
    region: str,
    endpoint: str | None,
    tokens: Tokens,
    calls: AwsCalls,
    clock: Clock,
) -> Session:
    """A new session; its end is what STS answers, never what was asked.

    Raises:
        Failure: no role ARN, no token, or STS refuses.
    """
    account = identity.service_account_ref.name
    role_arn = identity.role_arn or await _annotated_role(source, account=account, tokens=tokens)
    token = await tokens.token(namespace=source.namespace, name=account, audience=identity.audience)
    request = _request(identity, source=source, role_arn=role_arn, token=token)
    issued_at = whole_seconds(clock())
    try:
        answer = await calls.run(
            "sts",
            lambda client: client.assume_role_with_web_identity(**request),
            region=region,
            endpoint=endpoint,
        )
    except Exception as error:
        # `from None`: botocore's exception carries the request, and the request the token.
        raise refusal_of_token(error, token=token_facts(token), role_arn=role_arn) from None
    credentials = answer["Credentials"]
    return Session(
        access_key_id=credentials["AccessKeyId"],
        secret_access_key=Sensitive(credentials["SecretAccessKey"]),
        session_token=Sensitive(credentials["SessionToken"]),
        issued_at=issued_at,
        expires_at=credentials["Expiration"],
        identity=answer["AssumedRoleUser"]["Arn"],
    )


def _request(
    identity: WebIdentity, *, source: CredentialSource, role_arn: str, token: Sensitive
) -> dict[str, Any]:
    default_name = f"{source.namespace}.{source.name}"[:_SESSION_NAME_LIMIT]
    request: dict[str, Any] = {
        "RoleArn": role_arn,
        "RoleSessionName": identity.session_name or default_name,
        "WebIdentityToken": token.reveal(),
        "DurationSeconds": int(parse_duration(identity.session_duration or _DEFAULT_DURATION)),
    }
    if identity.policy is not None:
        request["Policy"] = msgspec.json.encode(identity.policy).decode()
    if identity.policy_arns:
        request["PolicyArns"] = [{"arn": arn} for arn in identity.policy_arns]
    return request


async def _annotated_role(source: CredentialSource, *, account: str, tokens: Tokens) -> str:
    annotations = await tokens.annotations(namespace=source.namespace, name=account)
    role_arn = annotations.get(ANNOTATION_EKS_ROLE_ARN)
    if not role_arn:
        raise Failure(
            f"the source names no role, and ServiceAccount {account} has no annotation"
            f" {ANNOTATION_EKS_ROLE_ARN}.",
            kind=FailureClass.CONFIGURATION,
            reason="NoRoleArn",
            field="CredentialSource spec.aws.webIdentity.roleArn",
            cure="Set it, or annotate the ServiceAccount.",
        )
    return role_arn
