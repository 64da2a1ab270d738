"""AssumeRole for a source, a hop or a profile, with the session options of a grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from keywright.api.durations import parse_duration
from keywright.api.schema import Policy
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    DEFAULT_DURATION,
    GRANTS_DURATION,
    GRANTS_POLICY,
    ROOT,
    AlibabaContext,
    alibaba_of,
    endpoint_of,
    session_name,
    session_of,
)
from keywright.clouds.alibaba.sts.client import Endpoint, StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, refusal
from keywright.clouds.alibaba.sts.rpc import Parameters
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds

_DENIALS: Final = ("NoPermission", "EntityNotExist.Role")
_STORED: Final = "<the external id of the profile>"


@dataclass(frozen=True, slots=True)
class Role:
    """A role to assume, the options of its session, and the fields that they come from.

    `is_stored`: it comes from a Secret, so that messages do not quote it.
    """

    arn: str
    session_name: str
    seconds: int
    fields: Mapping[str, str]
    policy: str | None = None
    external_id: str | None = None
    is_stored: bool = False

    def parameters(self) -> Parameters:
        """The parameters for STS."""
        parameters = {
            "RoleArn": self.arn,
            "RoleSessionName": self.session_name,
            "DurationSeconds": str(self.seconds),
            "Policy": self.policy,
            "ExternalId": self.external_id,
        }
        return {name: value for name, value in parameters.items() if value}


@dataclass(frozen=True, slots=True)
class SecretRef:
    """The location of a signing key: the Secret, and the field that names it."""

    secret: str
    field: str


class AssumedRole(Protocol):
    """The common fields of specs that name a role."""

    @property
    def role_session_name(self) -> str | None:
        """If absent, the source's namespace and name."""

    @property
    def role_session_expiration(self) -> str | None:
        """If absent, an hour."""

    @property
    def policy(self) -> Policy | None:
        """If absent, the session has all permissions of the role."""


def build_role(
    place: AssumedRole,
    *,
    arn: str,
    field: str,
    source: CredentialSource,
    ask: SessionOptions,
    external_id: str | None = None,
) -> Role:
    """The role with the session options of the source and of a grant.

    STS accepts one policy: api.grant_checks rejects a grant with one if its source has one.
    """
    assert not (place.policy and ask.policy), "policies of both source and grant"
    return Role(
        arn=arn,
        session_name=place.role_session_name or session_name(source),
        seconds=ask.seconds
        or int(parse_duration(place.role_session_expiration or DEFAULT_DURATION)),
        policy=encoded(place.policy or ask.policy),
        external_id=external_id,
        fields=field_paths(field, ask=ask),
    )


def encoded(policy: Policy | None) -> str | None:
    """A policy for STS, without unneeded whitespace: the limit is 2048 characters."""
    return None if policy is None else msgspec.json.encode(policy).decode()


def field_paths(field: str, *, ask: SessionOptions) -> dict[str, str]:
    """The parts of an identity that assumes a role, and their fields."""
    return {
        "": field,
        "role": f"{field}.roleArn",
        "sessionName": f"{field}.roleSessionName",
        "duration": GRANTS_DURATION if ask.seconds else f"{field}.roleSessionExpiration",
        "policy": GRANTS_POLICY if ask.policy else f"{field}.policy",
    }


async def assume(
    role: Role, *, by: Session, at: Endpoint, context: AlibabaContext, key: SecretRef | None = None
) -> Session:
    """Open a session of the role, assumed by the session `by`; `key` locates its key.

    Raises:
        Failure: STS refuses.
    """
    issued_at = whole_seconds(context.clock())
    try:
        issued = await context.sts.assume_role(role.parameters(), by=by, at=at)
    except StsError as error:
        asking = RequestContext(
            fields=role.fields if key is None else {**role.fields, "key": key.field},
            role_arn=role.arn,
            secret="" if key is None else key.secret,
            caller=by.identity or await _caller(error, by=by, at=at, context=context),
            external_id=_STORED if role.is_stored and role.external_id else role.external_id,
        )
        raise refusal(error, asking) from None
    return session_of(
        issued, issued_at=issued_at, field=role.fields[""], chained=by.session_token is not None
    )


async def _caller(error: StsError, *, by: Session, at: Endpoint, context: AlibabaContext) -> str:
    """The ARN that signed, for the trust policy in the remedy of a denial.

    Empty if STS does not return it, and without a call for refusals whose remedy has no policy:
    another request would only count against a rate limit or wait for an unreachable endpoint again.
    """
    if not error.code.startswith(_DENIALS):
        return ""
    try:
        return (await context.sts.caller(by, at=at))[0]
    except StsError:
        return ""


async def assume_chained_role(
    number: int,
    *,
    by: Session,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """Open a session of `assumeRoles[number]`, assumed by the session `by`.

    Raises:
        Failure: STS refuses.
    """
    hop = alibaba_of(source).assume_roles[number]
    role = build_role(
        hop,
        arn=hop.role_arn,
        field=f"{ROOT}.assumeRoles[{number}]",
        source=source,
        ask=ask,
        external_id=hop.external_id,
    )
    return await assume(role, by=by, at=endpoint_of(source), context=context)
