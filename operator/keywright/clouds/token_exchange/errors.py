"""Convert refusals of token endpoints to failures that name what to change.

Anthropic refuses a token without a reason, by 401 authentication_error (anthropics/claude-code
#89095) or 400 invalid_grant (WIF reference). OpenAI distinguishes invalid_subject_token, for the
token, from invalid_grant, for the mapping. OpenRouter has one invalid_grant for all. So the message
shows issuer, audience and subject of the token (never the token), and what must match them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, assert_never

from keywright.api.durations import format_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.token_exchange_source import (
    AnthropicExchange,
    GenericExchange,
    OpenAiExchange,
    OpenRouterExchange,
    TokenExchangeSource,
    TokenService,
)
from keywright.clouds.http import HttpResponse
from keywright.clouds.identity_tokens import TokenFacts
from keywright.clouds.token_exchange.answers import Refusal
from keywright.clouds.token_exchange.context import ROOT
from keywright.clouds.token_exchange.requests import TITLES, endpoint_of

_REFUSED: Final = frozenset(
    {"invalid_grant", "authentication_error", "invalid_subject_token", "invalid_token"}
)
"""The codes for a token, or a trust, that does not fit; 401 and 403 mean the same."""
_BUSY: Final = frozenset({"temporarily_unavailable", "slow_down", "overloaded_error"})
_SECONDS: Final = re.compile(r"[0-9]{1,5}")
# A token of OpenRouter is renewed minutes before it expires: one pause must end well before that.
_LONGEST_PAUSE: Final = timedelta(seconds=120)
# Parameters that a message may name, with the fields that set them.
_FIELDS: Final[Mapping[str, str]] = {
    "federation_rule_id": "anthropic.federationRuleId",
    "organization_id": "anthropic.organizationId",
    "workspace_id": "anthropic.workspaceId",
    "identity_provider_id": "openai.identityProviderId",
    "federation_policy_id": "openrouter.federationPolicyId",
    "service_account_id": "{service}.serviceAccountId",
}


def failure_of(
    refusal: Refusal, answer: HttpResponse, *, exchange: TokenExchangeSource, token: TokenFacts
) -> Failure:
    """The failure for an error of the token endpoint."""
    service, status = exchange.identity, refusal.status
    title, field = TITLES[type(service)], f"{ROOT}.{service.field}"
    if 300 <= status < 400:
        return unreachable(f"redirects (HTTP {status}), and no redirect is followed", service)
    said = _said(refusal, title)
    if status == 429:
        return Failure(
            said,
            kind=FailureClass.THROTTLED,
            reason="TokenEndpointThrottled",
            field=field,
            remedy="Tried again later. Grants of one source share one token: use fewer sources.",
            retry_after=_pause(answer),
        )
    if status >= 500 or refusal.code in _BUSY:
        return Failure(
            said,
            kind=FailureClass.TRANSIENT,
            reason="TokenEndpointFailed",
            field=field,
            remedy=_OF_SERVER[type(service)].format(issuer=token.issuer),
        )
    if refusal.code in _REFUSED or status in (401, 403):
        return _refused(said, refusal, exchange=exchange, token=token)
    return Failure(
        said,
        kind=FailureClass.CONFIGURATION,
        reason="TokenRequestInvalid",
        field=_field_of(refusal, service),
        remedy=_request_remedy(refusal, service),
    )


def unreachable(what: str, service: TokenService) -> Failure:
    """The failure without a usable answer."""
    if isinstance(service, GenericExchange):
        remedy = "Check the URL, and the network, proxy and CA bundle of the operator."
        field = f"{ROOT}.generic.endpoint"
    else:
        remedy = (
            f"Tried again. Let the operator reach {endpoint_of(service)}: check its network, proxy"
            " and CA bundle."
        )
        field = f"{ROOT}.{service.field}"
    return Failure(
        f"{TITLES[type(service)]} {what}.",
        kind=FailureClass.TRANSIENT,
        reason="TokenEndpointFailed",
        field=field,
        remedy=remedy,
    )


_TRY_AGAIN: Final = "Tried again. If this stays, see the status page of the vendor."
_OF_SERVER: Final[Mapping[type[TokenService], str]] = {
    AnthropicExchange: _TRY_AGAIN,
    OpenAiExchange: _TRY_AGAIN,
    OpenRouterExchange: (
        "Tried again. OpenRouter reads the keys of {issuer} itself: they must be public, unless the"
        " issuer has a JWKS URL under Settings > Workload identity."
    ),
    GenericExchange: "Tried again. If this stays, see the log of the endpoint.",
}


def _said(refusal: Refusal, title: str) -> str:
    """What the endpoint answered, as one sentence."""
    code = f" {refusal.code}" if refusal.code else ""
    message = f": {refusal.message.rstrip('.')}" if refusal.message else ""
    return f"{title} answered {refusal.status}{code}{message}."


def _refused(
    said: str, refusal: Refusal, *, exchange: TokenExchangeSource, token: TokenFacts
) -> Failure:
    service = exchange.identity
    field, cure = _trust(refusal, exchange=exchange, token=token)
    return Failure(
        f"{said} The token had {token.describe()}, and {_life(exchange)}.",
        kind=FailureClass.DENIED,
        reason="TokenRefused",
        field=f"{ROOT}.{field.format(service=service.field)}",
        remedy=cure,
    )


def _life(exchange: TokenExchangeSource) -> str:
    return f"was valid for {format_duration(exchange.token_seconds)}"


def _trust(
    refusal: Refusal, *, exchange: TokenExchangeSource, token: TokenFacts
) -> tuple[str, str]:
    """The field to check first, and what the vendor must trust."""
    service = exchange.identity
    match service:
        case AnthropicExchange():
            workspace = "" if service.workspace_id else ", workspaceId if it has several workspaces"
            return "anthropic.federationRuleId", (
                f"Let rule {service.federation_rule_id} match subject {token.subject} and audience"
                f" {token.audience}, of issuer {token.issuer} with the present keys of this cluster"
                f" and a maximum lifetime of {format_duration(exchange.token_seconds)} or more;"
                f" check serviceAccountId{workspace}, and the authentication events in the Claude"
                " Console (Workload identity), which name the reason."
            )
        case OpenAiExchange() if refusal.code == "invalid_grant":
            return "openai.serviceAccountId", (
                f"Let an enabled mapping of provider {service.identity_provider_id} match subject"
                f" {token.subject} for {service.service_account_id}; check identityProviderId."
            )
        case OpenAiExchange():
            return "openai.identityProviderId", (
                f"Let provider {service.identity_provider_id} have issuer {token.issuer}, audience"
                f" {token.audience} and the present keys of this cluster (kubectl get --raw"
                " /openid/v1/jwks)."
            )
        case OpenRouterExchange():
            return "openrouter.federationPolicyId", (
                f"Let policy {service.federation_policy_id} be enabled, with issuer {token.issuer},"
                f" subject {token.subject} and audience {token.audience}."
            )
        case GenericExchange():
            return "generic", (
                f"Let {service.endpoint} trust issuer {token.issuer}, subject {token.subject} and"
                f" audience {token.audience}; check parameters."
            )
        case _ as never:
            assert_never(never)


def _field_of(refusal: Refusal, service: TokenService) -> str:
    """The field of the parameter that the message names; otherwise that of the vendor."""
    for name, field in _FIELDS.items():
        if name in refusal.message:
            found = field.format(service=service.field)
            if found.partition(".")[0] == service.field:
                return f"{ROOT}.{found}"
    if isinstance(service, GenericExchange) and refusal.code == "unsupported_grant_type":
        return f"{ROOT}.generic.grantType"
    if isinstance(service, GenericExchange) and refusal.code in ("", "not_found"):
        return f"{ROOT}.generic.endpoint"
    if isinstance(service, GenericExchange):
        return f"{ROOT}.generic.parameters"
    return f"{ROOT}.{service.field}"


def _request_remedy(refusal: Refusal, service: TokenService) -> str:
    if not isinstance(service, GenericExchange):
        if "workspace_id" in refusal.message:
            return "Set it to the workspace of the token, which is one that the rule allows."
        return "Correct the IDs: copy them from the console of the vendor."
    if refusal.code == "unsupported_grant_type":
        return "Set the other one of TokenExchange and JwtBearer."
    if not refusal.code:
        return "Check the URL of the token endpoint, in the metadata of the server."
    return "Add or correct what the endpoint requires, such as client_id, audience or scope."


def _pause(answer: HttpResponse) -> timedelta | None:
    """The pause that the endpoint asks for, two minutes at most."""
    text = answer.headers.get("retry-after", "").strip()
    if not _SECONDS.fullmatch(text):
        return None
    return min(timedelta(seconds=int(text)), _LONGEST_PAUSE)
