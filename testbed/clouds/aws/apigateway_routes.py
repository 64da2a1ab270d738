"""The emulated actions of API Gateway's control plane: method, path, and implementation.

Methods, paths, statuses and member names are those of botocore's model. An action is implemented
here in a line, or in the store it belongs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from testbed.clouds.aws import apigateway_refusals as refusals
from testbed.clouds.aws import key_imports

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.clouds.aws.api_regions import ApiRegion

_DEFAULT_LIMIT, _MOST = 25, 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A call: the parameters of its path, its query, and its body as JSON or text."""

    path: dict[str, str]
    query: dict[str, list[str]]
    body: dict[str, Any]
    text: str

    def one(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next(iter(self.query.get(name, [])), None)

    def flag(self, name: str) -> bool:
        """Whether a query parameter is true."""
        return self.one(name) == "true"

    @property
    def operations(self) -> Sequence[dict[str, Any]]:
        """The patch operations."""
        return self.body.get("patchOperations") or []


@dataclass(frozen=True, slots=True)
class Route:
    """One action. `does` returns the content of the response, None for an empty one."""

    action: str
    method: str
    path: re.Pattern[str]
    status: int
    does: Callable[[ApiRegion, Asked], dict[str, Any] | None]
    imports: bool = False


def parse_query(query: str) -> dict[str, list[str]]:
    """The parameters of a query string."""
    return parse_qs(query, keep_blank_values=True)


def find(method: str, path: str, query: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a call, and the parameters of its path."""
    imports = parse_query(query).get("mode") == ["import"]
    for route in ROUTES:
        match = route.path.fullmatch(path)
        if match and route.method == method and route.imports == imports:
            return route, {name: unquote(part) for name, part in match.groupdict().items()}
    return None


def _page(items: Sequence[dict[str, Any]], requested: Asked) -> dict[str, Any]:
    """`limit` items after `position`, which is the ID of the last one seen. [U] its format.

    By ID, so that a page also follows if its position was deleted meanwhile.
    """
    limit = requested.one("limit")
    most = int(limit) if limit and limit.isdigit() and 0 < int(limit) <= _MOST else _DEFAULT_LIMIT
    position = requested.one("position") or ""
    if not all(letter.isascii() and letter.isalnum() for letter in position):
        raise refusals.bad_request("Invalid position parameter specified")  # [U] the message
    left = sorted((item for item in items if str(item["id"]) > position), key=_id)
    content: dict[str, Any] = {"item": left[:most]}
    if len(left) > most:
        content["position"] = _id(left[most - 1])
    return content


def _id(item: dict[str, Any]) -> str:
    return str(item["id"])


def _get_keys(region: ApiRegion, requested: Asked) -> dict[str, Any]:
    found = region.keys.listed(name=requested.one("name"), customer_id=requested.one("customerId"))
    return _page([key.to_api(value=requested.flag("includeValues")) for key in found], requested)


def _delete_key(region: ApiRegion, requested: Asked) -> None:
    key = region.keys.find(requested.path["key"])
    region.before_change(key.id)
    region.plans.forget_key(key.id)
    del region.keys.keys[key.id]


def _update_key(region: ApiRegion, requested: Asked) -> dict[str, Any]:
    region.before_change(requested.path["key"])
    return region.keys.update(requested.path["key"], requested.operations).to_api(value=False)


def _delete_plan_key(region: ApiRegion, requested: Asked) -> None:
    region.before_change(requested.path["key"])
    region.plans.remove_key(requested.path["plan"], requested.path["key"])


def _import(region: ApiRegion, requested: Asked) -> dict[str, Any]:
    if requested.one("format") != "csv":
        raise refusals.bad_request("Invalid format specified")  # [U] the message
    return key_imports.import_keys(
        requested.text,
        fail_on_warnings=requested.flag("failonwarnings"),
        keys=region.keys,
        plans=region.plans,
    )


def _get_plans(region: ApiRegion, requested: Asked) -> dict[str, Any]:
    key_id = requested.one("keyId")
    plans = [
        plan.to_api()
        for plan in region.plans.plans.values()
        if key_id is None or key_id in plan.keys
    ]
    return _page(plans, requested)


def _plan_key(region: ApiRegion, key_id: str) -> dict[str, Any]:
    key = region.keys.find(key_id)
    return {"id": key.id, "type": "API_KEY", "name": key.name, "value": key.value}


def _create_plan_key(region: ApiRegion, requested: Asked) -> dict[str, Any]:
    if requested.body.get("keyType") != "API_KEY":
        raise refusals.bad_request("Invalid key type specified")  # [U] the message
    plan = region.plans.find(requested.path["plan"])
    to_api = _plan_key(region, str(requested.body.get("keyId")))
    region.plans.add_key(plan.id, to_api["id"])
    return to_api


def _get_plan_key(region: ApiRegion, requested: Asked) -> dict[str, Any]:
    if requested.path["key"] not in region.plans.find(requested.path["plan"]).keys:
        raise refusals.not_found("Invalid Usage Plan Key identifier specified")  # [U] the message
    return _plan_key(region, requested.path["key"])


def _get_plan_keys(region: ApiRegion, requested: Asked) -> dict[str, Any]:
    name = (requested.one("name") or "").lower()
    plan = region.plans.plans.get(requested.path["plan"])
    if plan is None:
        # Empty for a plan that does not exist, as in AWS. [R]
        return {"item": []}
    keys = [_plan_key(region, key_id) for key_id in plan.keys]
    return _page([key for key in keys if name in str(key["name"]).lower()], requested)


def _tag(region: ApiRegion, requested: Asked) -> None:
    region.tags(requested.path["arn"]).update(requested.body.get("tags") or {})


def _untag(region: ApiRegion, requested: Asked) -> None:
    tags = region.tags(requested.path["arn"])
    for name in requested.query.get("tagKeys", []):
        tags.pop(name, None)


def _delete_api(region: ApiRegion, requested: Asked) -> None:
    api = region.apis.find(requested.path["api"])
    del region.apis.apis[api.id]


def _delete_stage(region: ApiRegion, requested: Asked) -> None:
    api = region.apis.find(requested.path["api"])
    api.stage_to_api(requested.path["stage"])
    del api.stages[requested.path["stage"]]


def _route(
    action: str,
    method: str,
    path: str,
    status: int,
    does: Callable[[ApiRegion, Asked], dict[str, Any] | None],
    *,
    imports: bool = False,
) -> Route:
    expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(action, method, re.compile(expression), status, does, imports)


_API = "/restapis/{api}"
_METHOD = f"{_API}/resources/{{resource}}/methods/{{method}}"
_PLAN = "/usageplans/{plan}"
ROUTES = (
    _route("ImportApiKeys", "POST", "/apikeys", 201, _import, imports=True),
    _route(
        "CreateApiKey",
        "POST",
        "/apikeys",
        201,
        lambda r, a: r.keys.create(a.body).to_api(value=True),
    ),
    _route("GetApiKeys", "GET", "/apikeys", 200, _get_keys),
    _route(
        "GetApiKey",
        "GET",
        "/apikeys/{key}",
        200,
        lambda r, a: r.keys.find(a.path["key"]).to_api(value=a.flag("includeValue")),
    ),
    _route(
        "UpdateApiKey",
        "PATCH",
        "/apikeys/{key}",
        200,
        _update_key,
    ),
    _route("DeleteApiKey", "DELETE", "/apikeys/{key}", 202, _delete_key),
    _route(
        "CreateUsagePlan", "POST", "/usageplans", 201, lambda r, a: r.plans.create(a.body).to_api()
    ),
    _route("GetUsagePlans", "GET", "/usageplans", 200, _get_plans),
    _route("GetUsagePlan", "GET", _PLAN, 200, lambda r, a: r.plans.find(a.path["plan"]).to_api()),
    _route(
        "UpdateUsagePlan",
        "PATCH",
        _PLAN,
        200,
        lambda r, a: r.plans.update(a.path["plan"], a.operations).to_api(),
    ),
    _route("DeleteUsagePlan", "DELETE", _PLAN, 202, lambda r, a: r.plans.delete(a.path["plan"])),
    _route("CreateUsagePlanKey", "POST", f"{_PLAN}/keys", 201, _create_plan_key),
    _route("GetUsagePlanKeys", "GET", f"{_PLAN}/keys", 200, _get_plan_keys),
    _route("GetUsagePlanKey", "GET", f"{_PLAN}/keys/{{key}}", 200, _get_plan_key),
    _route(
        "DeleteUsagePlanKey",
        "DELETE",
        f"{_PLAN}/keys/{{key}}",
        202,
        _delete_plan_key,
    ),
    _route("TagResource", "PUT", "/tags/{arn}", 204, _tag),
    _route("UntagResource", "DELETE", "/tags/{arn}", 204, _untag),
    _route("GetTags", "GET", "/tags/{arn}", 200, lambda r, a: {"tags": r.tags(a.path["arn"])}),
    _route("CreateRestApi", "POST", "/restapis", 201, lambda r, a: r.apis.create(a.body)),
    _route(
        "GetRestApis",
        "GET",
        "/restapis",
        200,
        lambda r, a: _page([api.to_api() for api in r.apis.apis.values()], a),
    ),
    _route("GetRestApi", "GET", _API, 200, lambda r, a: r.apis.find(a.path["api"]).to_api()),
    _route("DeleteRestApi", "DELETE", _API, 202, _delete_api),
    _route(
        "GetResources",
        "GET",
        f"{_API}/resources",
        200,
        lambda r, a: _page(
            [item.to_api() for item in r.apis.find(a.path["api"]).resources.values()], a
        ),
    ),
    _route(
        "CreateResource",
        "POST",
        f"{_API}/resources/{{resource}}",
        201,
        lambda r, a: r.apis.create_resource(a.body, **a.path),
    ),
    _route("PutMethod", "PUT", _METHOD, 201, lambda r, a: r.apis.put_method(a.body, **a.path)),
    _route(
        "PutIntegration",
        "PUT",
        f"{_METHOD}/integration",
        201,
        lambda r, a: r.apis.put_integration(a.body, **a.path),
    ),
    _route(
        "CreateDeployment",
        "POST",
        f"{_API}/deployments",
        201,
        lambda r, a: r.apis.create_deployment(a.body, **a.path),
    ),
    _route(
        "CreateStage",
        "POST",
        f"{_API}/stages",
        201,
        lambda r, a: r.apis.create_stage(a.body, **a.path),
    ),
    _route(
        "GetStages",
        "GET",
        f"{_API}/stages",
        200,
        lambda r, a: {
            "item": [
                r.apis.find(a.path["api"]).stage_to_api(name)
                for name in r.apis.find(a.path["api"]).stages
            ]
        },
    ),
    _route(
        "GetStage",
        "GET",
        f"{_API}/stages/{{stage}}",
        200,
        lambda r, a: r.apis.find(a.path["api"]).stage_to_api(a.path["stage"]),
    ),
    _route("DeleteStage", "DELETE", f"{_API}/stages/{{stage}}", 202, _delete_stage),
)
