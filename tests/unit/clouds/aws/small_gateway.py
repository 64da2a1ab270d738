"""A small API Gateway: keys and usage plans, and the keys of a grant in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from typing_extensions import override

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.grant import GrantIdentity
from keywright.clouds.aws.api_gateway.keys import GatewayKeys
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.interfaces import Evidence
from keywright.clouds.listings import SharedListings
from keywright.clouds.owner_tags import CLUSTER_TAG, GRANT_ID_TAG, TAG
from tests.unit.api.samples import grant, source
from tests.unit.clouds.aws.contexts import USER, ScriptedSts, bare, context
from tests.unit.fakes.clock import FakeClock
from tests.unit.replace import replace

FILE = {"secretKeyRef": {"name": "file", "key": "keys.csv"}}
_MARK = {TAG: "chat/chat-key", CLUSTER_TAG: "here", GRANT_ID_TAG: "id"}
_Answer = TypeVar("_Answer")


class _Errors:
    ClientError = ClientError


@dataclass
class SmallGateway(BotoClients):
    """The state of API Gateway; `members` are the keys of each plan."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    exceptions: type[_Errors] = _Errors

    @override
    async def run(self, service: str, call: Callable[[Any], _Answer], **options: Any) -> _Answer:
        del service, options
        return call(self)

    def add_key(
        self, key_id: str, value: str, *, name: str = "", plans: tuple[str, ...], **tags: str
    ) -> None:
        """A key of the grant, in these plans."""
        self.keys[key_id] = {
            "id": key_id,
            "value": value,
            "name": name,
            "enabled": True,
            "tags": _MARK | tags,
            "createdDate": FakeClock().now,
        }
        for plan in plans:
            self.members[plan].add(key_id)

    def add_plan(self, plan_id: str, *, name: str) -> None:
        """A plan without stages."""
        self.plans[plan_id] = {"id": plan_id, "name": name, "apiStages": []}
        self.members[plan_id] = set()

    def delete_plan(self, plan_id: str) -> None:
        """A change by hand."""
        del self.plans[plan_id], self.members[plan_id]

    # ---- API Gateway's own actions

    def get_paginator(self, action: str) -> _Paginator:
        """Of keys, of the keys in a plan, or of plans."""
        return _Paginator(self, action)

    def items(self, action: str, request: dict[str, Any]) -> list[dict[str, Any]]:
        """All that a listing has."""
        match action:
            case "get_api_keys":
                return list(self.keys.values())
            case "get_usage_plan_keys":
                return [{"id": key} for key in self.members.get(request["usagePlanId"], ())]
            case "get_usage_plans":
                key = request.get("keyId")
                plans = self.plans.values()
                return [plan for plan in plans if key is None or key in self.members[plan["id"]]]
            case _:
                raise AssertionError(action)

    def get_usage_plan(self, **request: Any) -> dict[str, Any]:
        """One plan."""
        return self.plans[request["usagePlanId"]]

    def get_api_key(self, **request: Any) -> dict[str, Any]:
        """One key."""
        return self.keys[request["apiKey"]]

    def delete_api_key(self, **request: Any) -> None:
        """It is gone."""
        del self.keys[request["apiKey"]]

    def create_usage_plan_key(self, **request: Any) -> None:
        """The key is in the plan."""
        self.members[request["usagePlanId"]].add(request["keyId"])

    def delete_usage_plan_key(self, **request: Any) -> None:
        """The key is not in the plan any more."""
        self.members[request["usagePlanId"]].discard(request["keyId"])

    def tag_resource(self, **request: Any) -> None:
        """The key has these tags as well."""
        key = self.keys[request["resourceArn"].rpartition("/")[2]]
        key["tags"] = key["tags"] | request["tags"]

    def update_api_key(self, **request: Any) -> None:
        """Texts only."""
        for operation in request["patchOperations"]:
            self.keys[request["apiKey"]][operation["path"][1:]] = operation["value"]


@dataclass(frozen=True)
class _Paginator:
    gateway: SmallGateway
    action: str

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        """One page."""
        return [{"items": self.gateway.items(self.action, request)}]


def gateway_keys(
    gateway: SmallGateway, *, listings: SharedListings | None = None, file: str = "", **spec: Any
) -> GatewayKeys:
    """The keys of the grant, whose file to import is `file`."""
    requested = grant(bedrockShortTermKey=None, apiGatewayKey=spec)
    requested = replace(requested, identity=GrantIdentity(grant_id="id", cluster_id="here"))
    assert isinstance(requested.key, ApiGatewayKey)
    edge = replace(
        context(ScriptedSts(), file={"keys.csv": file}),
        calls=gateway,
        listings=listings or SharedListings(clock=FakeClock()),
    )
    session = replace(bare(), identity=USER)
    return GatewayKeys(requested.key, requested, source(), session, edge, Evidence())
