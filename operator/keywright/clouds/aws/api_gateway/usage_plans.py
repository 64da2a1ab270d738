"""The usage plans of a grant: found, created, updated, and deleted.

All functions are plain functions of a boto3 client, and run in a thread. A plan that was created
for a grant has tags that name grant and cluster; no other plan is ever changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from keywright.api.api_gateway_key import ApiGatewayKey, NewUsagePlan, UsagePlan
from keywright.clouds.aws.api_gateway.errors import (
    FIELD,
    NOT_FOUND,
    ambiguous_plan,
    gateway_code,
    is_stage_gone,
    no_such_plan,
    not_our_plan,
    stage_in_two_plans,
)
from keywright.clouds.aws.api_gateway.usage_plan_patches import (
    Operation,
    detach_operations,
    limits,
    patch_operations,
    stage_name,
)
from keywright.clouds.owner_tags import TAG, UID_TAG, Owned, OwnerMark, is_retained

Plan = Mapping[str, Any]
_PAGE = {"PageSize": 500}


@dataclass(frozen=True, slots=True)
class PlanMark:
    """The tags of a grant's plans, and the failure for one of another cluster."""

    mark: OwnerMark
    elsewhere: Callable[[str], Exception]


@dataclass(frozen=True, slots=True)
class ResolvedPlan:
    """A plan that the grant names, its field, and what was found; None: to be created."""

    field: str
    wanted: UsagePlan
    found: Plan | None

    @property
    def title(self) -> str:
        """The name of the plan in messages."""
        if self.found is None:
            return f"{self.wanted.create.name} (to be made)" if self.wanted.create else ""
        return f"{self.found.get('name', '')} ({self.found['id']})"

    @property
    def is_ours(self) -> bool:
        """Whether it was created for the grant, so that it may be changed."""
        return self.wanted.create is not None and self.found is not None

    @property
    def stages(self) -> list[str]:
        """The stages that it has, or is to have."""
        if self.wanted.create is not None:
            return [stage_name(stage) for stage in self.wanted.create.api_stages]
        stages = (self.found or {}).get("apiStages") or []
        return [f"{stage['apiId']}:{stage['stage']}" for stage in stages]


def find(client: Any, key: ApiGatewayKey, *, mark: PlanMark) -> tuple[ResolvedPlan, ...]:
    """Find the plans of the key without creating or changing any.

    Raises:
        Failure: a plan is missing, ambiguous, of another owner or cluster, or a stage is in two.
    """
    every = list_plans(client) if any(plan.id is None for _, plan in key.usage_plans) else []
    desired = tuple(
        ResolvedPlan(field, plan, _found(client, plan, field=field, every=every, mark=mark))
        for field, plan in key.usage_plans
    )
    _one_plan_for_a_stage(desired)
    return desired


def change(client: Any, desired: Iterable[ResolvedPlan]) -> None:
    """Update the existing plans created for the grant, by the differences only."""
    for plan in desired:
        if plan.wanted.create is None or plan.found is None:
            continue
        _update(client, plan.found, partial(patch_operations, wanted=plan.wanted.create))


def tag(
    client: Any, desired: Iterable[ResolvedPlan], *, mark: PlanMark, arn: Callable[[str], str]
) -> None:
    """Set missing tags, such as that of the cluster, on plans created for the grant."""
    for plan in desired:
        if plan.is_ours and plan.found is not None:
            missing = mark.mark.missing(_tags(plan.found))
            if missing:
                client.tag_resource(resourceArn=arn(str(plan.found["id"])), tags=missing)


def make(client: Any, wanted: NewUsagePlan, *, mark: OwnerMark) -> str:
    """Create a plan and return its ID; by a client without retries, or there may be two of them."""
    request: dict[str, Any] = {
        "name": wanted.name,
        "apiStages": [
            {
                "apiId": stage.api_id,
                "stage": stage.stage,
                "throttle": {
                    method: limits(limit) for method, limit in stage.method_throttles.items()
                },
            }
            for stage in wanted.api_stages
        ],
        "tags": {**mark.tags(), UID_TAG: mark.uid},
    }
    if wanted.throttle is not None:
        request["throttle"] = limits(wanted.throttle)
    if wanted.quota is not None:
        quota = wanted.quota
        request["quota"] = {
            "limit": quota.limit,
            "period": quota.period.value,
            "offset": quota.offset,
        }
    return str(client.create_usage_plan(**request)["id"])


def delete_unused_plans(client: Any, *, mark: OwnerMark, wanted: frozenset[str]) -> None:
    """Delete plans that were created for the grant, are not wanted, and contain no key."""
    for plan in list_plans(client):
        owned, tags = mark.owned(_tags(plan)), _tags(plan)
        ours = owned is Owned.OWNED or (owned is Owned.FORMER and not is_retained(tags))
        if not ours or plan["name"] in wanted or _has_keys(client, plan["id"]):
            continue
        delete_plan(client, plan)


