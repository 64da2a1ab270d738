"""An account with resources of Keywright's grants, of its former grants, and of others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from testbed.operators import NAMESPACE
from tests.cluster.alibaba import AlibabaTenant
from tests.cluster.second_cluster import cluster_id
from tests.cluster.tenants import Document, Tenant

SERVICE: Final = "bedrock.amazonaws.com"
LIMITED: Final = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
REGION, FURTHER = "us-west-2", "eu-central-1"
GONE: Final = "gone"
_OTHERS: Final = {"users": 250, "keys": 30, "plans": 20}
POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                *(f"iam:{verb}" for verb in ("GetUser", "ListUsers", "ListUserTags")),
                *("iam:ListServiceSpecificCredentials", "iam:ListAccessKeys"),
                *("iam:ListAttachedUserPolicies", "iam:ListUserPolicies"),
                *("iam:DeleteServiceSpecificCredential", "iam:DeleteUser", "iam:UntagUser"),
                *("iam:DetachUserPolicy", "iam:DeleteUserPolicy"),
                *(f"apigateway:{verb}" for verb in ("GET", "DELETE", "PATCH")),
            ],
            "Resource": "*",
        }
    ],
}


class AuditScene(AlibabaTenant):
    """Plants resources as an administrator of the account; no operator runs."""

    def prepare(self) -> None:
        """Namespace, role, and a source of each cloud."""
        super().prepare()
        self.world.create_role(
            name=self.role, namespace=self.namespace, service_account="chat-bedrock"
        )
        self.world.aws.put_role_policy(role=self.role, name="audit", document=POLICY)
        self.apply_source()
        self.apply(
            self.alibaba_source(oidcRoleArn=self.by_token("acs:ram::1234567890123456:role/chat"))
        )
        self.iam: Any = self.world.aws.administrator("iam")
        self.gateways: dict[str, Any] = {
            region: self.world.aws.administrator("apigateway", region=region)
            for region in (REGION, FURTHER)
        }
        self.cluster = cluster_id(self.world)

    # ---- the cluster

    def settled_grant(self, name: str, *, key_id: str, **spec: Any) -> None:
        """A grant that has had this key for an hour."""
        settled_grant(self, name, key_id=key_id, source="bedrock", **spec)

    def listed_key(self, key_id: str) -> str:
        """An entry of the list of keys that could not be revoked; returns its name."""
        return listed_key(self, key_id, kind="bedrockLongTermKey")

    # ---- the cloud

    def tags(self, grant: str, **others: str | None) -> dict[str, str]:
        """The tags of a resource for a grant; None leaves one out."""
        found = {
            "grant": f"{self.namespace}/{grant}",
            "grant-id": "some-id",
            "cluster-id": self.cluster,
            **{name.replace("_", "-"): value for name, value in others.items()},
        }
        return {f"keywright.dev/{name}": text for name, text in found.items() if text is not None}

    def user(self, name: str, tags: Mapping[str, str]) -> str:
        """An IAM user with these tags."""
        held = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.iam.create_user(UserName=name, Path="/keywright/", Tags=held)
        return name

    def credential(self, user: str, *, issued: bool = True) -> str:
        """A key of a user, recorded in its tag if Keywright is to have issued it."""
        made = self.iam.create_service_specific_credential(UserName=user, ServiceName=SERVICE)
        name = str(made["ServiceSpecificCredential"]["ServiceSpecificCredentialId"])
        if issued:
            tags = self.iam.list_user_tags(UserName=user)["Tags"]
            held = {tag["Key"]: tag["Value"] for tag in tags}.get("keywright.dev/key-ids", "")
            text = f"{held} {name}".strip()
            tag = {"Key": "keywright.dev/key-ids", "Value": text}
            self.iam.tag_user(UserName=user, Tags=[tag])
        return name

    def api_key(
        self, tags: Mapping[str, str], *, plan: str = "", region: str = REGION, enabled: bool = True
    ) -> str:
        """An API key, in a plan or in none."""
        gateway = self.gateways[region]
        made = gateway.create_api_key(name="planted", enabled=enabled, tags=tags)
        if plan:
            gateway.create_usage_plan_key(usagePlanId=plan, keyId=made["id"], keyType="API_KEY")
        return str(made["id"])

    def plan(self, name: str, tags: Mapping[str, str]) -> str:
        """A usage plan."""
        return str(self.gateways[REGION].create_usage_plan(name=name, tags=tags)["id"])

    def plant_others(self) -> None:
        """300 resources that are not this cluster's, some of which look like it."""
        looks_alike = (
            self.tags(GONE, cluster_id="another"),
            self.tags(GONE, cluster_id=None),
            self.tags(GONE, retain="true"),
            {"keywright.dev/other": "x"},
            {"team": "x"},
        )
        for number in range(_OTHERS["users"]):
            user = self.user(f"other-{number:03}", looks_alike[number % 5])
            if number < 10:
                self.credential(user)
            if number == 10:
                self.iam.create_access_key(UserName=user)
        plans = [
            self.plan(f"other-{number}", looks_alike[number % 5])
            for number in range(_OTHERS["plans"])
        ]
        for number in range(_OTHERS["keys"]):
            plan = plans[number] if number < 5 else ""
            self.api_key(looks_alike[number % 5], plan=plan)

    # ---- the account as it is

    def snapshot(self) -> dict[tuple[str, ...], Any]:
        """Everything in the account that an audit could remove, with its attributes."""
        found: dict[tuple[str, ...], Any] = {}
        for page in self.iam.get_paginator("list_users").paginate():
            for user in page["Users"]:
                found |= self._user(user["UserName"])
        for region, gateway in self.gateways.items():
            keys = gateway.get_api_keys(includeValues=True, limit=500)["items"]
            found |= {("API key", region, key["id"]): _plain(key) for key in keys}
            for plan in gateway.get_usage_plans(limit=500)["items"]:
                members = gateway.get_usage_plan_keys(usagePlanId=plan["id"], limit=500)["items"]
                found["usage plan", region, plan["id"]] = _plain(plan)
                found |= {("member", region, plan["id"], key["id"]): 1 for key in members}
        return found

    def _user(self, name: str) -> dict[tuple[str, ...], Any]:
        tags = self.iam.list_user_tags(UserName=name)["Tags"]
        credentials = self.iam.list_service_specific_credentials(UserName=name)
        attached = self.iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
        access_keys = self.iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        return {
            ("user", name): (
                attached,
                self.iam.list_user_policies(UserName=name)["PolicyNames"],
            ),
            **{("tag", name, tag["Key"]): tag["Value"] for tag in tags},
            **{
                ("credential", name, each["ServiceSpecificCredentialId"]): each["Status"]
                for each in credentials["ServiceSpecificCredentials"]
            },
            **{("access key", name, each["AccessKeyId"]): each["Status"] for each in access_keys},
        }


