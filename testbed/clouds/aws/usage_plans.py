"""The usage plans of API Gateway, of one account and region: limits, stages and keys."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import apigateway_refusals as refusals
from testbed.clouds.aws import usage_plan_patches
from testbed.clouds.aws.rest_apis import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.aws.rest_apis import RestApis

# period -> its highest offset, and AWS's message above it [R]
_OFFSETS = {
    "DAY": (0, "must be zero in the DAY period"),
    "WEEK": (6, "must be between zero and six inclusive in the WEEK period"),
    "MONTH": (27, "must be between zero and 27 inclusive in the MONTH period"),
}


@dataclass(slots=True)
class UsagePlan:
    """One plan. `stages` are by "API:STAGE", each with its throttles by "PATH/METHOD"."""

    id: str
    name: str
    description: str | None = None
    product_code: str | None = None
    throttle: dict[str, Any] | None = None
    quota: dict[str, Any] | None = None
    stages: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def to_api(self) -> dict[str, Any]:
        """The plan in the format of GetUsagePlan."""
        content = {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "productCode": self.product_code,
            "throttle": self.throttle,
            "quota": self.quota,
            "tags": self.tags or None,
            "apiStages": [_stage_to_api(stage, limits) for stage, limits in self.stages.items()],
        }
        return {name: item for name, item in content.items() if item is not None}


class UsagePlans:
    """All plans by their id."""

    def __init__(self, *, apis: RestApis, propagation: Propagation) -> None:
        self._apis = apis
        self._propagation = propagation
        self.plans: dict[str, UsagePlan] = {}

    def find(self, plan_id: str) -> UsagePlan:
        """The plan; raises CloudError NotFoundException."""
        if plan_id not in self.plans:
            raise refusals.plan_not_found()
        return self.plans[plan_id]

    def create(self, body: Mapping[str, Any]) -> UsagePlan:
        """CreateUsagePlan; its stages must be deployed."""
        if not body.get("name"):
            raise refusals.bad_request("Usage Plan name is missing")  # [U] the message
        plan = UsagePlan(
            id=new_id(6),
            name=body["name"],
            description=body.get("description"),
            throttle=body.get("throttle"),
            quota=body.get("quota") and {"offset": 0, **body["quota"]},
            tags=dict(body.get("tags") or {}),
        )
        for stage in body.get("apiStages") or []:
            if not stage.get("stage"):
                raise refusals.stage_empty(
                    str(stage.get("apiId") or ""), str(stage.get("stage") or ""), plan=plan.id
                )
            name = f"{stage.get('apiId')}:{stage.get('stage')}"
            plan.stages[name] = dict(stage.get("throttle") or {})
        self._check(plan)
        self.plans[plan.id] = plan
        return plan

    def update(self, plan_id: str, operations: Sequence[Mapping[str, Any]]) -> UsagePlan:
        """UpdateUsagePlan: all patch operations or none."""
        changed = copy.deepcopy(self.find(plan_id))
        for operation in operations:
            usage_plan_patches.apply(changed, operation)
        self._check(changed)
        self.plans[plan_id] = changed
        return changed

    def delete(self, plan_id: str) -> None:
        """DeleteUsagePlan: rejected while a stage or a key is attached."""
        plan = self.find(plan_id)
        if plan.stages:
            raise refusals.plan_has_stages(plan_id, next(iter(plan.stages)))
        if plan.keys:
            raise refusals.plan_has_keys(plan_id)
        del self.plans[plan_id]

    def add_key(self, plan_id: str, key_id: str) -> None:
        """CreateUsagePlanKey: a key has at most one plan for a stage."""
        plan = self.find(plan_id)
        if key_id in plan.keys:
            raise refusals.already_in_plan()
        self.check_key(key_id, plan)
        plan.keys.append(key_id)
        self._propagation.made(membership(plan_id, key_id))

    def remove_key(self, plan_id: str, key_id: str) -> None:
        """DeleteUsagePlanKey."""
        plan = self.find(plan_id)
        if key_id not in plan.keys:
            raise refusals.not_found(
                "Invalid Usage Plan Key identifier specified"
            )  # [U] the message
        plan.keys.remove(key_id)

    def forget_key(self, key_id: str) -> None:
        """Remove a deleted key from all plans."""
        for plan in self.plans.values():
            if key_id in plan.keys:
                plan.keys.remove(key_id)

    def of(self, key_id: str, *, stage: str) -> UsagePlan | None:
        """The plan of a key for a stage."""
        return next(
            (plan for plan in self.plans.values() if key_id in plan.keys and stage in plan.stages),
            None,
        )

    def _check(self, plan: UsagePlan) -> None:
        for stage in plan.stages:
            api_id, _, name = stage.partition(":")
            if not self._apis.has_stage(api_id, name):
                raise refusals.stage_not_found(stage)
        if plan.quota is not None:
            last, words = _OFFSETS.get(plan.quota.get("period", ""), (-1, "has no period"))
            if not 0 <= plan.quota["offset"] <= last:
                raise refusals.bad_request(f"Usage Plan quota offset {words}")
            if plan.quota.get("limit", 0) < 1:
                raise refusals.bad_request("Usage Plan quota limit must be positive")  # [U] message
        for key_id in plan.keys:
            self.check_key(key_id, plan)

    def check_key(self, key_id: str, plan: UsagePlan) -> None:
        """Raise CloudError if the key has another plan for one of the plan's stages."""
        for stage in plan.stages:
            other = self.of(key_id, stage=stage)
            if other is not None and other.id != plan.id:
                raise refusals.already_in_stage(key_id, stage)


def membership(plan_id: str, key_id: str) -> str:
    """The name for the propagation of a key in a plan."""
    return f"usageplan/{plan_id}/{key_id}"


def _stage_to_api(stage: str, limits: Mapping[str, Any]) -> dict[str, Any]:
    api_id, _, name = stage.partition(":")
    return {"apiId": api_id, "stage": name, **({"throttle": dict(limits)} if limits else {})}
