"""What all ways of asking STS for a session have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from keywright.api.aws_source import AwsSource
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.aws.calls import AwsCalls
from keywright.clouds.sessions import Clock
from keywright.clouds.ways import Session, SourceSecrets, Tokens

# What STS gives where nothing is asked.
DEFAULT_DURATION: Final = "1h"
_SESSION_NAME_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside that an identity may need."""

    tokens: Tokens
    secrets: SourceSecrets
    calls: AwsCalls
    clock: Clock


def aws_of(source: CredentialSource) -> AwsSource:
    """The part of the source that is for AWS."""
    assert source.spec.aws is not None
    return source.spec.aws


def session_name(source: CredentialSource) -> str:
    """<namespace>.<name>, cut to what STS allows: CloudTrail tells tenants apart by it."""
    return f"{source.namespace}.{source.name}"[:_SESSION_NAME_LIMIT]


def limits(*, policy: Mapping[str, Any] | None, policy_arns: tuple[str, ...]) -> dict[str, Any]:
    """The session policies as parameters of the call."""
    found: dict[str, Any] = {}
    if policy is not None:
        found["Policy"] = msgspec.json.encode(policy).decode()
    if policy_arns:
        found["PolicyArns"] = [{"arn": arn} for arn in policy_arns]
    return found


def session_of(answer: Mapping[str, Any], *, issued_at: datetime) -> Session:
    """The session in an answer of STS; its end is what STS says, never what was asked."""
    credentials = answer["Credentials"]
    return Session(
        access_key_id=credentials["AccessKeyId"],
        secret_access_key=Sensitive(credentials["SecretAccessKey"]),
        session_token=Sensitive(credentials["SessionToken"]),
        issued_at=issued_at,
        expires_at=credentials["Expiration"],
        identity=answer["AssumedRoleUser"]["Arn"],
    )
