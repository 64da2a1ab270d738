"""The patch operations of UpdateUsagePlan.

The table of paths is that of "Patch operations" in API Gateway's API reference. A method's limits
are at /apiStages/API:STAGE/throttle/PATH/METHOD, with the slashes of PATH written as ~1. [R]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import apigateway_refusals as refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.aws.usage_plans import UsagePlan

_REMOVED = (
    "/apiStages",
    "/quota",
    "/throttle",
    "/productCode",
    "/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>",
    "/apiStages/<apidId:stageName>/throttle",
)
_REPLACED = (
    "/name",
    "/description",
    "/productCode",
    "/quota/limit",
    "/quota/offset",
    "/quota/period",
    "/throttle/burstLimit",
    "/throttle/rateLimit",
    "/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>/burstLimit",
    "/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>/rateLimit",
)


def apply(plan: UsagePlan, operation: Mapping[str, Any]) -> None:
    """Change the plan; raises CloudError for a path that the operation does not support."""
    op, path = operation.get("op") or "", operation.get("path") or ""
    value = str(operation.get("value") or "")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    match op:
        case "remove":
            _remove(plan, parts, path=path, value=value)
        case "add" | "replace":
            _put(plan, parts, op=op, path=path, value=value)
        case _:
            raise refusals.invalid_patch(op=op, path=path, paths=())


def _remove(plan: UsagePlan, parts: list[str], *, path: str, value: str) -> None:
    match parts:
        case ["apiStages"]:
            if not all(value.partition(":")[::2]):
                raise refusals.stage_malformed()
            if value not in plan.stages:
                raise refusals.stage_not_in_plan(value, plan_id=plan.id)
            del plan.stages[value]
        case ["quota"]:
            plan.quota = None
        case ["throttle"]:
            plan.throttle = None
        case ["productCode"]:
            plan.product_code = None
        case ["apiStages", stage, "throttle"]:
            _limits(plan, stage).clear()
        case ["apiStages", stage, "throttle", resource, method]:
            _limits(plan, stage).pop(f"{resource}/{method}", None)
        case _:
            raise refusals.invalid_patch(op="remove", path=path, paths=_REMOVED)


def _put(plan: UsagePlan, parts: list[str], *, op: str, path: str, value: str) -> None:
    match parts:
        case ["apiStages"] if op == "add":
            plan.stages.setdefault(value, {})
        case ["name"]:
            plan.name = value
        case ["description"]:
            plan.description = value
        case ["productCode"]:
            plan.product_code = value
        case ["quota", "limit" | "offset" as name]:
            plan.quota = {"offset": 0, **(plan.quota or {}), name: int(_number(value))}
        case ["quota", "period"]:
            plan.quota = {"offset": 0, **(plan.quota or {}), "period": value}
        case ["throttle", "burstLimit" | "rateLimit" as name]:
            plan.throttle = {**(plan.throttle or {}), name: _limit(name, value)}
        case ["apiStages", stage, "throttle", resource, method, "burstLimit" | "rateLimit" as name]:
            limits = _limits(plan, stage).setdefault(f"{resource}/{method}", {})
            limits[name] = _limit(name, value)
        case _:
            raise refusals.invalid_patch(op=op, path=path, paths=_REPLACED)


def _limits(plan: UsagePlan, stage: str) -> dict[str, dict[str, Any]]:
    if stage not in plan.stages:
        raise refusals.bad_request("Invalid API Stage specified")
    return plan.stages[stage]


def _limit(name: str, value: str) -> float:
    number = _number(value)
    return int(number) if name == "burstLimit" else number


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise refusals.bad_request(f"Invalid value: {value}") from error  # [U] the message
