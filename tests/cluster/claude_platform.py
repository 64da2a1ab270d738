"""A namespace whose grants are keys of Claude Platform on AWS."""

from __future__ import annotations

import json
from typing import Any

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.world import EXAMPLES
from tests.cluster.tenants import Document, Tenant

EXAMPLE = EXAMPLES / "claude-platform-short-term"
KIND = "claudePlatformShortTermKey"
KEY = "ANTHROPIC_AWS_API_KEY"
REGION = "us-west-2"
WORKSPACE = "wrkspc_01AbCdEf23GhIj"


def permissions() -> Document:
    """The permissions policy of the example."""
    found: Document = json.loads((EXAMPLE / "permissions-policy.json").read_text())
    return found


class ClaudeTenant(Tenant):
    """A tenant whose role may use the workspace of the example."""

    @classmethod
    def beside(cls, tenant: Tenant) -> ClaudeTenant:
        """The same namespace and role."""
        found = cls(tenant.world)
        found.namespace, found.role = tenant.namespace, tenant.role
        return found

    def prepare(self) -> None:
        """As for Bedrock, with the permissions of the example."""
        super().prepare()
        self.permit(permissions())

    def permit(self, policy: Document) -> None:
        """Replace the role's permissions for Claude Platform on AWS."""
        self.world.aws.put_role_policy(role=self.role, name="claude", document=policy)

    def permit_any_workspace(self) -> None:
        """The permissions of the example, for every workspace."""
        text = json.dumps(permissions())
        arn = f"arn:aws:aws-external-anthropic:{REGION}:{ACCOUNT}:workspace/{WORKSPACE}"
        self.permit(json.loads(text.replace(arn, "*")))

    def claude(self, **key: Any) -> Document:
        """The spec of a grant with such a key."""
        return {
            "bedrockShortTermKey": None,
            KIND: {"workspaceId": WORKSPACE, **key},
            "secret": {"formats": ["ClaudePlatformEnv"]},
        }

    def become_claude_ready(self, **key: Any) -> Document:
        """Source and grant, applied; the status once the grant is Ready."""
        return self.become_ready(**self.claude(**key))
