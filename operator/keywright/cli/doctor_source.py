"""The hops of a source, as the operator would take them: token, issuer, session, each role."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from keywright.api.alibaba_source import AlibabaSource, OidcRoleArn, audience_of
from keywright.api.aws_source import AwsSource, WebIdentity
from keywright.api.errors import Failure, FieldError
from keywright.api.parsing import parse_source
from keywright.api.schema import TOKEN_SECONDS, ServiceAccountReference
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.api.times import format_time
from keywright.api.token_exchange_source import TokenExchangeSource
from keywright.cli.cluster_client import ClusterClient
from keywright.cli.errors import CommandError
from keywright.cli.hop import Hop, Result, failed
from keywright.cli.installation import Operator, operator_may
from keywright.clouds.alibaba.api_calls import ApiCalls
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.identity_tokens import token_facts
from keywright.clouds.interfaces import CloudProvider
from keywright.cluster.service_accounts import ServiceAccounts, token_forbidden
from keywright.planning.sources import is_skewed

_SECONDS: Final = 5.0
_PUBLIC_LIMIT: Final = 1 << 20
# Identities of the place where the operator runs: here they would be those of this machine.
_OF_THE_OPERATOR: Final = ("Ambient", "DefaultChain", "EcsRamRole")


@dataclass(frozen=True, slots=True)
class Tools:
    """What the hops use: the cluster as the user, and the clouds as the operator."""

    client: ClusterClient
    operator: Operator
    accounts: ServiceAccounts
    provider: CloudProvider
    skews: ClockSkews
    calls: BotoClients
    api: ApiCalls


def read_source(body: dict[str, Any]) -> tuple[CredentialSource | None, Hop]:
    """The source, and the hop of its spec."""
    parsed = parse_source(body)
    name = body["metadata"]["name"]
    title = f"CredentialSource {name} is valid"
    if isinstance(parsed, CredentialSource):
        return parsed, Hop("doctor-spec", title)
    return None, invalid_spec(title, parsed)


def invalid_spec(title: str, errors: list[FieldError]) -> Hop:
    """The hop of a spec that the operator refuses."""
    return Hop(
        "doctor-spec",
        title,
        Result.FAILED,
        facts=[str(error) for error in errors],
        cure="Correct these fields.",
    )


async def source_hops(source: CredentialSource, tools: Tools) -> AsyncIterator[Hop]:
    """Yield the hops of a source up to its last role; the first failure ends them."""
    account = _account_of(source)
    if account is not None:
        reference, audience, seconds = account
        missing = await _missing_account(source, reference.name, tools)
        if missing is not None:
            yield missing
            return
        yield _token_right(source, reference.name, tools)
        token, hop = await _token(source, reference, tools, audience=audience, seconds=seconds)
        yield hop
        if token is None:
            return
        yield _issuer(token)
    kind = type(source.identity).__name__
    if any(name in kind for name in _OF_THE_OPERATOR):
        yield Hop(
            "doctor-session",
            f"identity {kind} is that of the operator's own pod",
            Result.SKIPPED,
            facts=("It cannot be tried from here; the last hop shows what the operator reports.",),
        )
        return
    for number in range(len(source.cloud.assume_roles) + 1):
        hop = await _session(source, number, tools)
        yield hop
        if hop.result is Result.FAILED:
            return
    yield _clock(source, tools)


def _account_of(source: CredentialSource) -> tuple[ServiceAccountReference, str, int] | None:
    """The ServiceAccount of the source, and audience and lifetime of its token."""
    exchange = source.spec.token_exchange
    if exchange is not None:
        return exchange.service_account_ref, exchange.audience, exchange.token_seconds
    match source.identity:
        case WebIdentity(service_account_ref=reference) as identity:
            return reference, identity.audience, TOKEN_SECONDS
        case OidcRoleArn(service_account_ref=reference):
            return reference, audience_of(reference), TOKEN_SECONDS
        case _:
            return None


async def _missing_account(source: CredentialSource, account: str, tools: Tools) -> Hop | None:
    """The hop of a ServiceAccount that does not exist; rights for it would not help."""
    try:
        await tools.accounts.annotations(namespace=source.namespace, name=account)
    except Failure as failure:
        if failure.reason == "ServiceAccountNotFound":
            return failed("doctor-token", f"a token of ServiceAccount {account}", failure)
    return None


def _token_right(source: CredentialSource, account: str, tools: Tools) -> Hop:
    """Whether the operator may request tokens of the ServiceAccount."""
    title = f"the operator may request tokens of ServiceAccount {account}"
    allowed = operator_may(
        tools.client,
        tools.operator,
        "create",
        "serviceaccounts/token",
        namespace=source.namespace,
        name=account,
    )
    if allowed is None:
        return Hop(
            "doctor-token-right",
            title,
            Result.SKIPPED,
            facts=("You may not create subjectaccessreviews, so this is unknown.",),
        )
    if allowed:
        return Hop("doctor-token-right", title)
    return failed(
        "doctor-token-right", title, token_forbidden(namespace=source.namespace, name=account)
    )


async def _token(
    source: CredentialSource,
    reference: ServiceAccountReference,
    tools: Tools,
    *,
    audience: str,
    seconds: int,
) -> tuple[Sensitive | None, Hop]:
    title = f"a token of ServiceAccount {reference.name}"
    try:
        token = await tools.accounts.token(
            namespace=source.namespace,
            name=reference.name,
            audience=audience,
            seconds=seconds,
        )
    except Failure as failure:
        if failure.reason == "TokenRequestForbidden":
            raise CommandError(
                f"you may not request tokens of ServiceAccount {reference.name}, and doctor uses"
                " your own permissions.",
                remedy="Ask for create on serviceaccounts/token, or use --as-operator.",
            ) from None
        return None, failed("doctor-token", title, failure)
    facts = token_facts(token)
    lifetime = _lifetime(token)
    return token, Hop(
        "doctor-token",
        title,
        facts=(
            f"iss {facts.issuer}",
            f"aud {facts.audience}",
            f"sub {facts.subject}",
            *((f"valid for {lifetime} s",) if lifetime is not None else ()),
        ),
    )


def _issuer(token: Sensitive) -> Hop:
    """Whether the issuer publishes its keys, as a cloud would fetch them; a hint, not a proof."""
    issuer = token_facts(token).issuer
    title = f"the issuer {issuer} publishes its keys"
    warning = Hop(
        "doctor-issuer",
        title,
        Result.WARNING,
        cure=(
            "The cloud must be able to read these documents without credentials. If they are"
            " published for the cloud alone, ignore this; otherwise set the API server's"
            " --service-account-issuer to a public URL and publish them there."
        ),
    )
    try:
        discovery = _fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        keys = _fetch(str(discovery["jwks_uri"]))["keys"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return replace(warning, facts=(f"it cannot be read from here: {_cause(error)}.",))
    if discovery.get("issuer") != issuer:
        return replace(warning, facts=(f"its document names issuer {discovery.get('issuer')}.",))
    if _key_id(token) not in [key.get("kid") for key in keys]:
        return replace(warning, facts=("it does not publish the key that signed the token.",))
    return Hop("doctor-issuer", title)


def _cause(error: Exception) -> str:
    """Why a document could not be read, such as the error of a certificate."""
    match error:
        case urllib.error.HTTPError():
            return f"HTTP status {error.code}"
        case urllib.error.URLError():
            return f"{error.reason}"
        case _:
            return f"{type(error).__name__}: {error}"


async def _session(source: CredentialSource, number: int, tools: Tools) -> Hop:
    """Open the session after that number of roles, and ask the cloud who it is."""
    role = source.cloud.assume_roles[number - 1].role_arn if number else ""
    title = f"role {number} of the chain: {role}" if number else "a session of the identity"
    id_ = "doctor-role" if number else "doctor-session"
    try:
        session, caller = await tools.provider.verify(_shortened(source, number))
    except Failure as failure:
        return failed(id_, title, failure)
    end = f"until {format_time(session.expires_at)}" if session.expires_at else "without an end"
    account = f"account {caller.account_id}, " if caller.account_id else ""
    facts = (f"{caller.identity}", f"{account}valid {end}")
    if session.warning:
        return Hop(id_, title, Result.WARNING, facts=facts, cure=session.warning)
    return Hop(id_, title, facts=facts)


def _shortened(source: CredentialSource, number: int) -> CredentialSource:
    """The source with the first roles of its chain only, in a generation of its own."""
    roles: Any = source.cloud.assume_roles[:number]
    match source.cloud:
        case AwsSource() as aws:
            spec = msgspec.structs.replace(
                source.spec, aws=msgspec.structs.replace(aws, assume_roles=roles)
            )
        case AlibabaSource() as alibaba:
            spec = msgspec.structs.replace(
                source.spec, alibaba_cloud=msgspec.structs.replace(alibaba, assume_roles=roles)
            )
        case TokenExchangeSource():
            return source
    return replace(source, spec=spec, generation=number)


def _clock(source: CredentialSource, tools: Tools) -> Hop:
    seen = tools.skews.of_source(source.uid)
    title = "the clock of this machine agrees with the cloud"
    if seen is None or not is_skewed(seen.skew):
        return Hop("doctor-clock", title)
    seconds = seen.skew.total_seconds()
    side = "ahead of" if seconds > 0 else "behind"
    return Hop(
        "doctor-clock",
        title,
        Result.WARNING,
        facts=(f"This machine is {abs(seconds):.0f} s {side} the cloud.",),
        cure="Set the clock by NTP; the operator reports its own as ClockSkewed.",
    )


def _fetch(url: str) -> dict[str, Any]:
    if not url.startswith("https://"):
        raise ValueError("not HTTPS")
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310  HTTPS only
        found: dict[str, Any] = json.loads(answer.read(_PUBLIC_LIMIT))
        return found


def _parts(token: Sensitive) -> Iterator[dict[str, Any]]:
    """The header and the claims of a JWT, neither of which is secret."""
    for part in token.reveal().split(".")[:2]:
        yield json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _lifetime(token: Sensitive) -> int | None:
    try:
        _, claims = _parts(token)
        return int(claims["exp"]) - int(claims["iat"])
    except (ValueError, KeyError, TypeError):
        return None


def _key_id(token: Sensitive) -> str | None:
    try:
        header = next(_parts(token))
        return str(header["kid"])
    except (ValueError, KeyError, TypeError):
        return None
