"""Validation of a CredentialSource."""

import re
from collections.abc import Iterator

from keywright.api import checks
from keywright.api.alibaba_source import (
    AlibabaSource,
    OidcRoleArn,
    Profile,
    RamRoleArn,
    RsaKeyPair,
)
from keywright.api.aws_source import AwsHop, AwsSource, RolesAnywhere
from keywright.api.checks import DAY, HOUR, MINUTE
from keywright.api.errors import FieldError
from keywright.api.schema import TOKEN_SECONDS, ServiceAccountReference
from keywright.api.source import SourceSpec
from keywright.api.token_exchange_source import (
    MAX_PARAMETER,
    MAX_PARAMETERS,
    OWN_PARAMETERS,
    SECRET_PARAMETERS,
    GenericExchange,
    TokenExchangeSource,
)

MAX_HOPS = 5
_ENDPOINT = re.compile(r"https://[A-Za-z0-9._~:/%+\[\]-]{1,504}")
_VALUE = re.compile(rf"[ -~]{{0,{MAX_PARAMETER}}}")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CLOUDS = ["aws", "alibabaCloud", "tokenExchange"]


def source_problems(spec: SourceSpec) -> list[FieldError]:
    """Return all errors of the spec; empty if it is valid."""
    return list(_spec(spec))


def _spec(spec: SourceSpec) -> Iterator[FieldError]:
    chosen = [
        name
        for name, cloud in (
            ("aws", spec.aws),
            ("alibabaCloud", spec.alibaba_cloud),
            ("tokenExchange", spec.token_exchange),
        )
        if cloud is not None
    ]
    yield from checks.exactly_one("spec", chosen=chosen, choices=_CLOUDS)
    if spec.aws is not None:
        yield from _aws(spec.aws)
    if spec.alibaba_cloud is not None:
        yield from _alibaba(spec.alibaba_cloud)
    if spec.token_exchange is not None:
        yield from _token_exchange(spec.token_exchange)
    allowed = spec.allowed_namespaces
    if allowed is not None and bool(allowed.names) == (allowed.selector is not None):
        yield FieldError("spec.allowedNamespaces", "set exactly one of names and selector")


def _aws(aws: AwsSource) -> Iterator[FieldError]:
    chosen = [name for one in aws.identities() for name in one.key_identity()]
    yield from checks.exactly_one("spec.aws", chosen=chosen, choices=list(aws.identity_fields()))
    web = aws.web_identity
    if web is not None:
        field = "spec.aws.webIdentity"
        yield from _one_audience(field, web.service_account_ref)
        yield from checks.duration(
            f"{field}.sessionDuration", web.session_duration, least=15 * MINUTE, most=12 * HOUR
        )
        yield from checks.session_policy(f"{field}.policy", web.policy, latin=True)
    if aws.roles_anywhere is not None:
        yield from _roles_anywhere(aws, aws.roles_anywhere)
    yield from _few_hops("spec.aws.assumeRoles", len(aws.assume_roles))
    for index, hop in enumerate(aws.assume_roles):
        yield from _aws_hop(
            f"spec.aws.assumeRoles[{index}]", hop, of_key=aws.access_key is not None and index == 0
        )


def _roles_anywhere(aws: AwsSource, identity: RolesAnywhere) -> Iterator[FieldError]:
    """Trust anchor, profile and role are of one account; iam:PassRole allows no other role."""
    field = "spec.aws.rolesAnywhere"
    yield from checks.duration(
        f"{field}.sessionDuration", identity.session_duration, least=15 * MINUTE, most=12 * HOUR
    )
    anchor, profile = identity.trust_anchor_arn.split(":"), identity.profile_arn.split(":")
    if anchor[:5] != profile[:5]:
        yield FieldError(
            f"{field}.profileArn",
            "must be a profile of the partition, region and account of trustAnchorArn",
        )
    if not identity.role_arn.startswith(f"arn:{anchor[1]}:iam::{anchor[4]}:role/"):
        yield FieldError(
            f"{field}.roleArn", "must be a role of the partition and account of trustAnchorArn"
        )
    if any(hop.source_identity is not None for hop in aws.assume_roles):
        yield FieldError(
            "spec.aws.assumeRoles",
            "rolesAnywhere sets the source identity to the subject of the certificate, and no"
            " later role can change it: remove sourceIdentity",
        )


def _aws_hop(field: str, hop: AwsHop, *, of_key: bool) -> Iterator[FieldError]:
    """Validate one hop.

    A role assumed with the session of another role lasts at most an hour, regardless of the role's
    maximum: AWS, "role chaining". Only the first hop of a static key has no session before it.
    """
    if hop.external_id is not None and hop.external_id_from is not None:
        yield FieldError(field, "set at most one of externalId and externalIdFrom")
    yield from checks.duration(
        f"{field}.sessionDuration",
        hop.session_duration,
        least=15 * MINUTE,
        most=12 * HOUR if of_key else HOUR,
    )
    yield from checks.session_policy(f"{field}.policy", hop.policy, latin=True)
    for key in hop.transitive_tag_keys:
        if key not in hop.session_tags:
            yield FieldError(
                f"{field}.transitiveTagKeys", f"{key} is no key of sessionTags: add it there"
            )


