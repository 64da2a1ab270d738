"""What the identity of a source needs for keys of Amazon API Gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.clouds.aws.place import Place
from keywright.clouds.policy_statements import statement


def permissions(keys: Sequence[tuple[ApiGatewayKey, Place]]) -> Iterator[dict[str, Any]]:
    """The least for creation, edits, rotation and deletion."""
    for key, place in keys:
        yield from _of_key(key, place)


def _of_key(key: ApiGatewayKey, place: Place) -> Iterator[dict[str, Any]]:
    base = f"arn:{place.partition}:apigateway:{place.region}::"
    creates = any(plan.create is not None for _, plan in key.usage_plans)
    keys, each_key = f"{base}/apikeys", f"{base}/apikeys/*"
    plans, each_plan = f"{base}/usageplans", f"{base}/usageplans/*"
    yield statement("ReadKeysAndPlans", ["apigateway:GET"], [keys, each_key, plans, each_plan])
    made = [keys, plans] if creates else [keys]
    yield statement("CreateTaggedKeysAndPlans", ["apigateway:POST"], made)
    yield statement("AddKeysToPlans", ["apigateway:POST"], f"{base}/usageplans/*/keys")
    yield statement("TagKeysAndPlans", ["apigateway:PUT", "apigateway:DELETE"], f"{base}/tags/*")
    changed = [each_key, each_plan] if creates else [each_key, f"{base}/usageplans/*/keys/*"]
    yield statement("ChangeAndDelete", ["apigateway:PATCH", "apigateway:DELETE"], changed)
