"""The kinds of key that a grant may ask for; exactly one stands in a grant."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from keywright.api.aws_source import session_limits
from keywright.api.durations import parse_duration
from keywright.api.schema import (
    KeyIdentity,
    Marker,
    Policy,
    Region,
    SecretKeyReference,
    SecretKeySource,
    SpecStruct,
)

_SERVICE_CREDENTIALS_PER_USER = 2
_OVERLAP = "1h"
# API Gateway has room for thousands; a grant that is edited all the time must not take it.
_GATEWAY_KEYS_PER_GRANT = 10
_GATEWAY_OVERLAP = "1d"
_PROPAGATION = "2m"


class KeyKind(StrEnum):
    """The kinds of key; a value is the name of the field that asks for it."""

    BEDROCK_SHORT_TERM_KEY = "bedrockShortTermKey"
    BEDROCK_LONG_TERM_KEY = "bedrockLongTermKey"
    SESSION_CREDENTIALS = "sessionCredentials"
    API_GATEWAY_KEY = "apiGatewayKey"
    BEARER_TOKEN = "bearerToken"  # noqa: S105  # the name of a field


MANAGED_KINDS: Final = frozenset({KeyKind.BEDROCK_LONG_TERM_KEY, KeyKind.API_GATEWAY_KEY})
"""The kinds whose keys live in the cloud until they are removed there."""


class Endpoint(StrEnum):
    """Which of Bedrock's OpenAI-compatible base URLs a reader is given."""

    RUNTIME = "Runtime"
    MANTLE = "Mantle"
    MANTLE_OPENAI = "MantleOpenAI"


class QuotaPeriod(StrEnum):
    """Over what time a usage plan counts requests."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


class BedrockShortTermKey(SpecStruct, frozen=True):
    """A Bedrock API key that is signed here and ends within 12 hours."""

    region: Region | None = None
    duration: str = "12h"
    endpoint: Endpoint = Endpoint.RUNTIME

    @property
    def duration_seconds(self) -> int:
        """How long the key is asked to last; the session that signs it may end it sooner."""
        return int(parse_duration(self.duration))

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


class ManagedKeyPolicy(SpecStruct, frozen=True):
    """How a key is kept that lives in the cloud, where it costs a place until it is removed.

    `most` is how many of them the cloud lets their holder have; `exclusive` says that the holder is
    ours alone, so that keys of it that nobody knows may be removed. `marked`: the cloud shows whose
    a key is and gives its value again, so that an intent is carried on where it was left.
    `tagged`: our tag in the cloud, on the key or on its holder, says whose it is. `holder` names
    the holder, where it is not the grant itself.
    """

    most: int
    overlap_seconds: float
    rotate_seconds: float | None = None
    exclusive: bool = False
    marked: bool = False
    tagged: bool = True
    holder: str = ""


class BedrockLongTermKey(SpecStruct, frozen=True):
    """A Bedrock API key that belongs to an IAM user: a service-specific credential."""

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

    def key_identity(self) -> KeyIdentity:
        """The user and the lifetime; its policies change beside the key, which stays."""
        return {"user": self.user.name, "expiresAfterDays": self.expires_after_days}


class SessionCredentials(SpecStruct, frozen=True):
    """Credentials of STS, of either cloud."""

    duration: str | None = None
    policy: Policy | None = None
    policy_arns: tuple[str, ...] = ()

    @property
    def duration_seconds(self) -> int | None:
        """How long they are asked to last; None leaves it to the source."""
        return None if self.duration is None else int(parse_duration(self.duration))

    def key_identity(self) -> KeyIdentity:
        """The duration and the session policies."""
        limits = session_limits(self.policy_arns, policy=self.policy)
        return {"duration": self.duration_seconds} | limits


class Throttle(SpecStruct, frozen=True):
    """Requests per second, and how many may come at once."""

    rate_limit: float | None = None
    burst_limit: int | None = None


class Quota(SpecStruct, frozen=True):
    """How many requests a period allows."""

    limit: int
    period: QuotaPeriod
    offset: int = 0


class ApiStage(SpecStruct, frozen=True):
    """A deployed stage of an API."""

    api_id: str
    stage: str
    method_throttles: Mapping[str, Throttle] = {}


class NewUsagePlan(SpecStruct, frozen=True):
    """A usage plan that is made for the key."""

    name: str
    api_stages: tuple[ApiStage, ...] = ()
    throttle: Throttle | None = None
    quota: Quota | None = None


class UsagePlan(SpecStruct, frozen=True):
    """A usage plan: by id, by name, or made for the key."""

    id: str | None = None
    name: str | None = None
    create: NewUsagePlan | None = None

    def key_identity(self) -> KeyIdentity:
        """What names the plan; a changed limit changes the plan, not the key."""
        if self.create is not None:
            return {"create": self.create.name}
        return {"id": self.id} if self.id is not None else {"name": self.name}


class CsvSource(SpecStruct, frozen=True):
    """Keys to import, in API Gateway's CSV format."""

    secret_key_ref: SecretKeyReference
    fail_on_warnings: bool = False


