"""A namespace whose grants are API Gateway keys, a deployed API, and the account as its admin."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from keywright.api.names import REFERENCE_LABEL
from testbed.clouds.aws.cloud import ACCOUNT
from testbed.documents import documents
from testbed.readers import http_api
from testbed.world import EXAMPLES, World
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Document, Tenant, merged

EXAMPLE = EXAMPLES / "api-gateway-for-a-partner"
REGION = "us-west-2"
KEY, PARTNER, ORDERS = "X_API_KEY", GRANT, "orders"
GRANT_TAG = "keywright.dev/grant"
# Of a key that was made by a file: the name of the import.
_IMPORT_TAG = "keywright.dev/import"
_OVERLAP = "2s"


def permissions() -> Document:
    """The policy of the example, and no more."""
    found: Document = json.loads((EXAMPLE / "permissions-policy.json").read_text())
    return found


class GatewayTenant(Tenant):
    """The role has the policy of the example and no more; the API has a stage `prod`."""

    def __init__(self, world: World, *, name: str, gateway: Any) -> None:
        super().__init__(world, name=name)
        self.gateway = gateway
        self.api = world.aws.deploy_api(name=self.namespace, region=REGION)

    def prepare(self) -> None:
        """Namespace, ServiceAccount, the right to ask for its tokens, and the role in AWS."""
        self.apply_namespace()
        for file in ("serviceaccount.yaml", "token-access.yaml"):
            for document in self._example(file):
                self.world.api.apply(document)
        self.world.aws.create_role(
            name=self.role,
            trust_policy=self.world.trust_policy(
                namespace=self.namespace, service_account="orders-aws"
            ),
            policies={"permissions": permissions()},
            max_session_seconds=43200,
        )

    # ---- the objects

    def apply_source(self, *, name: str = ORDERS, **aws: Any) -> None:
        """The example's source with this tenant's role, and other fields of `spec.aws`."""
        (body,) = self._example("credentialsource.yaml")
        body["metadata"]["name"] = name
        change = {"webIdentity": {"roleArn": self.role_arn}, **aws}
        self.world.api.apply(merged(body, {"spec": {"aws": change}}))

    def apply_key(
        self, *, name: str = PARTNER, spec: Mapping[str, Any] | None = None, **key: Any
    ) -> None:
        """A grant of an API Gateway key, with overlaps that a test can wait for."""
        (body,) = self._example("apikeygrant.yaml")
        body["metadata"]["name"] = name
        requested = {"propagation": "1s", "overlap": _OVERLAP, **key}
        body["spec"]["apiGatewayKey"] = {k: v for k, v in requested.items() if v is not None}
        self.world.api.apply(merged(body, {"spec": dict(spec or {})}))

    def key_ready(self, *, name: str = PARTNER, **key: Any) -> Document:
        """Source and grant, applied; the status once the grant is Ready."""
        self.apply_source()
        self.apply_key(name=name, **key)
        return self.ready(name=name)

    def edit_key(self, *, name: str = PARTNER, **key: Any) -> None:
        """Merge into the grant's `spec.apiGatewayKey`."""
        self.edit_grant(name=name, apiGatewayKey=key)

    def ask_for_renewal(self, *, name: str = PARTNER) -> None:
        """Ask for a new key."""
        requested = {"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()}
        self.annotate_grant(name=name, **requested)

    def renew(self, *, revision: int, name: str = PARTNER) -> Document:
        """Ask for a new key; the status when it is there."""
        self.ask_for_renewal(name=name)
        return self.revision(revision, name=name)

    def rotated(self, number: int, *, name: str = PARTNER) -> Document:
        """The status once that revision is there, and no older key."""

        def alone(status: Document) -> bool:
            return status.get("revision") == number and not status.get("retiring")

        return self.reported("Ready", name=name, and_=alone)

    def put_input(self, name: str, text: str) -> None:
        """A Secret that a grant imports from, made or changed."""
        self.world.api.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": f"{name}-input",
                    "namespace": self.namespace,
                    "labels": {REFERENCE_LABEL: "true"},
                },
                "data": {"input": base64.b64encode(text.encode()).decode()},
            }
        )

    def value(self, name: str) -> str:
        """A value for a key of that name: no other test has it, and no log a piece of it."""
        return hashlib.sha256(f"{self.namespace} {name}".encode()).hexdigest()[:40]

    def value_from(self, name: str) -> Document:
        """The field that imports a value from it."""
        return {"valueFrom": {"secretKeyRef": {"name": f"{name}-input", "key": "input"}}}

    def csv_from(self, name: str, **more: Any) -> Document:
        """The field that imports a file from it."""
        reference = {"name": f"{name}-input", "key": "input"}
        return {"csvFrom": {"secretKeyRef": reference, **more}}

    def delete(self, name: str = PARTNER) -> None:
        """Delete the grant, and return when it is gone."""
        self.world.api.delete(self.grant_path(name))
        eventually(lambda: not self.world.api.exists(self.grant_path(name)), seconds=40)

    def _example(self, file: str) -> list[Document]:
        found = documents((EXAMPLE / file).read_text())
        for document in found:
            document["metadata"]["namespace"] = self.namespace
        return found

    # ---- the cloud

    @property
    def stage(self) -> Document:
        """The stage, as a grant names it."""
        return {"apiId": self.api.id, "stage": self.api.stage}

    def plan(self, *, name: str = "gold", **requested: Any) -> str:
        """The id of a new plan of the stage, which an admin has made."""
        request = {"name": f"{self.namespace}-{name}", "apiStages": [self.stage], **requested}

        def made() -> str:
            # The operator still changes plans of the test before: API Gateway refuses both at once.
            with suppress(self.gateway.exceptions.ConflictException):
                return str(self.gateway.create_usage_plan(**request)["id"])
            return ""

        return eventually(made)

    def plan_name(self, plan: str) -> str:
        """The name of a plan."""
        return str(self.gateway.get_usage_plan(usagePlanId=plan)["name"])

    def limits(self) -> Document:
        """The stage and some limits, as `usagePlan.create` has them."""
        return {
            "apiStages": [self.stage],
            "throttle": {"rateLimit": 100, "burstLimit": 200},
            "quota": {"limit": 100000, "period": "WEEK", "offset": 2},
        }

    def made_plan(self, name: str = PARTNER) -> Document:
        """The field that lets a plan be made."""
        create = {"name": f"{self.namespace}-{name}", **self.limits()}
        return {"usagePlan": {"create": create}}

    def foreign_key(self, plan: str, **requested: Any) -> str:
        """The ID of a key in the plan that another administrator has created."""
        request = {"name": f"{self.namespace}-theirs", "enabled": True, **requested}
        made = self.gateway.create_api_key(**request)["id"]
        self.gateway.create_usage_plan_key(usagePlanId=plan, keyId=made, keyType="API_KEY")
        return str(made)

    def plans(self, name: str = PARTNER) -> dict[str, Document]:
        """The plans that were made for a grant, by their names."""
        return {
            plan["name"]: plan for plan in self._every("get_usage_plans") if self._ours(plan, name)
        }

    def keys(self, name: str = PARTNER) -> dict[str, Document]:
        """The keys that were made for a grant, by the ids that its status has."""
        return {
            f"{ACCOUNT}/{REGION}/{key['tags'].get(_IMPORT_TAG, key['id'])}": key
            for key in self.made_keys(name)
        }

    def made_keys(self, name: str = PARTNER) -> list[Document]:
        """Each of the keys that were made for a grant."""
        return [key for key in self._every("get_api_keys") if self._ours(key, name)]

    def live_keys(self) -> set[str]:
        """The ids of all keys that were made for the grant."""
        return set(self.keys())

    def leftovers(self) -> list[str]:
        """The names of keys and plans of the grant."""
        return [*(key["name"] for key in self.made_keys()), *self.plans()]

    def plan_keys(self, plan: str) -> list[str]:
        """The ids of the keys in a plan."""
        return [
            key["id"]
            for key in self.gateway.get_usage_plan_keys(usagePlanId=plan, limit=500)["items"]
        ]

    def works(self, data: Mapping[str, str] | None = None) -> bool:
        """Whether a partner with this Secret is served."""
        found = data or self.data()
        if KEY not in found:
            # Many keys: each of them must be good.
            return all(self.works({KEY: value}) for value in found.values())
        return bool(http_api.call(found, cloud_environment=self.environment()).ok)

    def environment(self) -> dict[str, str]:
        """The environment of a partner: where the API is, and how AWS is reached."""
        return {**self.world.aws.client_environment(), http_api.URL: f"{self.api.url}/orders"}

    def _ours(self, thing: Mapping[str, Any], name: str) -> bool:
        return bool(thing.get("tags", {}).get(GRANT_TAG) == f"{self.namespace}/{name}")

    def _every(self, action: str) -> list[Document]:
        pages = self.gateway.get_paginator(action).paginate()
        return [item for page in pages for item in page["items"]]


def gateway_tenants(world: World, *, name: str) -> Iterator[Callable[[], GatewayTenant]]:
    """Makes prepared namespaces, which go with the test, as do the faults of the cloud."""
    gateway = world.aws.administrator("apigateway", region=REGION)
    made: list[GatewayTenant] = []

    def make() -> GatewayTenant:
        made.append(GatewayTenant(world, name=name, gateway=gateway))
        made[-1].prepare()
        return made[-1]

    yield make
    world.aws.clear_faults()
    for tenant in made:
        world.api.delete(f"/api/v1/namespaces/{tenant.namespace}")
