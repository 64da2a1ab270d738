"""The exchange of ServiceAccount tokens for access tokens of a vendor (OAuth 2.0).

The IDs are those of the vendors' references: Anthropic's "WIF reference", OpenAI's "Workload
identity token exchange", and OpenRouter's "Workload Identity Federation".
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Final, TypeAlias, get_args

import msgspec

from keywright.api.durations import parse_duration
from keywright.api.schema import (
    KeyIdentity,
    ServiceAccountReference,
    SpecStruct,
    Text,
    fields_of,
)

FederationRuleId: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=128, pattern=r"^fdrl_[A-Za-z0-9]+\Z")
]
AnthropicAccountId: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=128, pattern=r"^svac_[A-Za-z0-9]+\Z")
]
AnthropicWorkspace: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=128, pattern=r"^(default|wrkspc_[A-Za-z0-9]+)\Z")
]
Uuid: TypeAlias = Annotated[
    str,
    msgspec.Meta(max_length=36, pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"),
]
VendorId: TypeAlias = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[A-Za-z0-9._:-]+\Z")]
"""An ID whose format the vendor does not document."""
CLOUD_AUDIENCES: Final = frozenset(
    {"sts.amazonaws.com", "pods.eks.amazonaws.com", "sts.aliyuncs.com"}
)
"""The audiences of tokens that a cloud exchanges for a role: STS, EKS Pod Identity, RRSA."""


class AnthropicExchange(SpecStruct, frozen=True):
    """A federation rule of an organization of Anthropic."""

    field: ClassVar = "anthropic"
    audience: ClassVar = "https://api.anthropic.com"

    federation_rule_id: FederationRuleId
    organization_id: Uuid
    service_account_id: AnthropicAccountId
    workspace_id: AnthropicWorkspace | None = None

    def key_identity(self) -> KeyIdentity:
        """The service account, its workspace, and the rule, which has the scope."""
        return {
            "organizationId": self.organization_id,
            "federationRuleId": self.federation_rule_id,
            "serviceAccountId": self.service_account_id,
            "workspaceId": self.workspace_id,
        }


class OpenAiExchange(SpecStruct, frozen=True):
    """A workload identity provider of an organization of OpenAI."""

    field: ClassVar = "openai"
    audience: ClassVar = "https://api.openai.com/v1"

    identity_provider_id: VendorId
    service_account_id: VendorId

    def key_identity(self) -> KeyIdentity:
        """The service account, and the provider, whose mapping has the permissions."""
        return {
            "identityProviderId": self.identity_provider_id,
            "serviceAccountId": self.service_account_id,
        }


class OpenRouterExchange(SpecStruct, frozen=True):
    """A federation policy of an organization of OpenRouter."""

    field: ClassVar = "openrouter"
    audience: ClassVar = "https://openrouter.ai"

    federation_policy_id: Uuid

    def key_identity(self) -> KeyIdentity:
        """The policy, which names the API key that the token acts as."""
        return {"federationPolicyId": self.federation_policy_id}


class GrantType(StrEnum):
    """The grants with which a JWT is exchanged: RFC 8693, and RFC 7523, section 2.1."""

    TOKEN_EXCHANGE = "TokenExchange"  # noqa: S105  a name
    JWT_BEARER = "JwtBearer"


OWN_PARAMETERS: Final = frozenset(
    {"grant_type", "assertion", "subject_token", "subject_token_type"}
)
"""The parameters of a request that Keywright sets."""
SECRET_PARAMETERS: Final = frozenset(
    {
        *("client_secret", "client_assertion", "password", "refresh_token", "actor_token"),
        *("code", "api_key", "access_token"),
    }
)
"""Parameters that are credentials themselves."""
MAX_PARAMETERS: Final = 16
MAX_PARAMETER: Final = 1024


class GenericExchange(SpecStruct, frozen=True):
    """Any token endpoint; the operator has a list of allowed ones."""

    field: ClassVar = "generic"
    audience: ClassVar = ""

    endpoint: Text
    grant_type: GrantType = GrantType.TOKEN_EXCHANGE
    parameters: Mapping[str, str] = {}

    def key_identity(self) -> KeyIdentity:
        """The whole request; the source adds the ServiceAccount, which is the identity."""
        return {
            "endpoint": self.endpoint,
            "grantType": self.grant_type.value,
            "parameters": dict(self.parameters),
        }


TokenService: TypeAlias = AnthropicExchange | OpenAiExchange | OpenRouterExchange | GenericExchange
"""Who issues the access tokens."""


class TokenExchangeSource(SpecStruct, frozen=True):
    """A ServiceAccount in the same namespace, and the vendor that trusts its tokens."""

    assume_roles: ClassVar[tuple[()]] = ()
    """No role can be assumed with an access token."""
    secret_keys: ClassVar[Mapping[str, frozenset[str]]] = {}
    """No Secret is read."""

    service_account_ref: ServiceAccountReference
    token_expiration: str = "1h"  # noqa: S105  a duration
    anthropic: AnthropicExchange | None = None
    openai: OpenAiExchange | None = None
    openrouter: OpenRouterExchange | None = None
    generic: GenericExchange | None = None

    @classmethod
    def identity_fields(cls) -> tuple[str, ...]:
        """The names of the vendors' fields, exactly one of which is set."""
        return tuple(_SERVICES.values())

    def identities(self) -> tuple[TokenService, ...]:
        """The vendors that are set; parsing ensures that there is exactly one."""
        every = (getattr(self, name) for name in _SERVICES)
        return tuple(service for service in every if service is not None)

    @property
    def identity(self) -> TokenService:
        """The vendor."""
        return self.identities()[0]

    @property
    def service(self) -> str:
        """The field of the vendor."""
        return self.identity.field

    @property
    def audience(self) -> str:
        """The audience of the ServiceAccount token; empty if a generic source names none."""
        audiences = self.service_account_ref.audiences
        return audiences[0] if audiences else self.identity.audience

    def foreign_audiences(self) -> frozenset[str]:
        """The audiences of other services, to which a recipient of the token could present it."""
        found = self.identities()
        vendors: set[str] = set()
        if not any(isinstance(service, GenericExchange) for service in found):
            vendors = {vendor.audience for vendor in get_args(TokenService)} - {""}
        return (CLOUD_AUDIENCES | vendors) - {service.audience for service in found}

    @property
    def token_seconds(self) -> int:
        """The requested lifetime of the ServiceAccount token in seconds."""
        return int(parse_duration(self.token_expiration))

    def key_identity(self) -> KeyIdentity:
        """The vendor's IDs; the ServiceAccount only if no ID says what the token may do."""
        service = self.identity
        state = service.key_identity()
        if isinstance(service, GenericExchange):
            state |= {"serviceAccount": self.service_account_ref.name, "audience": self.audience}
        return {service.field: state}


_SERVICES: Final = fields_of(TokenExchangeSource, TokenService)
