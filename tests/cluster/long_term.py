"""A namespace whose grants are long-term keys, and the IAM of the account as an admin sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any
from weakref import WeakKeyDictionary

import boto3
import pytest
from botocore.config import Config

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.readers import http_converse
from testbed.world import EXAMPLES, World
from tests.cluster.tenants import GRANT, Document, Tenant

EXAMPLE = EXAMPLES / "bedrock-long-term"
SERVICE = "bedrock.amazonaws.com"
BOUNDARY = "keywright-bedrock"
LIMITED = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def document(name: str) -> Document:
    """A policy of the example."""
    found: Document = json.loads((EXAMPLE / name).read_text())
    return found


def admin_of(world: World) -> Any:
    """A client of IAM that may do everything, with a user of its own."""
    name = f"admin-of-tests-{token_hex(4)}"
    key = world.aws.create_user(name=name, policies={"all": _EVERYTHING})
    proxy = f"http://127.0.0.1:{world.aws.proxy_port}"
    return boto3.client(
        "iam",
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_key,
        verify=str(world.aws.ca_file),
        config=Config(proxies={"https": proxy}, retries={"total_max_attempts": 1}),
    )


class LongTermTenant(Tenant):
    """The role has the policy of the example and no more; the user is named after the test."""

    kind = "bedrockLongTermKey"

    def __init__(self, world: World, *, name: str, iam: Any) -> None:
        super().__init__(world, name=name)
        self.iam = iam

    @property
    def user(self) -> str:
        """The IAM user of the grant."""
        return f"bedrock-{self.namespace}"

    def prepare(self) -> None:
        """Namespace, ServiceAccount, the right to ask for its tokens, and the role in AWS."""
        self.apply_namespace()
        self.apply_file("serviceaccount.yaml")
        self.apply_file("token-access.yaml")
        self.world.aws.create_role(
            name=self.role,
            trust_policy=self.world.trust_policy(
                namespace=self.namespace, service_account="chat-bedrock"
            ),
            policies={"permissions": document("permissions-policy.json")},
            max_session_seconds=43200,
        )

    def key_spec(self, **changed: Any) -> Document:
        """`spec.bedrockLongTermKey`, with an overlap that a test can wait for."""
        user = {
            "name": self.user,
            "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/{BOUNDARY}",
        }
        return {"user": user, "rotateEvery": "7d", "overlap": "2s", **changed}

    def spec(self, **changed: Any) -> Document:
        """The spec of a grant of such a key, beside its source."""
        return {"bedrockShortTermKey": None, self.kind: self.key_spec(**changed)}

    def apply_key(self, *, name: str = GRANT, **changed: Any) -> None:
        """A grant of a long-term key."""
        self.apply_grant(name=name, **self.spec(**changed))

    def key_ready(self, **changed: Any) -> Document:
        """Source and grant, applied; the status once the grant is Ready."""
        self.apply_source(sessionDuration=None)
        self.apply_key(**changed)
        return self.ready()

    # ---- the cloud

    def listed(self, user: str | None = None) -> dict[str, str]:
        """Status by id of the user's keys, as the grant names them; empty without the user."""
        name = user or self.user
        try:
            found = self.iam.list_service_specific_credentials(UserName=name)
        except self.iam.exceptions.NoSuchEntityException:
            return {}
        return {
            f"{ACCOUNT}/{name}/{item['ServiceSpecificCredentialId']}": item["Status"]
            for item in found["ServiceSpecificCredentials"]
        }

    def live_keys(self) -> set[str]:
        """The ids of all keys of the user."""
        return set(self.listed())

    def leftovers(self) -> list[str]:
        """The user and its keys, where there are any."""
        return [*self.listed(), *([self.user] if self.has_user() else [])]

    def has_user(self, user: str | None = None) -> bool:
        """Whether IAM has it."""
        try:
            self.iam.get_user(UserName=user or self.user)
        except self.iam.exceptions.NoSuchEntityException:
            return False
        return True

    def foreign_key(self) -> str:
        """The ID of a key of the user that another administrator has created."""
        made = self.iam.create_service_specific_credential(UserName=self.user, ServiceName=SERVICE)[
            "ServiceSpecificCredential"
        ]
        return f"{ACCOUNT}/{self.user}/{made['ServiceSpecificCredentialId']}"

    def works(self, data: dict[str, str] | None = None) -> bool:
        """Whether a reader of the Secret is served."""
        answer = http_converse.call(
            data or self.data(), cloud_environment=self.world.aws.client_environment()
        )
        return bool(answer.ok)


def tenants(world: World, *, name: str) -> Iterator[Callable[[], LongTermTenant]]:
    """Makes prepared namespaces, which go with the test, as do the faults of the cloud."""
    iam = _admin(world)
    made: list[LongTermTenant] = []

    def make() -> LongTermTenant:
        made.append(LongTermTenant(world, name=name, iam=iam))
        made[-1].prepare()
        return made[-1]

    yield make
    world.aws.clear_faults()
    for tenant in made:
        world.api.delete(f"/api/v1/namespaces/{tenant.namespace}")


# By the world itself: a later one may have the same id().
_ADMINS: WeakKeyDictionary[World, Any] = WeakKeyDictionary()


def _admin(world: World) -> Any:
    found = _ADMINS.get(world)
    if found is None:
        found = _ADMINS[world] = admin_of(world)
        world.aws.create_managed_policy(name=BOUNDARY, document=document("boundary-policy.json"))
    return found


def short(request: pytest.FixtureRequest) -> str:
    """A name for the namespaces of a test."""
    name: str = request.node.originalname
    return name.removeprefix("test_").replace("_", "-")[:30].strip("-")
