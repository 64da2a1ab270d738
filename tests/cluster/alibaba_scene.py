"""One world for all that goes wrong with Alibaba Cloud, and for what no tenant may borrow.

The operator's environment is full of every variable that the library reads, its node has a role,
and its flags lend nothing: at the end of all tests the cloud must have seen none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.operators import OperatorProcess
from testbed.world import Vendor, World
from tests.cluster.alibaba import EVERYTHING, PROVIDER, AlibabaTenant, trusts
from tests.cluster.tenants import Document, condition
from tests.cluster.worlds import MakeWorld

ROOT = "CredentialSource spec.alibabaCloud"
NOTICED_SECONDS = 5.0


@dataclass(frozen=True)
class Scene:
    """A world whose operator lends nothing of its own, though its environment is full of it."""

    world: World
    operator: OperatorProcess
    own_arn: str
    listed: str
    unlisted: str


@pytest.fixture(scope="session")
def scene(make_world: MakeWorld) -> Iterator[Scene]:
    """The operator with every variable there is, on a node with a role, without the flag."""
    with make_world(providers=[Vendor.ALIBABA]) as world:
        cloud = world.alibaba
        own = cloud.create_user(name="operator", policies={"everything": EVERYTHING})
        tenant = AlibabaTenant(world, name="prepare")
        node = tenant.create_role(trusts({"Service": ["ecs.aliyuncs.com"]}), suffix="-node")
        cloud.attach_instance_role(node)
        role = tenant.create_role(trusts({"RAM": [own.user_arn]}), suffix="-lent")
        uris = [cloud.create_credentials_uri(role) for _ in range(2)]
        operator = world.operator(
            arguments=["--log-level=debug", f"--allow-credentials-uri={uris[0]}"],
            environment={
                "ALIBABA_CLOUD_ACCESS_KEY_ID": own.access_key_id,
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": own.secret_key,
                "ALIBABA_CLOUD_SECURITY_TOKEN": "planted",
                "ALIBABA_CLOUD_ROLE_ARN": role,
                "ALIBABA_CLOUD_ROLE_SESSION_NAME": "lent",
                "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": PROVIDER,
                "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/var/run/secrets/token",
                "ALIBABA_CLOUD_ECS_METADATA": node.rpartition("/")[2],
                "ALIBABA_CLOUD_CREDENTIALS_URI": uris[1],
                "ALIBABA_CLOUD_PROFILE": "lent",
                "ALIBABA_CLOUD_STS_REGION": "eu-central-1",
                "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true",
                "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00",
                "AWS_SECRET_ACCESS_KEY": "planted" * 6,
                "AWS_SESSION_TOKEN": "planted",
            },
        )
        operator.start()
        yield Scene(world, operator, own.user_arn, *uris)
        log = operator.log.read_text()
        assert "Traceback (most recent call last)" not in log
        assert [secret for secret in cloud.secrets() if secret in log] == []
        assert "planted" not in log
        # No call used the operator's own identity, its node or its environment variables.
        assert [call for call in cloud.calls() if call.principal == own.user_arn] == []
        assert cloud.calls(service="metadata") == []
        # The regions of the sources, that of the guide to Model Studio among them.
        assert {call.host for call in cloud.calls(service="sts")} <= {
            "sts.cn-hangzhou.aliyuncs.com",
            "sts.cn-beijing.aliyuncs.com",
        }
        sessions = {call.parameters.get("RoleSessionName") for call in cloud.calls()}
        assert "lent" not in sessions


@pytest.fixture
def alibaba_tenant(scene: Scene, request: pytest.FixtureRequest) -> Iterator[AlibabaTenant]:
    """A prepared namespace, which goes with the test as do faults in the cloud."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:40].strip("-")
    made = AlibabaTenant(scene.world, name=name)
    made.prepare()
    yield made
    scene.world.alibaba.clear_faults()
    scene.world.alibaba.set_clock(offset_seconds=0)
    scene.world.api.delete(f"/api/v1/namespaces/{made.namespace}")


def reported(tenant: AlibabaTenant, spec: Document, *, reason: str) -> str:
    """What source and grant say once they say that they are not Ready, for this reason."""
    tenant.apply(tenant.alibaba_source(**spec), tenant.credentials())
    messages = {
        condition(status, "Ready")["message"]
        for status in (
            tenant.source_reported("Ready", status="False", reason=reason, name="alibaba"),
            tenant.reported("Ready", status="False", reason=reason, name="credentials"),
        )
    }
    assert not tenant.has_secret("credentials")
    (message,) = messages
    return str(message)


def pasted(message: str) -> Document:
    """The first policy that a message has for a person to paste."""
    text = message[message.index('{"Version"') :]
    found: Document = json.JSONDecoder().raw_decode(text)[0]
    return found


def session_of(tenant: AlibabaTenant, *, name: str = "seed") -> dict[str, str]:
    """The variables of a session that may do everything."""
    role = tenant.create_role(suffix=f"-{name}")
    tenant.apply(
        tenant.alibaba_source(name=name, oidcRoleArn=tenant.by_token(role)),
        tenant.credentials(name=name, source=name),
    )
    tenant.ready(name=name)
    data = tenant.data(name)
    return {key: value for key, value in data.items() if key.startswith("ALIBABA_CLOUD_")}
