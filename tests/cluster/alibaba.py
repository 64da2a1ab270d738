"""A namespace with an identity in Alibaba Cloud, and who its Secrets make of a pod."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from testbed.clouds.alibaba.cloud import ACCOUNT
from tests.cluster.tenants import Document, Tenant, merged

REGION = "cn-hangzhou"
PROVIDER = f"acs:ram::{ACCOUNT}:oidc-provider/ack-rrsa"
EVERYTHING = {
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
SECRET = "cloud-key"


def trusts(principal: Mapping[str, object], **condition: object) -> Document:
    """A role's trust policy."""
    statement: Document = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": dict(principal),
    }
    if condition:
        statement["Condition"] = condition
    return {"Version": "1", "Statement": [statement]}


class AlibabaTenant(Tenant):
    """A namespace of one test, whose sources are for Alibaba Cloud."""

    def prepare(self) -> None:
        """Namespace, ServiceAccount and the right to ask for its tokens."""
        self.apply_namespace()
        self.apply_file("serviceaccount.yaml")
        self.apply_file("token-access.yaml")

    def trust_of_token(self) -> Document:
        """The trust policy of RRSA for this namespace's ServiceAccount."""
        return trusts(
            {"Federated": [PROVIDER]},
            StringEquals={
                "oidc:iss": self.world.cluster.issuer,
                "oidc:aud": "sts.aliyuncs.com",
                "oidc:sub": f"system:serviceaccount:{self.namespace}:chat-bedrock",
            },
        )

    def create_role(self, trust: Document | None = None, *, suffix: str = "", **more: Any) -> str:
        """A role that may do everything; it trusts the tenant's tokens by default."""
        return self.world.alibaba.create_role(
            name=f"{self.namespace}{suffix}",
            trust_policy=trust or self.trust_of_token(),
            policies={"everything": EVERYTHING},
            **more,
        )

    def alibaba_source(self, *, name: str = "alibaba", **identity: Any) -> Document:
        """A source with this identity and these other fields."""
        return {
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "CredentialSource",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"alibabaCloud": {"regionId": REGION, **identity}},
        }

    def by_token(self, role_arn: str | None, **more: Any) -> Document:
        """The identity oidcRoleArn of this namespace's ServiceAccount."""
        identity = {
            "serviceAccountRef": {"name": "chat-bedrock"},
            "oidcProviderArn": PROVIDER,
            "roleArn": role_arn,
            **more,
        }
        return {name: value for name, value in identity.items() if value is not None}

    def credentials(
        self, *, name: str = "credentials", source: str = "alibaba", **spec: Any
    ) -> Document:
        """A grant of session credentials."""
        body: Document = {
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "ApiKeyGrant",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"sourceRef": {"name": source}, "sessionCredentials": {}},
        }
        return merged(body, {"spec": spec})

    def apply(self, *bodies: Document) -> None:
        """All of them."""
        for body in bodies:
            self.world.api.apply(body)


def cli_config(*profiles: Document, current: str) -> str:
    """A config.json of the CLI."""
    return json.dumps({"current": current, "profiles": list(profiles)})