def delete_plan(client: Any, plan: Plan) -> None:
    """Delete a plan, after its stages; one that does not exist is no error."""
    try:
        _update(client, plan, detach_operations)
        client.delete_usage_plan(usagePlanId=plan["id"])
    except client.exceptions.ClientError as error:
        if gateway_code(error) != NOT_FOUND:
            raise


def _update(client: Any, plan: Plan, difference: Callable[[Plan], list[Operation]]) -> None:
    """Patch what differs.

    A stage that was removed meanwhile (with its deployment) is not an error: API Gateway rejects
    the whole patch, so the difference is computed again from the current plan.
    """
    for read_again in (True, False):
        operations = difference(plan)
        if not operations:
            return
        try:
            client.update_usage_plan(usagePlanId=plan["id"], patchOperations=operations)
        except client.exceptions.ClientError as error:
            if not (read_again and is_stage_gone(error)):
                raise
            plan = client.get_usage_plan(usagePlanId=plan["id"])
        else:
            return


def list_plans(client: Any, **of: str) -> list[Plan]:
    """All plans of the account and region, or those that contain a key."""
    pages = client.get_paginator("get_usage_plans").paginate(PaginationConfig=_PAGE, **of)
    return [plan for page in pages for plan in page.get("items", ())]


def list_members(client: Any, plan_id: str) -> frozenset[str]:
    """The IDs of the keys in a plan; empty if there is no such plan."""
    paginator = client.get_paginator("get_usage_plan_keys")
    pages = paginator.paginate(usagePlanId=plan_id, PaginationConfig=_PAGE)
    try:
        return frozenset(str(key["id"]) for page in pages for key in page.get("items", ()))
    except client.exceptions.ClientError as error:
        if gateway_code(error) != NOT_FOUND:
            raise
        return frozenset()


def trouble(plans: Iterable[str], *, every: Mapping[str, Plan]) -> str:
    """Why a key cannot be in all these plans together; empty if it can."""
    seen: dict[str, str] = {}
    for plan_id in plans:
        if plan_id not in every:
            return f"there is no usage plan {plan_id}: name another one"
        for stage in every[plan_id].get("apiStages") or ():
            name = f"{stage['apiId']}:{stage['stage']}"
            other = seen.setdefault(name, plan_id)
            if other != plan_id:
                return f"plans {other} and {plan_id} both have stage {name}: name one of them"
    return ""


def _found(
    client: Any, plan: UsagePlan, *, field: str, every: list[Plan], mark: PlanMark
) -> Plan | None:
    if plan.id is not None:
        try:
            answer: Plan = client.get_usage_plan(usagePlanId=plan.id)
        except client.exceptions.ClientError as error:
            if gateway_code(error) == NOT_FOUND:
                raise no_such_plan(plan.id, field=f"{field}.id") from None
            raise
        return answer
    name = plan.create.name if plan.create is not None else plan.name
    named = sorted((one for one in every if one["name"] == name), key=lambda one: str(one["id"]))
    if plan.create is not None:
        owned = [(one, mark.mark.owned(_tags(one))) for one in named]
        ours = [one for one, whose in owned if whose in {Owned.OWNED, Owned.FORMER}]
        if not ours and any(whose is Owned.ELSEWHERE for _, whose in owned):
            raise mark.elsewhere(str(name))
        if named and not ours:
            whose = _tags(named[0]).get(TAG, "")
            raise not_our_plan(str(name), plan_id=named[0]["id"], owner=whose, field=field)
        return ours[0] if ours else None
    if not named:
        raise no_such_plan(str(name), field=f"{field}.name")
    if len(named) > 1:
        raise ambiguous_plan(str(name), ids=[one["id"] for one in named], field=field)
    return named[0]


def _one_plan_for_a_stage(desired: tuple[ResolvedPlan, ...]) -> None:
    plans: dict[str, list[str]] = {}
    for plan in desired:
        for stage in plan.stages:
            others = plans.setdefault(stage, [])
            others.append(plan.title)
            if len(others) > 1:
                field = plan.field if len(desired) == 1 else f"{FIELD}.additionalUsagePlans"
                raise stage_in_two_plans(stage, plans=others, field=field)


def _tags(plan: Plan) -> Mapping[str, str]:
    return plan.get("tags") or {}


def _has_keys(client: Any, plan_id: str) -> bool:
    return bool(client.get_usage_plan_keys(usagePlanId=plan_id, limit=1).get("items"))
