"""The kinds of key that a grant can issue, each with its description.

A kind names the values that make up its key, the formats and template variables they provide, and
whether the key stays in the cloud until it is deleted (a managed key). `KEY_TYPES` lists the kinds;
a grant has exactly one.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_network
from typing import Any, ClassVar, Final, Protocol, TypeAlias, get_args

from typing_extensions import override

from keywright.api import checks
from keywright.api.alibaba_source import AlibabaBearer
from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.aws_source import session_limits
from keywright.api.bedrock_models import model_errors, model_policy
from keywright.api.checks import HOUR, MINUTE
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.formats import BEDROCK_FORMATS, SESSION_FORMATS, TOKEN_FORMATS, Format, Variable
from keywright.api.key_spec import COMMON_VARIABLES, KeySpec, ManagedKeyPolicy, ProbeMode
from keywright.api.schema import KeyIdentity, Policy, Region, SpecStruct
from keywright.api.source import CredentialSource, Provider
from keywright.api.times import parse_time

_SERVICE_CREDENTIALS_PER_USER = 2
_OVERLAP = "1h"
_LONGEST_PARTITION = "aws-us-gov"


class Endpoint(StrEnum):
    """The OpenAI-compatible base URL of Bedrock that clients use."""

    RUNTIME = "Runtime"
    MANTLE = "Mantle"
    MANTLE_OPENAI = "MantleOpenAI"


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
_BEDROCK_ENVIRONMENT: Final[Mapping[str, Variable]] = {
    "AWS_BEARER_TOKEN_BEDROCK": Variable.API_KEY,
    "AWS_REGION": Variable.REGION,
    "OPENAI_API_KEY": Variable.API_KEY,
    "OPENAI_BASE_URL": Variable.OPENAI_BASE_URL,
}
_BEDROCK_PROBES: Final = frozenset({ProbeMode.BEDROCK})
_BEDROCK_VARIABLES: Final = (
    COMMON_VARIABLES | _EXPIRY | _BEDROCK_URLS | {Variable.API_KEY, Variable.DOT_ENV}
)


class _Scopable(Protocol):
    """A key with session policies that can limit the session of its source."""

    @property
    def scoped_session(self) -> bool:
        """The field `scopedSession`."""

    @property
    def policy_arns(self) -> tuple[str, ...]:
        """The field `policyArns`."""


def scope_errors(
    field: str, key: _Scopable, *, limits: tuple[str, str], is_limited: bool
) -> Iterator[FieldError]:
    """Errors of `scopedSession`: GetScopedCredentials takes one policy, and needs a limit."""
    if not key.scoped_session:
        return
    if key.policy_arns:
        yield FieldError(
            f"{field}.policyArns",
            "sts:GetScopedCredentials takes no policies by ARN: write policy, or remove"
            " scopedSession",
        )
    if not is_limited:
        yield FieldError(
            f"{field}.scopedSession",
            f"nothing limits the session: set {' or '.join(limits)}, or remove scopedSession",
        )


class BedrockShortTermKey(KeySpec, frozen=True):
    """A Bedrock API key that is signed locally and expires within 12 hours."""

    kind: ClassVar = "bedrockShortTermKey"
    formats: ClassVar = BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES
    environment: ClassVar = _BEDROCK_ENVIRONMENT
    probe_modes: ClassVar = _BEDROCK_PROBES
    is_regional: ClassVar = True

    region: Region | None = None
    duration: str = "12h"
    endpoint: Endpoint = Endpoint.RUNTIME
    allowed_models: tuple[str, ...] = ()
    policy: Policy | None = None
    policy_arns: tuple[str, ...] = ()
    scoped_session: bool = False

    @property
    def duration_seconds(self) -> int:
        """The requested lifetime in seconds; the session that signs the key may expire earlier."""
        return int(parse_duration(self.duration))

    @property
    @override
    def session_policies(self) -> tuple[str, ...]:
        """The fields that limit the session which signs the key."""
        fields = (
            ("allowedModels", self.allowed_models),
            ("policy", self.policy),
            ("policyArns", self.policy_arns),
        )
        return tuple(field for field, set_ in fields if set_)

    @property
    @override
    def is_scoped(self) -> bool:
        """The field `scopedSession`."""
        return self.scoped_session

    def policy_in(self, partition: str) -> Policy | None:
        """The session policy: that of `allowedModels`, or the one that the user wrote."""
        if self.allowed_models:
            return model_policy(self.allowed_models, partition=partition)
        return self.policy

    @property
    @override
    def own_region(self) -> str | None:
        """The region field of the key."""
        return self.region

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The duration, the models, and the session policy."""
        field = "spec.bedrockShortTermKey"
        yield from checks.duration(f"{field}.duration", self.duration, least=MINUTE, most=12 * HOUR)
        yield from model_errors(f"{field}.allowedModels", self.allowed_models)
        if self.allowed_models and (self.policy or self.policy_arns):
            yield FieldError(
                f"{field}.allowedModels",
                "beside policy or policyArns, and AWS allows what any of them allows: remove one",
            )
        yield from scope_errors(
            field,
            self,
            limits=("allowedModels", "policy"),
            is_limited=bool(self.allowed_models or self.policy),
        )
        # Only STS of AWS receives it.
        yield from checks.session_policy(f"{field}.policy", self.policy, latin=True)
        if self.allowed_models:
            written = self.policy_in(_LONGEST_PARTITION)
            yield from checks.session_policy(f"{field}.allowedModels", written)

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration and the limits; the grant adds the region. The endpoint only changes a URL.

        The models stand for their policy, so that another wording of it issues no new key.
        """
        limits = session_limits(self.policy_arns, policy=self.policy)
        identity: KeyIdentity = {"duration": self.duration_seconds} | limits
        models = sorted(set(self.allowed_models))
        if models:
            identity["allowedModels"] = models
        if self.scoped_session:
            identity["scopedSession"] = True
        return identity


class IamUser(SpecStruct, frozen=True):
    """The IAM user that owns a long-term key."""

    name: str
    create: bool = True
    path: str | None = None
    tags: Mapping[str, str] = {}
    permissions_boundary: str | None = None


class BedrockLongTermKey(KeySpec, frozen=True):
    """A Bedrock API key that belongs to an IAM user: a service-specific credential."""

    kind: ClassVar = "bedrockLongTermKey"
    formats: ClassVar = BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES | {Variable.KEY_ID, Variable.PREVIOUS_API_KEY}
    environment: ClassVar = _BEDROCK_ENVIRONMENT
    probe_modes: ClassVar = _BEDROCK_PROBES
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
        """Whether IAM sets an expiry."""
        return self.expires_after_days is not None

    @property
    @override
    def managed(self) -> ManagedKeyPolicy:
        """IAM allows two keys per user and service; the default overlap is an hour."""
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
        """The region field of the key."""
        return self.region

    @override
    def key_identity(self) -> KeyIdentity:
        """The user and the lifetime; policies of the user change without a new key."""
        return {"user": self.user.name, "expiresAfterDays": self.expires_after_days}

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """Tags, durations, policies, addresses and times."""
        field = "spec.bedrockLongTermKey"
        yield from checks.own_tags(f"{field}.user.tags", self.user.tags)
        if self.expires_after_days is None and self.rotate_every is None:
            yield FieldError(
                f"{field}.rotateEvery", "set it, or expiresAfterDays: a key must end somehow"
            )
        yield from checks.duration(f"{field}.rotateEvery", self.rotate_every, least=HOUR)
        yield from checks.duration(f"{field}.overlap", self.overlap)
        yield from checks.shorter(
            f"{field}.overlap", self.overlap, than_field="rotateEvery", than=self.rotate_every
        )
        if self.expires_after_days is not None:
            lifetime = f"{self.expires_after_days}d"
            for name, text in (("rotateEvery", self.rotate_every), ("overlap", self.overlap)):
                yield from checks.shorter(
                    f"{field}.{name}", text, than_field="expiresAfterDays", than=lifetime
                )
        for name, policy in self.inline_policies.items():
            yield from checks.policy(f"{field}.inlinePolicies[{name}]", policy)
        for cidr in self.allowed_source_cidrs:
            try:
                ip_network(cidr)
            except ValueError as error:
                yield FieldError(
                    f"{field}.allowedSourceCidrs", f"{error}: write it like 10.0.0.0/8"
                )
        if self.not_after is not None:
            try:
                parse_time(self.not_after)
            except ValueError:
                yield FieldError(
                    f"{field}.notAfter",
                    f"{self.not_after!r} is no time: write 2027-01-01T00:00:00Z",
                )

    @property
    @override
    def owner_description(self) -> str:
        """The IAM user."""
        return f"IAM user {self.user.name}"

    @property
    @override
    def revocation_spec(self) -> Mapping[str, Any]:
        """The user; the required rotation interval has no effect."""
        user: dict[str, Any] = {"name": self.user.name, "create": self.user.create}
        if self.user.path is not None:
            user["path"] = self.user.path
        return {"user": user, "rotateEvery": "30d"}


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
    environment: ClassVar = {
        "AWS_ACCESS_KEY_ID": Variable.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": Variable.SECRET_ACCESS_KEY,
        "AWS_SESSION_TOKEN": Variable.SESSION_TOKEN,
        "AWS_REGION": Variable.REGION,
    }
    probe_modes: ClassVar = frozenset({ProbeMode.IDENTITY})
    is_bearer: ClassVar = False

    duration: str | None = None
    policy: Policy | None = None
    policy_arns: tuple[str, ...] = ()
    scoped_session: bool = False

    @classmethod
    @override
    def default_formats_for(cls, provider: Provider) -> tuple[Format, ...]:
        """The environment variables that the SDKs of the cloud read."""
        if provider is Provider.ALIBABA_CLOUD:
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
        yield from scope_errors(
            field,
            self,
            limits=("policy", "duration"),
            is_limited=self.policy is not None or self.duration is not None,
        )

    @classmethod
    @override
    def required_source(cls, source: CredentialSource) -> str:
        """Any source except one with a bearer token."""
        is_bearer = isinstance(source.identity, AlibabaBearer)
        return "with an access key or a session" if is_bearer else ""

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration and the session policies."""
        limits = session_limits(self.policy_arns, policy=self.policy)
        identity: KeyIdentity = {"duration": self.duration_seconds} | limits
        if self.scoped_session:
            identity["scopedSession"] = True
        return identity


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
    BedrockShortTermKey | BedrockLongTermKey | SessionCredentials | ApiGatewayKey | BearerToken
)


class KeyKind(StrEnum):
    """The kinds of key; each value is the name of the field in the spec."""

    BEDROCK_SHORT_TERM_KEY = BedrockShortTermKey.kind
    BEDROCK_LONG_TERM_KEY = BedrockLongTermKey.kind
    SESSION_CREDENTIALS = SessionCredentials.kind
    API_GATEWAY_KEY = ApiGatewayKey.kind
    BEARER_TOKEN = BearerToken.kind


class KeyFields(SpecStruct, frozen=True):
    """The key fields of a grant's spec, exactly one of which is set."""

    bedrock_short_term_key: BedrockShortTermKey | None = None
    bedrock_long_term_key: BedrockLongTermKey | None = None
    session_credentials: SessionCredentials | None = None
    api_gateway_key: ApiGatewayKey | None = None
    bearer_token: BearerToken | None = None

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