def _alibaba(alibaba: AlibabaSource) -> Iterator[FieldError]:
    field = "spec.alibabaCloud"
    found = alibaba.identities()
    if len(found) != 1:
        state = [name for one in found for name in one.key_identity()]
        yield from checks.exactly_one(field, chosen=state, choices=list(alibaba.identity_fields()))
    connect, read = alibaba.connect_timeout, alibaba.read_timeout
    yield from checks.duration(f"{field}.connectTimeout", connect, most=5 * MINUTE)
    yield from checks.duration(f"{field}.readTimeout", read, most=5 * MINUTE)
    expirations: dict[str, str | None] = {}
    for identity in found:
        match identity:
            case RamRoleArn(role_session_expiration=text, policy=policy):
                yield from checks.session_policy(f"{field}.ramRoleArn.policy", policy)
                expirations["ramRoleArn.roleSessionExpiration"] = text
            case OidcRoleArn(role_session_expiration=text, service_account_ref=reference):
                yield from checks.session_policy(f"{field}.oidcRoleArn.policy", identity.policy)
                expirations["oidcRoleArn.roleSessionExpiration"] = text
                yield from _one_audience(f"{field}.oidcRoleArn", reference)
            case RsaKeyPair(session_expiration=text):
                yield from checks.duration(
                    f"{field}.rsaKeyPair.sessionExpiration", text, least=15 * MINUTE, most=HOUR
                )
            case Profile(service_account_ref=ServiceAccountReference() as reference):
                yield from _one_audience(f"{field}.profile", reference)
            case _:
                pass
    for index, hop in enumerate(alibaba.assume_roles):
        expirations[f"assumeRoles[{index}].roleSessionExpiration"] = hop.role_session_expiration
        yield from checks.session_policy(f"{field}.assumeRoles[{index}].policy", hop.policy)
    for name, text in expirations.items():
        yield from checks.duration(f"{field}.{name}", text, least=15 * MINUTE, most=12 * HOUR)
    yield from _few_hops(f"{field}.assumeRoles", len(alibaba.assume_roles))
    if alibaba.bearer is not None and alibaba.assume_roles:
        yield FieldError(
            f"{field}.assumeRoles", "a bearer token cannot assume a role: remove assumeRoles"
        )


def _token_exchange(exchange: TokenExchangeSource) -> Iterator[FieldError]:
    field = "spec.tokenExchange"
    found = exchange.identities()
    if len(found) != 1:
        chosen = [each.field for each in found]
        yield from checks.exactly_one(field, chosen=chosen, choices=[*exchange.identity_fields()])
    yield from _one_audience(field, exchange.service_account_ref)
    yield from _no_foreign_audience(field, exchange)
    yield from checks.duration(
        f"{field}.tokenExpiration", exchange.token_expiration, least=TOKEN_SECONDS, most=DAY
    )
    generic = exchange.generic
    if generic is None:
        return
    if not exchange.service_account_ref.audiences:
        yield FieldError(
            f"{field}.serviceAccountRef.audiences",
            "a generic endpoint has no default audience: name the one that it expects",
        )
    if not _ENDPOINT.fullmatch(generic.endpoint):
        yield FieldError(
            f"{field}.generic.endpoint",
            "must be a URL that begins with https://, without user, query and blanks",
        )
    yield from _parameters(f"{field}.generic.parameters", generic)


def _no_foreign_audience(field: str, exchange: TokenExchangeSource) -> Iterator[FieldError]:
    """Who receives a token could present it to everyone who accepts its audience."""
    foreign = exchange.foreign_audiences()
    for audience in exchange.service_account_ref.audiences:
        if audience in foreign:
            yield FieldError(
                f"{field}.serviceAccountRef.audiences",
                f"must not be {audience}, the audience of another cloud or vendor, which would"
                " accept the token as well: name the one that this vendor or endpoint expects",
            )


def _parameters(field: str, generic: GenericExchange) -> Iterator[FieldError]:
    if len(generic.parameters) > MAX_PARAMETERS:
        yield FieldError(field, f"has more than {MAX_PARAMETERS} parameters: remove some")
    for name, value in generic.parameters.items():
        if not _PARAMETER.fullmatch(name):
            yield FieldError(field, "names are of lower case letters, digits and _: rename it")
        elif name in OWN_PARAMETERS:
            yield FieldError(f"{field}[{name}]", "is set by Keywright: remove it")
        elif name in SECRET_PARAMETERS:
            yield FieldError(f"{field}[{name}]", "is a secret, and a spec is readable: remove it")
        elif not _VALUE.fullmatch(value):
            yield FieldError(
                f"{field}[{name}]",
                f"values are of at most {MAX_PARAMETER} ASCII characters without line breaks:"
                " correct it",
            )


def _one_audience(field: str, reference: ServiceAccountReference) -> Iterator[FieldError]:
    """Allow one audience: with several, each of them could replay the token against the others."""
    if len(reference.audiences) > 1:
        yield FieldError(
            f"{field}.serviceAccountRef.audiences",
            "a token is asked for one audience: name exactly one, or none for the default",
        )


def _few_hops(field: str, count: int) -> Iterator[FieldError]:
    if count > MAX_HOPS:
        yield FieldError(field, f"has {count} hops: set at most {MAX_HOPS}")
