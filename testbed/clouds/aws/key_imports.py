"""ImportApiKeys: many keys from a CSV file.

"API Gateway API key file format", developer guide [R]: columns Name and Key, optionally
Description, Enabled and UsagePlanIds, in any order and case; others are ignored; an existing value
is overwritten. The format of a warning is a guess. [U]
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import apigateway_refusals as refusals
from testbed.clouds.aws import gateway_keys
from testbed.clouds.errors import CloudError

if TYPE_CHECKING:
    from testbed.clouds.aws.gateway_keys import GatewayKeys
    from testbed.clouds.aws.usage_plans import UsagePlans

_NEEDED = ("name", "key")


def import_keys(
    text: str, *, fail_on_warnings: bool, keys: GatewayKeys, plans: UsagePlans
) -> dict[str, Any]:
    """The IDs of created or overwritten keys, and a warning for each skipped row."""
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    header = [column.strip().lower() for column in rows[0]] if rows else []
    missing = [column for column in _NEEDED if column not in header]
    if missing:
        raise refusals.bad_request(f"Missing required column '{missing[0].title()}'")
    good: list[dict[str, str]] = []
    warnings: list[str] = []
    for number, cells in enumerate(rows[1:], start=1):
        if not any(cells):
            continue
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        trouble = _trouble(row, keys=keys, plans=plans)
        if trouble is None:
            good.append(row)
        else:
            warnings.append(f"Row {number}: {trouble}")
    if warnings and fail_on_warnings:
        raise refusals.bad_request(f"Warnings found during import: {'; '.join(warnings)}")
    return {"ids": [_import(row, keys=keys, plans=plans) for row in good], "warnings": warnings}


def _trouble(row: dict[str, str], *, keys: GatewayKeys, plans: UsagePlans) -> str | None:
    """Why a row cannot be imported."""
    try:
        gateway_keys.check(value=row.get("key", ""), name=row.get("name", ""))
        if not row.get("name"):
            return "API Key name is missing"
        if row.get("enabled", "").lower() not in {"", "true", "false"}:
            return f"Invalid value for Enabled: {row['enabled']}"
        key = keys.by_value(row["key"])
        taken: set[str] = set()
        for plan in [plans.find(plan_id) for plan_id in _plan_ids(row)]:
            if key is not None and key.id not in plan.keys:
                plans.check_key(key.id, plan)
            for stage in plan.stages:
                if stage in taken:
                    return f"API Key has two plans for API Stage {stage}"
                taken.add(stage)
    except CloudError as error:
        return error.message
    return None


def _import(row: dict[str, str], *, keys: GatewayKeys, plans: UsagePlans) -> str:
    enabled = row.get("enabled", "").lower() != "false"
    key = keys.by_value(row["key"])
    if key is None:
        body = {"value": row["key"], "name": row["name"], "description": row.get("description")}
        key = keys.create({**body, "enabled": enabled})
    else:
        key.name, key.enabled = row["name"], enabled
        key.description = row.get("description", key.description)
    for plan_id in _plan_ids(row):
        if key.id not in plans.find(plan_id).keys:
            plans.add_key(plan_id, key.id)
    return key.id


def _plan_ids(row: dict[str, str]) -> list[str]:
    return [part.strip(" '") for part in row.get("usageplanids", "").split(",") if part.strip(" '")]