def settled_grant(tenant: Tenant, name: str, *, key_id: str, source: str, **spec: Any) -> None:
    """A grant that has had this key for an hour."""
    (kind,) = spec
    body: Document = {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "ApiKeyGrant",
        "metadata": {"name": name, "namespace": tenant.namespace},
        "spec": {"sourceRef": {"name": source}, **spec},
    }
    tenant.world.api.apply(body)
    issued = datetime.now(UTC) - timedelta(hours=1)
    status = {"kind": kind, "keyId": key_id, "issuedAt": issued.isoformat(timespec="seconds")}
    tenant.patch(f"{tenant.grant_path(name)}/status", {"status": status})


def listed_key(tenant: Tenant, key_id: str, *, kind: str) -> str:
    """An entry of the list of keys that could not be revoked; returns its name."""
    entry = hashlib.sha256(key_id.encode()).hexdigest()[:32]
    reference = {"namespace": tenant.namespace, "name": GONE, "uid": "u"}
    text = {
        "keyId": key_id,
        "kind": kind,
        "account": key_id.partition("/")[0],
        "source": reference,
        "grant": reference,
        "holder": "",
        "key": {},
        "since": "2026-01-01T00:00:00Z",
        "why": "the source is gone",
    }
    tenant.world.api.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "keywright-orphans", "namespace": NAMESPACE},
            "data": {entry: json.dumps(text), "overflow": "{}"},
        }
    )
    return entry


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "lastUpdatedDate"}
