"""API keys of Amazon API Gateway, their usage plans, and imports of existing keys."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from typing_extensions import override

from keywright.api import checks
from keywright.api.checks import HOUR
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.formats import API_GATEWAY_FORMATS, Format, Variable
from keywright.api.key_spec import COMMON_VARIABLES, KeySpec, ManagedKeyPolicy, ProbeMode
from keywright.api.names import RESERVED_PREFIX, imitates_mark
from keywright.api.schema import (
    KeyIdentity,
    SecretKeyReference,
    SecretKeySource,
    SpecStruct,
    Text,
)

# API Gateway allows thousands; a grant that is edited repeatedly must not use them up.
_KEYS_PER_GRANT = 10
_OVERLAP = "1d"
_PROPAGATION = "2m"
_MOST = 2**31 - 1
_Rate: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


class QuotaPeriod(StrEnum):
    """The period over which a usage plan counts requests."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


_LAST_DAYS = {QuotaPeriod.DAY: 0, QuotaPeriod.WEEK: 6, QuotaPeriod.MONTH: 27}


class Throttle(SpecStruct, frozen=True):
    """Requests per second, and the burst."""

    rate_limit: _Rate | None = None
    burst_limit: _Count | None = None


class Quota(SpecStruct, frozen=True):
    """The number of requests allowed in a period."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
    period: QuotaPeriod
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        """The offset is a day of the period."""
        last = _LAST_DAYS[self.period]
        if self.offset > last:
            raise ValueError(f"offset must be at most {last} for {self.period}")


class ApiStage(SpecStruct, frozen=True):
    """A deployed stage of an API."""

    api_id: Text
    stage: Text
    method_throttles: Mapping[str, Throttle] = {}


class NewUsagePlan(SpecStruct, frozen=True):
    """A usage plan that is created for the key."""

    name: Text
    api_stages: tuple[ApiStage, ...] = ()
    throttle: Throttle | None = None
    quota: Quota | None = None


class UsagePlan(SpecStruct, frozen=True):
    """A usage plan: by ID, by name, or created for the key."""

    id: Text | None = None
    name: Text | None = None
    create: NewUsagePlan | None = None

    def key_identity(self) -> KeyIdentity:
        """The name or ID of the plan; a changed limit changes the plan, not the key."""
        if self.create is not None:
            return {"create": self.create.name}
        return {"id": self.id} if self.id is not None else {"name": self.name}


class CsvSource(SpecStruct, frozen=True):
    """Keys to import, in API Gateway's CSV format."""

    secret_key_ref: SecretKeyReference
    fail_on_warnings: bool = False


