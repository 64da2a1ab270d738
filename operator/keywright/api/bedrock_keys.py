"""The keys of Amazon Bedrock: short-term ones, and those of an IAM user."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Final

import msgspec
from typing_extensions import override

from keywright.api import checks
from keywright.api.bedrock_models import model_errors, model_policy
from keywright.api.checks import HOUR
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.formats import BEDROCK_FORMATS, Format, Variable
from keywright.api.key_spec import KeySpec, ManagedKeyPolicy, ProbeMode
from keywright.api.presigned_key import PRESIGNED_VARIABLES, PresignedKey
from keywright.api.schema import (
    KeyIdentity,
    Listed,
    Policy,
    Region,
    SpecStruct,
    Text,
)
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
BEDROCK_URLS: Final = frozenset(
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
BEDROCK_PROBES: Final = frozenset({ProbeMode.SERVICE, ProbeMode.BEDROCK})
_BEDROCK_VARIABLES: Final = PRESIGNED_VARIABLES | BEDROCK_URLS


class BedrockShortTermKey(PresignedKey, frozen=True):
    """A Bedrock API key that is signed locally and expires within 12 hours."""

    kind: ClassVar = "bedrockShortTermKey"
    formats: ClassVar = BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES
    environment: ClassVar = _BEDROCK_ENVIRONMENT
    probe_modes: ClassVar = BEDROCK_PROBES

    endpoint: Endpoint = Endpoint.RUNTIME
    allowed_models: Listed[Text] = ()

    @property
    @override
    def session_policies(self) -> tuple[str, ...]:
        """The fields that limit the session which signs the key."""
        own = ("allowedModels",) if self.allowed_models else ()
        return own + super().session_policies

    @override
    def policy_in(self, partition: str) -> Policy | None:
        """The session policy: that of `allowedModels`, or the one that the user wrote."""
        if self.allowed_models:
            return model_policy(self.allowed_models, partition=partition)
        return super().policy_in(partition)

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The duration, the models, and the session policy."""
        field = f"spec.{self.kind}.allowedModels"
        yield from model_errors(field, self.allowed_models)
        if self.allowed_models and (self.policy or self.policy_arns):
            yield FieldError(
                field,
                "beside policy or policyArns, and AWS allows what any of them allows: remove one",
            )
        yield from super().field_errors()
        if self.allowed_models:
            yield from checks.session_policy(field, self.policy_in(_LONGEST_PARTITION))

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration and the limits; the grant adds the region. The endpoint only changes a URL.

        The models stand for their policy, so that another wording of it issues no new key.
        """
        models = sorted(set(self.allowed_models))
        return super().key_identity() | ({"allowedModels": models} if models else {})


class IamUser(SpecStruct, frozen=True):
    """The IAM user that owns a long-term key."""

    name: Text
    create: bool = True
    path: Text | None = None
    tags: Mapping[str, str] = {}
    permissions_boundary: Text | None = None


class BedrockLongTermKey(KeySpec, frozen=True):
    """A Bedrock API key that belongs to an IAM user: a service-specific credential."""

    kind: ClassVar = "bedrockLongTermKey"
    formats: ClassVar = BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES | {Variable.KEY_ID, Variable.PREVIOUS_API_KEY}
    environment: ClassVar = _BEDROCK_ENVIRONMENT
    probe_modes: ClassVar = BEDROCK_PROBES
    is_managed: ClassVar = True

    user: IamUser
    policy_arns: tuple[Text, ...] | None = None
    inline_policies: Mapping[str, Policy] = {}
    allowed_source_cidrs: Listed[str] = ()
    not_after: str | None = None
    expires_after_days: Annotated[int, msgspec.Meta(ge=1, le=36600)] | None = None
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
    def permissions_boundary(self) -> str | None:
        """The boundary of the user."""
        return self.user.permissions_boundary

    @property
    @override
    def revocation_spec(self) -> Mapping[str, Any]:
        """The user; the required rotation interval has no effect."""
        user: dict[str, Any] = {"name": self.user.name, "create": self.user.create}
        if self.user.path is not None:
            user["path"] = self.user.path
        return {"user": user, "rotateEvery": "30d"}
