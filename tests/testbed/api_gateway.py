"""What the tests of API Gateway hold: an administrator, a deployed API, plans and keys."""

from __future__ import annotations

import http.client
import json
import ssl
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.testbed.world import allow

if TYPE_CHECKING:
    from tests.testbed.world import Tenant


def value() -> str:
    """A value that no other key has."""
    return f"value-{uuid.uuid4().hex}"


class Partner:
    """A deployed API, and all that a partner with a key meets of it."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.api = tenant.cloud.deploy_api(name="orders", paths=("/orders", "/refunds"))
        self.stage = {"apiId": self.api.id, "stage": self.api.stage}
        self.client = tenant.client("apigateway", credentials=tenant.user(allow("apigateway:*")))

    def plan(self, **requested: Any) -> str:
        """The id of a new plan of the API's stage."""
        made = self.client.create_usage_plan(
            **{"name": f"plan-{uuid.uuid4().hex[:8]}", "apiStages": [self.stage], **requested}
        )
        return str(made["id"])

    def key(self, *plans: str, **requested: Any) -> dict[str, Any]:
        """A new key in these plans."""
        made: dict[str, Any] = self.client.create_api_key(
            **{"name": "partner", "value": value(), "enabled": True, **requested}
        )
        for plan in plans:
            self.client.create_usage_plan_key(usagePlanId=plan, keyId=made["id"], keyType="API_KEY")
        return made

    def call(
        self, key: str | None, *, path: str = "/orders", method: str = "GET"
    ) -> tuple[int, dict[str, Any], str | None]:
        """Status, body and x-amzn-ErrorType of a call with that key."""
        url = urlsplit(self.api.url)
        trust = ssl.create_default_context(cafile=str(self.tenant.cloud.ca_file))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.tenant.cloud.proxy_port, context=trust, timeout=5
        )
        connection.set_tunnel(str(url.hostname), 443)
        headers = {} if key is None else {"x-api-key": key}
        connection.request(method, url.path + path, headers=headers)
        answer = connection.getresponse()
        reported = answer.status, json.load(answer), answer.headers["x-amzn-ErrorType"]
        connection.close()
        return reported
