"""The kinds of key that a grant can ask for, each with what it says of itself.

A kind names the values that make up its key, the formats and template variables that these fill,
and whether the key stays in the cloud until it is removed there (a managed key). `KEY_TYPES` is the
table of the kinds; a grant has exactly one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from typing_extensions import override

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.aws_source import session_limits
from keywright.api.durations import parse_duration
from keywright.api.key_spec import COMMON_VARIABLES, KeyKind, KeySpec, ManagedKeyPolicy
from keywright.api.schema import (
    KeyIdentity,
    Policy,
    Region,
    SpecStruct,
)
from keywright.api.secret_spec import Format, Variable
from keywright.api.source import Provider

_SERVICE_CREDENTIALS_PER_USER = 2
_OVERLAP = "1h"


class Endpoint(StrEnum):
    """Which of Bedrock's OpenAI-compatible base URLs a reader is given."""

    RUNTIME = "Runtime"
    MANTLE = "Mantle"
    MANTLE_OPENAI = "MantleOpenAI"


_BEDROCK_FORMATS: Final = frozenset(
    {
        Format.BEDROCK_ENV,
        Format.OPENAI_ENV,
        Format.ANTHROPIC_ENV,
        Format.LITELLM_ENV,
        Format.LIBRECHAT_ENV,
        Format.API_KEY,
        Format.AUTHORIZATION,
        Format.HEADER_CREDENTIAL,
        Format.DOT_ENV,
    }
)
_BEDROCK_DEFAULTS: Final = (Format.BEDROCK_ENV, Format.OPENAI_ENV)
_EXPIRY: Final = frozenset({Variable.EXPIRES_AT, Variable.EXPIRES_AT_UNIX})
_BEDROCK_URLS: Final = frozenset(
    {
        Variable.BEDROCK_RUNTIME_URL,
        Variable.OPENAI_BASE_URL,
        Variable.MANTLE_URL,
        Variable.MANTLE_OPENAI_URL,
        Variable.RUNTIME_ANTHROPIC_URL,
        Variable.MANTLE_ANTHROPIC_URL,
    }
)
_BEDROCK_VARIABLES: Final = (
    COMMON_VARIABLES | _EXPIRY | _BEDROCK_URLS | {Variable.API_KEY, Variable.DOT_ENV}
)


