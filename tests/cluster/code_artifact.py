"""A namespace whose grants are tokens of AWS CodeArtifact."""

from __future__ import annotations

import json
from typing import Any

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.world import EXAMPLES
from tests.cluster.tenants import Document, Tenant

EXAMPLE = EXAMPLES / "codeartifact"
KIND = "codeArtifactToken"
REGION = "us-west-2"
DOMAIN, REPOSITORY = "my-domain", "my-repository"
HOST = f"{DOMAIN}-{ACCOUNT}.d.codeartifact.{REGION}.amazonaws.com"
FIELDS = {"domain": DOMAIN, "domainOwner": ACCOUNT, "repository": REPOSITORY}
FORMATS = ["CodeArtifactEnv", "PipConf", "Npmrc", "MavenSettings"]


def permissions() -> Document:
    """The permissions policy of the example."""
    found: Document = json.loads((EXAMPLE / "permissions-policy.json").read_text())
    return found


class CodeArtifactTenant(Tenant):
    """A tenant whose role may use the repository of the example."""

    @classmethod
    def beside(cls, tenant: Tenant) -> CodeArtifactTenant:
        """The same namespace and role."""
        found = cls(tenant.world)
        found.namespace, found.role = tenant.namespace, tenant.role
        return found

    def prepare(self) -> None:
        """As for Bedrock, with the permissions of the example, and its domain."""
        super().prepare()
        self.permit(permissions())
        self.world.aws.create_package_domain(DOMAIN, repositories=[REPOSITORY], region=REGION)

    def permit(self, policy: Document) -> None:
        """Replace the role's permissions for CodeArtifact."""
        self.world.aws.put_role_policy(role=self.role, name="packages", document=policy)

    def permit_everything(self) -> None:
        """Every action of CodeArtifact, and the bearer token for it."""
        actions = ["codeartifact:*", "sts:GetServiceBearerToken"]
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        self.permit({"Version": "2012-10-17", "Statement": [statement]})

    def spec(self, **key: Any) -> Document:
        """The spec of a grant with such a token, in every format."""
        return {
            "bedrockShortTermKey": None,
            KIND: {**FIELDS, **key},
            "secret": {"formats": FORMATS},
        }
