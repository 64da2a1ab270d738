"""What to configure at a vendor that exchanges tokens, instead of a policy.

The fields are those of the vendors: Anthropic's Admin API (anthropic 2.14.0,
types/organization/federation), OpenAI's guide "Configuring workload identity federation for
Kubernetes", and OpenRouter's guide "Workload Identity Federation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from keywright.api.durations import format_duration
from keywright.api.token_exchange_source import (
    AnthropicExchange,
    GenericExchange,
    OpenAiExchange,
    OpenRouterExchange,
    TokenExchangeSource,
)
from keywright.clouds.token_exchange.requests import TITLES

JWKS: Final = "kubectl get --raw /openid/v1/jwks"
_SCOPE: Final = "workspace:inference"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a vendor must trust for one source; `settings` are the vendor's own fields."""

    source: str
    vendor: str
    place: str
    settings: dict[str, dict[str, Any]]
    grants: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The trust as JSON."""
        return {
            "source": self.source,
            "vendor": self.vendor,
            "where": self.place,
            **self.settings,
            "grants": [*self.grants],
            "notes": [*self.notes],
        }

    @property
    def lines(self) -> list[str]:
        """The trust as text."""
        head = f"{self.source}: configure {self.vendor} ({self.place})"
        settings = [
            f"  {name}.{field} = {value}"
            for name, fields in self.settings.items()
            for field, value in fields.items()
        ]
        return [head, *settings, *self.notes]


def trust_of(
    exchange: TokenExchangeSource, *, source: str, issuer: str, subject: str, grants: Sequence[str]
) -> Trust:
    """The trust that accepts the tokens of a source."""
    service = exchange.identity
    place, settings = _settings(exchange, issuer=issuer, subject=subject)
    return Trust(
        source,
        TITLES[type(service)],
        place,
        settings,
        tuple(grants),
        (f"the keys of the issuer: {JWKS}",),
    )


def _settings(
    exchange: TokenExchangeSource, *, issuer: str, subject: str
) -> tuple[str, dict[str, dict[str, Any]]]:
    service = exchange.identity
    seconds, audience = exchange.token_seconds, exchange.audience
    match service:
        case AnthropicExchange():
            return "Claude Console, Workload identity", {
                "issuer": {"issuer_url": issuer, "max_jwt_lifetime_seconds": max(seconds, 3600)},
                "rule": {
                    "id": service.federation_rule_id,
                    "match": {"subject_prefix": subject, "audience": audience},
                    "target": {"service_account_id": service.service_account_id},
                    "oauth_scope": _SCOPE,
                    "workspace_id": service.workspace_id or "the workspace of the readers",
                    "token_lifetime_seconds": min(2 * seconds, 86_400),
                },
            }
        case OpenAiExchange():
            return "OpenAI Platform, Workload identity providers", {
                "provider": {
                    "id": service.identity_provider_id,
                    "issuer": issuer,
                    "audience": audience,
                },
                "mapping": {"sub": subject, "service account": service.service_account_id},
            }
        case OpenRouterExchange():
            return "OpenRouter, Settings, Workload identity", {
                "issuer": {"Issuer URL": issuer},
                "policy": {
                    "id": service.federation_policy_id,
                    "Subject": subject,
                    "Audience": audience,
                    "Acts as API key": "a workspace key of the organization",
                },
            }
        case GenericExchange():
            return service.endpoint, {
                "trust": {
                    "iss": issuer,
                    "sub": subject,
                    "aud": audience,
                    "lifetime": format_duration(seconds),
                }
            }
        case _ as never:
            assert_never(never)
