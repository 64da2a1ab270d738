"""The patch operations for the differences of a usage plan.

The paths are those of "UpdateUsagePlan", patch operations, in API Gateway's API reference; a slash
within a path is written ~1 (RFC 6901).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keywright.api.api_gateway_key import ApiStage, NewUsagePlan, Quota, Throttle

Operation = dict[str, str]
Limits = Mapping[str, float | int]


def patch_operations(found: Mapping[str, Any], *, wanted: NewUsagePlan) -> list[Operation]:
    """The operations from the plan in GetUsagePlan to the one in the spec."""
    return [
        *_limits("/throttle", found.get("throttle") or {}, wanted=limits(wanted.throttle)),
        *_quota(found.get("quota"), wanted=wanted.quota),
        *_stages(found.get("apiStages") or [], wanted=wanted.api_stages),
    ]


def detach_operations(found: Mapping[str, Any]) -> list[Operation]:
    """The operations that remove all stages from a plan, so that it can be deleted."""
    return [_remove("/apiStages", _name(stage)) for stage in found.get("apiStages") or []]


def limits(throttle: Throttle | None) -> dict[str, float | int]:
    """A throttle in the format of API Gateway; empty for none."""
    if throttle is None:
        return {}
    found = {"rateLimit": throttle.rate_limit, "burstLimit": throttle.burst_limit}
    return {name: limit for name, limit in found.items() if limit is not None}


def stage_name(stage: ApiStage) -> str:
    """A stage in the format of patch operations."""
    return f"{stage.api_id}:{stage.stage}"


def _limits(path: str, found: Limits, *, wanted: Limits) -> Iterator[Operation]:
    # API Gateway may report an unset limit as 0: not a difference.
    held = {name: limit for name, limit in found.items() if limit or name in wanted}
    if held.keys() - wanted.keys():
        # One of the two limits cannot be removed alone.
        yield _remove(path)
        held = {}
    for name, limit in wanted.items():
        if held.get(name) != limit:
            yield _replace(f"{path}/{name}", _number(limit))


def _quota(found: Mapping[str, Any] | None, *, wanted: Quota | None) -> Iterator[Operation]:
    if wanted is None:
        if found:
            yield _remove("/quota")
        return
    held = {"offset": 0, **(found or {})}
    desired = {"limit": wanted.limit, "period": wanted.period.value, "offset": wanted.offset}
    for name, value in desired.items():
        if held.get(name) != value:
            yield _replace(f"/quota/{name}", str(value))


def _stages(found: list[Any], *, wanted: tuple[ApiStage, ...]) -> Iterator[Operation]:
    held = {_name(stage): stage.get("throttle") or {} for stage in found}
    desired = {stage_name(stage): stage for stage in wanted}
    for name in held.keys() - desired.keys():
        yield _remove("/apiStages", name)
    for name, stage in desired.items():
        if name not in held:
            yield {"op": "add", "path": "/apiStages", "value": name}
        throttles = {method: limits(limit) for method, limit in stage.method_throttles.items()}
        before = held.get(name, {})
        for method in before.keys() - throttles.keys():
            yield _remove(_method(name, method))
        for method, limit in throttles.items():
            yield from _limits(_method(name, method), before.get(method, {}), wanted=limit)


def _method(stage: str, method: str) -> str:
    """A method in the format PATH/METHOD, such as /pets/GET."""
    path, _, verb = method.rpartition("/")
    escaped = path.replace("~", "~0").replace("/", "~1")
    return f"/apiStages/{stage}/throttle/{escaped}/{verb}"


def _name(stage: Mapping[str, Any]) -> str:
    return f"{stage['apiId']}:{stage['stage']}"


def _replace(path: str, value: str) -> Operation:
    return {"op": "replace", "path": path, "value": value}


def _remove(path: str, value: str | None = None) -> Operation:
    operation = {"op": "remove", "path": path}
    return operation if value is None else operation | {"value": value}


def _number(limit: float) -> str:
    return str(int(limit)) if limit == int(limit) else str(limit)
