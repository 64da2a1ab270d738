"""AssumeRole, as a source, a hop or a profile asks for it, and what a grant asks beyond that."""

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
    """A role to assume, what is asked of its session, and where that stands.

    `is_stored`: it comes out of a Secret, so that messages do not quote it.
    """

    arn: str
    session_name: str
    seconds: int
    fields: Mapping[str, str]
    policy: str | None = None
    external_id: str | None = None
    is_stored: bool = False

    def parameters(self) -> Parameters:
        """As STS takes them."""
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
    """Where a key stands that signs: the Secret, and the field that names it."""

    secret: str
    field: str


class AssumedRole(Protocol):
    """What the parts of a spec that name a role have in common."""

    @property
    def role_session_name(self) -> str | None:
        """Absent, the source's namespace and name."""

    @property
    def role_session_expiration(self) -> str | None:
        """Absent, an hour."""

    @property
    def policy(self) -> Policy | None:
        """Absent, the session may do what the role may."""


def build_role(
    place: AssumedRole,
    *,
    arn: str,
    field: str,
    source: CredentialSource,
    ask: SessionOptions,
    external_id: str | None = None,
) -> Role:
    """The role with what the source says of its session, and what a grant asks beyond that.

    Of two policies STS takes one alone: api.grant_checks lets no grant have one beside its source.
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
    """A policy as STS takes it, without a blank too many: 2048 characters are all there is."""
    return None if policy is None else msgspec.json.encode(policy).decode()


def field_paths(field: str, *, ask: SessionOptions) -> dict[str, str]:
    """The parts of a way that assumes a role, and the fields that they stand in."""
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
    """A new session of the role, assumed by the session `by`; `key` is where its key stands.

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

    Empty where STS does not say it, and without a call for refusals whose remedy has no policy:
    another request would only add to a rate limit or wait for a dead endpoint once more.
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
    """A new session of `assumeRoles[number]`, assumed by the session `by`.

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
