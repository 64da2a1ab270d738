"""A namespace whose grants are logins to Amazon ECR."""

from __future__ import annotations

import json
from typing import Any

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.clouds.aws.ecr import IMAGE
from testbed.readers import container_tools
from testbed.readers.answers import Answer
from testbed.world import EXAMPLES
from tests.cluster.tenants import Document, Tenant

KIND = "ecrToken"
REGION = "us-west-2"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ENTRY = ".dockerconfigjson"
TYPE = "kubernetes.io/dockerconfigjson"


def permissions() -> Document:
    """The permissions policy of the example."""
    text = (EXAMPLES / "ecr-pull-secret" / "permissions-policy.json").read_text()
    found: Document = json.loads(text)
    return found


class EcrTenant(Tenant):
    """A tenant whose role may pull from its registry."""

    def prepare(self) -> None:
        """As for Bedrock, with the permissions of the example."""
        super().prepare()
        self.permit(permissions())

    def permit(self, policy: Document) -> None:
        """Replace the role's permissions for ECR."""
        self.world.aws.put_role_policy(role=self.role, name="registry", document=policy)

    def spec(self, **key: Any) -> Document:
        """The spec of a grant with such a login, and without a layout."""
        return {"bedrockShortTermKey": None, KIND: key, "secret": None}

    def logins(self) -> Document:
        """The logins in the Secret, by the hosts of the registries."""
        found: Document = json.loads(self.data()[ENTRY])["auths"]
        return found

    def pull(self, registry: str = REGISTRY) -> Answer:
        """One pull, in a pod with the Secret."""
        return container_tools.call(
            self.data(),
            image=f"{registry}/{IMAGE}:1.0",
            cloud_environment=self.world.aws.client_environment(),
        )