class ApiGatewayKey(SpecStruct, frozen=True):
    """An API key of Amazon API Gateway."""

    usage_plan: UsagePlan
    additional_usage_plans: tuple[UsagePlan, ...] = ()
    key_name: str | None = None
    value_from: SecretKeySource | None = None
    csv_from: CsvSource | None = None
    propagation: str | None = None
    customer_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = {}
    enabled: bool = True
    rotate_every: str | None = None
    overlap: str | None = None

    @property
    def managed(self) -> ManagedKeyPolicy:
        """The old key stays a day unless told, and until a plan knows the new one in any case."""
        rotate = self.rotate_every
        return ManagedKeyPolicy(
            most=_GATEWAY_KEYS_PER_GRANT,
            overlap_seconds=max(
                parse_duration(self.overlap or _GATEWAY_OVERLAP),
                parse_duration(self.propagation or _PROPAGATION),
            ),
            rotate_seconds=None if rotate is None else parse_duration(rotate),
            marked=True,
        )

    @property
    def imports(self) -> tuple[str, SecretKeyReference] | None:
        """The field and the Secret that the key's value comes from; None for a generated one."""
        for field, source in (("valueFrom", self.value_from), ("csvFrom", self.csv_from)):
            if source is not None:
                return f"spec.apiGatewayKey.{field}.secretKeyRef", source.secret_key_ref
        return None

    @property
    def usage_plans(self) -> tuple[tuple[str, UsagePlan], ...]:
        """All plans of the key, each with the field that names it."""
        field = "spec.apiGatewayKey"
        further = enumerate(self.additional_usage_plans)
        return (
            (f"{field}.usagePlan", self.usage_plan),
            *((f"{field}.additionalUsagePlans[{index}]", plan) for index, plan in further),
        )

    def key_identity(self) -> KeyIdentity:
        """The plans, and whether the value is imported; name, tags and switch change in place."""
        state: KeyIdentity = {"usagePlan": self.usage_plan.key_identity()}
        if self.additional_usage_plans:
            state["additionalUsagePlans"] = [p.key_identity() for p in self.additional_usage_plans]
        for field, source in (("valueFrom", self.value_from), ("csvFrom", self.csv_from)):
            if source is not None:
                state[field] = True
        if self.csv_from is not None:
            # Whether each key is enabled is for the file to say as well.
            state["enabled"] = self.enabled
        return state


class BearerToken(Marker, frozen=True):
    """The bearer token of an Alibaba Cloud source, handed on."""

    def key_identity(self) -> KeyIdentity:
        """Nothing but the choice."""
        return {}


Key: TypeAlias = (
    BedrockShortTermKey | BedrockLongTermKey | SessionCredentials | ApiGatewayKey | BearerToken
)