class ApiGatewayKey(KeySpec, frozen=True):
    """An API key of Amazon API Gateway."""

    kind: ClassVar = "apiGatewayKey"
    formats: ClassVar = API_GATEWAY_FORMATS
    default_formats: ClassVar = (Format.API_GATEWAY_ENV,)
    variables: ClassVar = COMMON_VARIABLES | {
        Variable.API_KEY,
        Variable.PREVIOUS_API_KEY,
        Variable.KEY_ID,
        Variable.DOT_ENV,
    }
    environment: ClassVar = {"X_API_KEY": Variable.API_KEY}
    probe_modes: ClassVar = frozenset({ProbeMode.HTTP})
    is_bearer: ClassVar = False
    is_managed: ClassVar = True
    is_regional: ClassVar = True

    usage_plan: UsagePlan
    additional_usage_plans: tuple[UsagePlan, ...] = ()
    key_name: Text | None = None
    value_from: SecretKeySource | None = None
    csv_from: CsvSource | None = None
    propagation: str | None = None
    customer_id: Text | None = None
    description: Text | None = None
    tags: Mapping[str, str] = {}
    enabled: bool = True
    rotate_every: str | None = None
    overlap: str | None = None

    @property
    @override
    def expires(self) -> bool:
        """Never: API Gateway keys have no expiry."""
        return False

    @property
    @override
    def is_bulk_import(self) -> bool:
        """Whether the Secret holds the keys of a CSV file."""
        return self.csv_from is not None

    @property
    @override
    def managed(self) -> ManagedKeyPolicy:
        """The default overlap is a day, and always lasts until a usage plan has the new key."""
        rotate = self.rotate_every
        return ManagedKeyPolicy(
            most=_KEYS_PER_GRANT,
            overlap_seconds=max(
                parse_duration(self.overlap or _OVERLAP),
                parse_duration(self.propagation or _PROPAGATION),
            ),
            rotate_seconds=None if rotate is None else parse_duration(rotate),
            marked=True,
        )

    @property
    @override
    def imports(self) -> tuple[str, SecretKeyReference] | None:
        """The field and the Secret of an imported value; None for a generated one."""
        for field, source in (("valueFrom", self.value_from), ("csvFrom", self.csv_from)):
            if source is not None:
                return f"spec.apiGatewayKey.{field}.secretKeyRef", source.secret_key_ref
        return None

    @property
    def usage_plans(self) -> tuple[tuple[str, UsagePlan], ...]:
        """All usage plans of the key, each with its field."""
        field = "spec.apiGatewayKey"
        further = enumerate(self.additional_usage_plans)
        return (
            (f"{field}.usagePlan", self.usage_plan),
            *((f"{field}.additionalUsagePlans[{index}]", plan) for index, plan in further),
        )

    @override
    def key_identity(self) -> KeyIdentity:
        """The plans, and whether it is imported; name, tags and `enabled` change in place."""
        identity: KeyIdentity = {"usagePlan": self.usage_plan.key_identity()}
        if self.additional_usage_plans:
            identity["additionalUsagePlans"] = [
                p.key_identity() for p in self.additional_usage_plans
            ]
        for field, source in (("valueFrom", self.value_from), ("csvFrom", self.csv_from)):
            if source is not None:
                identity[field] = True
        if self.csv_from is not None:
            # The file states whether each key is enabled as well.
            identity["enabled"] = self.enabled
        return identity

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """Tags, plans, imports and durations."""
        field = "spec.apiGatewayKey"
        yield from checks.own_tags(f"{field}.tags", self.tags)
        if imitates_mark(self.description or ""):
            yield FieldError(
                f"{field}.description", f"{RESERVED_PREFIX} in it is the operator's own: remove it"
            )
        yield from _plan_errors(f"{field}.usagePlan", self.usage_plan)
        for index, plan in enumerate(self.additional_usage_plans):
            yield from _plan_errors(f"{field}.additionalUsagePlans[{index}]", plan)
        yield from _stages_of_new_plans(self)
        sources = {"valueFrom": self.value_from, "csvFrom": self.csv_from}
        yield from checks.at_most_one(
            field, chosen=[n for n, s in sources.items() if s is not None]
        )
        if self.imports is not None and self.rotate_every is not None:
            yield FieldError(
                f"{field}.rotateEvery", "an imported value is replaced by changing its Secret"
            )
        in_file = {"keyName": self.key_name, "description": self.description}
        for name, text in in_file.items():
            if self.csv_from is not None and text is not None:
                yield FieldError(
                    f"{field}.{name}", "the file of csvFrom has it for each key: remove it"
                )
        yield from checks.duration(f"{field}.rotateEvery", self.rotate_every, least=HOUR)
        yield from checks.duration(f"{field}.overlap", self.overlap)
        yield from checks.duration(f"{field}.propagation", self.propagation, most=HOUR)
        yield from checks.shorter(
            f"{field}.overlap", self.overlap, than_field="rotateEvery", than=self.rotate_every
        )

    @property
    @override
    def owner_description(self) -> str:
        """The usage plans."""
        plans = [
            plan.id or plan.name or (plan.create.name if plan.create is not None else "")
            for _, plan in self.usage_plans
        ]
        return f"usage plan {', '.join(filter(None, plans))}" if plans else ""

    @classmethod
    @override
    def spec_to_revoke(cls, key_ids: Iterator[str], found: object) -> Mapping[str, Any]:
        """Any plan: plans created for the grant are found by their tags."""
        del cls, key_ids, found
        return {"usagePlan": {"id": "unknown"}}

    @property
    @override
    def revocation_spec(self) -> Mapping[str, Any]:
        """Any plan, as above."""
        return {"usagePlan": {"id": "unknown"}}


def _stages_of_new_plans(key: ApiGatewayKey) -> Iterator[FieldError]:
    """Reject two new plans for one stage; API Gateway alone knows those of existing plans."""
    seen: dict[tuple[str, str], str] = {}
    names: set[str] = set()
    for field, plan in key.usage_plans:
        if plan.create is None:
            continue
        if plan.create.name in names:
            yield FieldError(
                f"{field}.create.name", "another plan of this key has it: choose another"
            )
        names.add(plan.create.name)
        for stage in plan.create.api_stages:
            place = (stage.api_id, stage.stage)
            if place in seen:
                yield FieldError(
                    f"{field}.create.apiStages",
                    f"{':'.join(place)} is in {seen[place]} as well, and a key has one plan for a"
                    " stage: remove it here or there",
                )
            seen.setdefault(place, field)


def _plan_errors(field: str, plan: UsagePlan) -> Iterator[FieldError]:
    choices = {"id": plan.id, "name": plan.name, "create": plan.create}
    chosen = [name for name, choice in choices.items() if choice is not None]
    yield from checks.exactly_one(field, chosen=chosen, choices=list(choices))
