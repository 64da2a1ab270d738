"""The state of API Gateway: APIs, keys and plans of each account and region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.clouds.aws import apigateway_refusals as refusals
from testbed.clouds.aws.gateway_keys import GatewayKeys
from testbed.clouds.aws.key_views import KeyViews
from testbed.clouds.aws.rest_apis import RestApis
from testbed.clouds.aws.usage_plans import UsagePlans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clouds.aws.gateway_keys import ApiKey
    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.aws.rest_apis import RestApi
    from testbed.clouds.aws.usage_plans import UsagePlan
    from testbed.clouds.clock import Clock


@dataclass(frozen=True, slots=True)
class ApiRegion:
    """One account in one region."""

    name: str
    apis: RestApis
    keys: GatewayKeys
    plans: UsagePlans
    views: KeyViews

    def before_change(self, key_id: str) -> None:
        """Make the data plane use the present state of the key for as long as it lags behind."""
        plans = (plan.id for plan in self.plans.plans.values() if key_id in plan.keys)
        if key_id in self.keys.keys:
            self.views.keep(self.keys.keys[key_id], plans=frozenset(plans))

    def seen(self, value: str | None, *, stage: str) -> tuple[ApiKey, UsagePlan] | None:
        """The key and its plan for a stage, as the data plane knows them; None without either."""
        former = self.views.former(value)
        if former is not None:
            kept = (self.plans.plans.get(plan) for plan in sorted(former.plans))
            of = (plan for plan in kept if plan is not None and stage in plan.stages)
            plan = next(of, None)
            return None if plan is None else (former.key, plan)
        key = self.keys.by_value(value)
        plan = None if key is None else self.plans.of(key.id, stage=stage)
        return None if key is None or plan is None else (key, plan)

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a resource, for changes in place; raises CloudError NotFoundException."""
        kind, _, identifier = arn.removeprefix(f"arn:aws:apigateway:{self.name}::/").partition("/")
        match kind:
            case "apikeys":
                return self.keys.find(identifier).tags
            case "usageplans":
                return self.plans.find(identifier).tags
            case "restapis":
                return self.apis.find(identifier).tags
            case _:
                raise refusals.bad_request("Invalid resource ARN specified")  # [U] the message


class ApiRegions:
    """All accounts and regions; each exists from the start, and is empty."""

    def __init__(self, *, clock: Clock, propagation: Propagation) -> None:
        self._clock = clock
        self._propagation = propagation
        self._regions: dict[tuple[str, str], ApiRegion] = {}
        self._views = KeyViews(clock=clock)

    def lag(self, *, seconds: float) -> None:
        """Set the delay until the data plane knows changed and deleted keys."""
        self._views.lag_seconds = seconds

    def of(self, *, account: str, region: str) -> ApiRegion:
        """The region of that account."""
        key = (account, region)
        if key not in self._regions:
            apis = RestApis(clock=self._clock)
            self._regions[key] = ApiRegion(
                name=region,
                apis=apis,
                keys=GatewayKeys(clock=self._clock),
                plans=UsagePlans(apis=apis, propagation=self._propagation),
                views=self._views,
            )
        return self._regions[key]

    def find_api(self, api_id: str, *, region: str) -> tuple[ApiRegion, RestApi] | None:
        """The API with that ID in the region, in any account."""
        for (_, name), kept in self._regions.items():
            if name == region and api_id in kept.apis.apis:
                return kept, kept.apis.apis[api_id]
        return None

    def secrets(self) -> Iterator[str]:
        """The value of every key."""
        for region in self._regions.values():
            for key in region.keys.keys.values():
                yield key.value