class BedrockShortTermKey(KeySpec, frozen=True):
    """A Bedrock API key that is signed here and ends within 12 hours."""

    kind: ClassVar = KeyKind.BEDROCK_SHORT_TERM_KEY
    formats: ClassVar = _BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES
    is_regional: ClassVar = True

    region: Region | None = None
    duration: str = "12h"
    endpoint: Endpoint = Endpoint.RUNTIME

    @property
    def duration_seconds(self) -> int:
        """How long the key is asked to last; the session that signs it may end it sooner."""
        return int(parse_duration(self.duration))

    @property
    @override
    def own_region(self) -> str | None:
        """The region that the key names."""
        return self.region

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration; the region is added by the grant. The endpoint only changes a URL."""
        return {"duration": self.duration_seconds}


class IamUser(SpecStruct, frozen=True):
    """The IAM user that carries a long-term key."""

    name: str
    create: bool = True
    path: str | None = None
    tags: Mapping[str, str] = {}
    permissions_boundary: str | None = None


class BedrockLongTermKey(KeySpec, frozen=True):
    """A Bedrock API key that belongs to an IAM user: a service-specific credential."""

    kind: ClassVar = KeyKind.BEDROCK_LONG_TERM_KEY
    formats: ClassVar = _BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES | {Variable.KEY_ID}
    is_managed: ClassVar = True

    user: IamUser
    policy_arns: tuple[str, ...] | None = None
    inline_policies: Mapping[str, Policy] = {}
    allowed_source_cidrs: tuple[str, ...] = ()
    not_after: str | None = None
    expires_after_days: int | None = None
    rotate_every: str | None = None
    overlap: str | None = None
    exclusive: bool = False
    region: Region | None = None
    endpoint: Endpoint = Endpoint.RUNTIME

    @property
    @override
    def expires(self) -> bool:
        """Whether IAM ends the key."""
        return self.expires_after_days is not None

    @property
    @override
    def managed(self) -> ManagedKeyPolicy:
        """IAM lets a user have two for a service; the old one stays an hour unless told."""
        rotate = self.rotate_every
        return ManagedKeyPolicy(
            most=_SERVICE_CREDENTIALS_PER_USER,
            overlap_seconds=parse_duration(self.overlap or _OVERLAP),
            rotate_seconds=None if rotate is None else parse_duration(rotate),
            exclusive=self.exclusive,
            tagged=self.user.create,
            holder=self.user.name,
        )

    @property
    @override
    def own_region(self) -> str | None:
        """The region that the key names."""
        return self.region

    @override
    def key_identity(self) -> KeyIdentity:
        """The user and the lifetime; its policies change beside the key, which stays."""
        return {"user": self.user.name, "expiresAfterDays": self.expires_after_days}


class SessionCredentials(KeySpec, frozen=True):
    """Credentials of STS, of either cloud."""

    kind: ClassVar = KeyKind.SESSION_CREDENTIALS
    values: ClassVar = frozenset(
        {
            Variable.ACCESS_KEY_ID.value,
            Variable.SECRET_ACCESS_KEY.value,
            Variable.SESSION_TOKEN.value,
        }
    )
    formats: ClassVar = frozenset(
        form for form in Format if form.name.startswith(("AWS_", "ALIBABA_"))
    ) | {Format.DOT_ENV}
    default_formats: ClassVar = (Format.AWS_ENV,)
    variables: ClassVar = (
        COMMON_VARIABLES
        | _EXPIRY
        | _BEDROCK_URLS
        | {
            Variable.ACCESS_KEY_ID,
            Variable.SECRET_ACCESS_KEY,
            Variable.SESSION_TOKEN,
            Variable.AWS_CREDENTIALS_FILE,
            Variable.AWS_CREDENTIAL_PROCESS,
            Variable.ALIBABA_CONFIG_JSON,
            Variable.ALIBABA_CREDENTIALS_FILE,
            Variable.DOT_ENV,
        }
    )

    duration: str | None = None
    policy: Policy | None = None
    policy_arns: tuple[str, ...] = ()

    @classmethod
    @override
    def default_formats_for(cls, provider: Provider) -> tuple[Format, ...]:
        """The variables that the SDKs of the cloud read."""
        if provider is Provider.ALIBABA_CLOUD:
            return (Format.ALIBABA_ENV,)
        return cls.default_formats

    @property
    def duration_seconds(self) -> int | None:
        """How long they are asked to last; None leaves it to the source."""
        return None if self.duration is None else int(parse_duration(self.duration))

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration and the session policies."""
        limits = session_limits(self.policy_arns, policy=self.policy)
        return {"duration": self.duration_seconds} | limits


class BearerToken(KeySpec, frozen=True):
    """The bearer token of an Alibaba Cloud source, handed on."""

    kind: ClassVar = KeyKind.BEARER_TOKEN
    formats: ClassVar = frozenset({Format.API_KEY, Format.AUTHORIZATION, Format.HEADER_CREDENTIAL})
    default_formats: ClassVar = (Format.AUTHORIZATION,)
    variables: ClassVar = COMMON_VARIABLES | _EXPIRY | {Variable.API_KEY}


Key: TypeAlias = (
    BedrockShortTermKey | BedrockLongTermKey | SessionCredentials | ApiGatewayKey | BearerToken
)

KEY_TYPES: Final[Mapping[KeyKind, type[Key]]] = {
    key_type.kind: key_type
    for key_type in (
        BedrockShortTermKey,
        BedrockLongTermKey,
        SessionCredentials,
        ApiGatewayKey,
        BearerToken,
    )
}
"""The kinds of key."""
MANAGED_KINDS: Final = frozenset(kind for kind, key in KEY_TYPES.items() if key.is_managed)
"""The kinds whose keys stay in the cloud until they are removed there."""
