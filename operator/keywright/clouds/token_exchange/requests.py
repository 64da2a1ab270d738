"""The requests of the vendors' token endpoints.

Anthropic: `POST /v1/oauth/token` with a JSON body (RFC 7523), the beta headers of anthropic 2.14.0
(lib/credentials/_workload.py). OpenAI: JSON with the parameters of RFC 8693 (openai 3.54.0,
auth/_workload.py). OpenRouter: a form (RFC 8693), docs "Workload Identity Federation". Any other
endpoint gets a form, as both RFCs require.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never
from urllib.parse import urlencode

from keywright.api.sensitive import Sensitive
from keywright.api.token_exchange_source import (
    AnthropicExchange,
    GenericExchange,
    GrantType,
    OpenAiExchange,
    OpenRouterExchange,
    TokenService,
)
from keywright.clouds.addresses import Reach

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  a name
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
ANTHROPIC_BETA: Final = "oauth-2025-04-20"
"""The beta that lets the API accept access tokens."""
_FEDERATION_BETA: Final = "oidc-federation-2026-04-01"
ENDPOINTS: Final[Mapping[type[TokenService], str]] = {
    AnthropicExchange: "https://api.anthropic.com/v1/oauth/token",
    OpenAiExchange: "https://auth.openai.com/oauth/token",
    OpenRouterExchange: "https://openrouter.ai/api/v1/oauth/token",
}
"""The token endpoints of the vendors (their guides on workload identity federation)."""
TITLES: Final[Mapping[type[TokenService], str]] = {
    AnthropicExchange: "Anthropic",
    OpenAiExchange: "OpenAI",
    OpenRouterExchange: "OpenRouter",
    GenericExchange: "the token endpoint",
}
"""The names of the vendors in messages."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request; the body contains the ServiceAccount token."""

    url: str
    body: str = field(repr=False)
    content_type: str
    headers: Mapping[str, str]
    reach: Reach


def endpoint_of(service: TokenService) -> str:
    """The URL of the token endpoint."""
    if isinstance(service, GenericExchange):
        return service.endpoint
    return ENDPOINTS[type(service)]


def token_request(service: TokenService, token: Sensitive) -> TokenRequest:
    """The request that exchanges the token."""
    jwt = token.reveal()
    headers = {"Accept": JSON}
    reach, content_type = Reach.VENDOR, JSON
    match service:
        case AnthropicExchange():
            headers["anthropic-beta"] = f"{ANTHROPIC_BETA},{_FEDERATION_BETA}"
            parameters = {
                "grant_type": JWT_BEARER,
                "assertion": jwt,
                "federation_rule_id": service.federation_rule_id,
                "organization_id": service.organization_id,
                "service_account_id": service.service_account_id,
            }
            if service.workspace_id is not None:
                parameters["workspace_id"] = service.workspace_id
        case OpenAiExchange():
            parameters = _subject(jwt) | {
                "identity_provider_id": service.identity_provider_id,
                "service_account_id": service.service_account_id,
            }
        case OpenRouterExchange():
            content_type = FORM
            parameters = _subject(jwt) | {"federation_policy_id": service.federation_policy_id}
        case GenericExchange():
            reach, content_type = Reach.LISTED, FORM
            own = {"grant_type": JWT_BEARER, "assertion": jwt}
            if service.grant_type is GrantType.TOKEN_EXCHANGE:
                own = _subject(jwt)
            parameters = {**service.parameters, **own}
        case _ as never:
            assert_never(never)
    body = json.dumps(parameters) if content_type == JSON else urlencode(parameters)
    return TokenRequest(endpoint_of(service), body, content_type, headers, reach)


def _subject(jwt: str) -> dict[str, str]:
    return {"grant_type": TOKEN_EXCHANGE, "subject_token": jwt, "subject_token_type": JWT}


def described(service: TokenService, *, subject: str) -> str:
    """What a token acts as, for people; `subject` is that of the ServiceAccount token."""
    match service:
        case AnthropicExchange():
            where = f" in workspace {service.workspace_id}" if service.workspace_id else ""
            return f"Anthropic service account {service.service_account_id}{where}"
        case OpenAiExchange():
            return f"OpenAI service account {service.service_account_id}"
        case OpenRouterExchange():
            return f"OpenRouter federation policy {service.federation_policy_id}"
        case GenericExchange():
            return f"{subject} at {service.endpoint}"
        case _ as never:
            assert_never(never)
