"""The kinds of key that a grant can issue, each with its description.

A kind names the values that make up its key, the formats and template variables they provide, and
whether the key stays in the cloud until it is deleted (a managed key). `KEY_TYPES` lists the kinds;
a grant has exactly one.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias, get_args

from typing_extensions import override

from keywright.api import checks
from keywright.api.access_token import AccessToken
from keywright.api.alibaba_source import AlibabaBearer
from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.aws_long_term_key import AwsLongTermKey
from keywright.api.aws_source import scope_errors, session_limits
from keywright.api.bedrock_keys import BEDROCK_URLS, BedrockLongTermKey, BedrockShortTermKey
from keywright.api.checks import HOUR, MINUTE
from keywright.api.claude_platform_key import ClaudePlatformShortTermKey
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.formats import SESSION_FORMATS, TOKEN_FORMATS, Format, Variable
from keywright.api.key_spec import COMMON_VARIABLES, KeySpec, ProbeMode
from keywright.api.model_studio_keys import ModelStudioKey, ModelStudioTemporaryKey
from keywright.api.registry_tokens import CodeArtifactToken, EcrToken
from keywright.api.schema import (
    KeyIdentity,
    Listed,
    Policy,
    SpecStruct,
    Text,
)
from keywright.api.source import CredentialSource, Provider, SourceTraits
from keywright.api.user_key import UserKey

_EXPIRY: Final = frozenset({Variable.EXPIRES_AT, Variable.EXPIRES_AT_UNIX})
_ALIBABA_ENVIRONMENT: Final[Mapping[str, Variable]] = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": Variable.ACCESS_KEY_ID,
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": Variable.SECRET_ACCESS_KEY,
    "ALIBABA_CLOUD_SECURITY_TOKEN": Variable.SESSION_TOKEN,
    "ALICLOUD_ACCESS_KEY": Variable.ACCESS_KEY_ID,
    "ALICLOUD_SECRET_KEY": Variable.SECRET_ACCESS_KEY,
    "ALICLOUD_SECURITY_TOKEN": Variable.SESSION_TOKEN,
}


class SessionCredentials(KeySpec, frozen=True):
    """Temporary credentials of STS, of either cloud."""

    kind: ClassVar = "sessionCredentials"
    values: ClassVar = frozenset(
        {
            Variable.ACCESS_KEY_ID.value,
            Variable.SECRET_ACCESS_KEY.value,
            Variable.SESSION_TOKEN.value,
        }
    )
    formats: ClassVar = SESSION_FORMATS
    default_formats: ClassVar = (Format.AWS_ENV,)
    variables: ClassVar = (
        COMMON_VARIABLES
        | _EXPIRY
        | BEDROCK_URLS
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
    environment: ClassVar = {
        "AWS_ACCESS_KEY_ID": Variable.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": Variable.SECRET_ACCESS_KEY,
        "AWS_SESSION_TOKEN": Variable.SESSION_TOKEN,
        "AWS_REGION": Variable.REGION,
    }
    probe_modes: ClassVar = frozenset({ProbeMode.IDENTITY})
    is_bearer: ClassVar = False
    is_session: ClassVar = True

    duration: str | None = None
    policy: Policy | None = None
    policy_arns: Listed[Text] = ()
    scoped_session: bool = False

    @override
    def environment_for(self, provider: Provider) -> Mapping[str, Variable]:
        """The variables of the SDKs of the cloud, and of Terraform."""
        return _ALIBABA_ENVIRONMENT if provider is Provider.ALIBABA_CLOUD else self.environment

    @classmethod
    @override
    def default_formats_for(cls, traits: SourceTraits) -> tuple[Format, ...]:
        """The environment variables that the SDKs of the cloud read."""
        if traits.provider is Provider.ALIBABA_CLOUD:
            return (Format.ALIBABA_ENV,)
        return cls.default_formats

    @property
    @override
    def session_policies(self) -> tuple[str, ...]:
        """The fields that limit the session."""
        fields = (("policy", self.policy), ("policyArns", self.policy_arns))
        return tuple(field for field, set_ in fields if set_)

    @property
    @override
    def is_scoped(self) -> bool:
        """The field `scopedSession`."""
        return self.scoped_session

    @property
    @override
    def session_options(self) -> tuple[str, ...]:
        """The duration, and the fields that limit the session."""
        return ("duration", *self.session_policies) if self.duration else self.session_policies

    @property
    @override
    def session_policy(self) -> Policy | None:
        """The policy of the session."""
        return self.policy

    @property
    def duration_seconds(self) -> int | None:
        """The requested duration in seconds; None for that of the source."""
        return None if self.duration is None else int(parse_duration(self.duration))

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The session policy and the duration."""
        field = "spec.sessionCredentials"
        yield from checks.session_policy(f"{field}.policy", self.policy)
        yield from checks.duration(
            f"{field}.duration", self.duration, least=15 * MINUTE, most=12 * HOUR
        )
        if self.scoped_session:
            shorter = () if self.duration is None else ("duration",)
            yield from scope_errors(field, (*self.session_policies, *shorter))

    @classmethod
    @override
    def required_source(cls, source: CredentialSource) -> str:
        """Any source except one with a token alone."""
        has_token = source.provider is Provider.TOKEN_EXCHANGE
        has_token = has_token or isinstance(source.identity, AlibabaBearer)
        return "with an access key or a session" if has_token else ""

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration and the session policies."""
        limits = session_limits(self.policy_arns, policy=self.policy)
        identity: KeyIdentity = {"duration": self.duration_seconds} | limits
        return identity | ({"scopedSession": True} if self.scoped_session else {})


class BearerToken(KeySpec, frozen=True):
    """The bearer token of an Alibaba Cloud source, passed on unchanged."""

    kind: ClassVar = "bearerToken"
    formats: ClassVar = TOKEN_FORMATS
    default_formats: ClassVar = (Format.AUTHORIZATION,)
    variables: ClassVar = COMMON_VARIABLES | _EXPIRY | {Variable.API_KEY}

    @classmethod
    @override
    def required_source(cls, source: CredentialSource) -> str:
        """A source with a bearer token."""
        return "" if isinstance(source.identity, AlibabaBearer) else "with alibabaCloud.bearer"


Key: TypeAlias = (
    BedrockShortTermKey
    | BedrockLongTermKey
    | ClaudePlatformShortTermKey
    | AwsLongTermKey
    | CodeArtifactToken
    | EcrToken
    | SessionCredentials
    | ApiGatewayKey
    | BearerToken
    | ModelStudioKey
    | ModelStudioTemporaryKey
    | AccessToken
)


class KeyKind(StrEnum):
    """The kinds of key; each value is the name of the field in the spec."""

    BEDROCK_SHORT_TERM_KEY = BedrockShortTermKey.kind
    BEDROCK_LONG_TERM_KEY = BedrockLongTermKey.kind
    CLAUDE_PLATFORM_SHORT_TERM_KEY = ClaudePlatformShortTermKey.kind
    AWS_LONG_TERM_KEY = AwsLongTermKey.kind
    CODE_ARTIFACT_TOKEN = CodeArtifactToken.kind
    ECR_TOKEN = EcrToken.kind
    SESSION_CREDENTIALS = SessionCredentials.kind
    API_GATEWAY_KEY = ApiGatewayKey.kind
    BEARER_TOKEN = BearerToken.kind
    MODEL_STUDIO_KEY = ModelStudioKey.kind
    MODEL_STUDIO_TEMPORARY_KEY = ModelStudioTemporaryKey.kind
    ACCESS_TOKEN = AccessToken.kind


class KeyFields(SpecStruct, frozen=True):
    """The key fields of a grant's spec, exactly one of which is set."""

    bedrock_short_term_key: BedrockShortTermKey | None = None
    bedrock_long_term_key: BedrockLongTermKey | None = None
    claude_platform_short_term_key: ClaudePlatformShortTermKey | None = None
    aws_long_term_key: AwsLongTermKey | None = None
    code_artifact_token: CodeArtifactToken | None = None
    ecr_token: EcrToken | None = None
    session_credentials: SessionCredentials | None = None
    api_gateway_key: ApiGatewayKey | None = None
    bearer_token: BearerToken | None = None
    model_studio_key: ModelStudioKey | None = None
    model_studio_temporary_key: ModelStudioTemporaryKey | None = None
    access_token: AccessToken | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that are set; parsing ensures that there is exactly one."""
        every = (getattr(self, name) for name in _KEY_FIELDS)
        return tuple(key for key in every if key is not None)


_KEY_FIELDS: Final = KeyFields.__struct_fields__
KEY_TYPES: Final[Mapping[KeyKind, type[Key]]] = {
    KeyKind(key_type.kind): key_type for key_type in get_args(Key)
}
"""The kinds of key."""
MANAGED_KINDS: Final = frozenset(kind for kind, key in KEY_TYPES.items() if key.is_managed)
"""The kinds whose keys stay in the cloud until they are deleted."""
USER_KINDS: Final = frozenset(kind for kind, key in KEY_TYPES.items() if issubclass(key, UserKey))
"""The kinds whose keys belong to IAM users."""
