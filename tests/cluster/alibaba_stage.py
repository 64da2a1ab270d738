"""One world, one namespace and one operator for every way to be someone in Alibaba Cloud.

The operator's own environment is that of a user with a key of its own, and its node has a role:
only the sources that ask for these may become them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from testbed.operators import OperatorProcess
from testbed.world import Vendor, World
from tests.cluster.alibaba import EVERYTHING, AlibabaTenant, trusts
from tests.cluster.alibaba_ways import Cast, Way
from tests.cluster.worlds import MakeWorld
from tests.testbed.alibaba_sdk import Sdk

FORMATS = (
    "AlibabaEnv",
    "AlibabaRam",
    "AlibabaCliConfig",
    "AlibabaCredentialsFile",
    "AlibabaCredentialsUri",
    "AlibabaCrossplane",
    "DotEnv",
)
ENDLESS_FORMATS = tuple(
    form for form in FORMATS if form not in ("AlibabaRam", "AlibabaCredentialsUri")
)


@dataclass(frozen=True)
class Stage:
    """The namespace, its operator, its ways by name, and a real SDK beside them."""

    tenant: AlibabaTenant
    cast: Cast
    operator: OperatorProcess
    ways: dict[str, Way]
    sdk: Sdk


@contextmanager
def set_up(make_world: MakeWorld, *, session_seconds: float | None = None) -> Iterator[Stage]:
    """All sources and a grant of each, applied; at the end the log has no secret and no mistake.

    With `session_seconds` every session lasts no longer than that, except for the one that is in
    Secrets as a static one.
    """
    with make_world(providers=[Vendor.ALIBABA]) as world:
        own = world.alibaba.create_user(name="operator", policies={"everything": EVERYTHING})
        tenant = AlibabaTenant(world, name="ways")
        tenant.prepare()
        _attach_node_role(tenant)
        role = tenant.create_role(suffix="-seed")
        uri = world.alibaba.create_credentials_uri(role)
        cast = Cast(tenant, own_arn=own.user_arn, uri=uri)
        uri = world.alibaba.create_credentials_uri(cast.by_token)
        cast.uri = uri
        operator = _operator(world, own.access_key_id, own.secret_key, uri=uri)
        with Sdk(world.client_environment()) as sdk:
            _apply_all(cast, session_seconds=session_seconds)
            ways = {way.name: way for way in cast.ways()}
            yield Stage(tenant, cast, operator, ways, sdk)
        log = operator.log.read_text()
        assert "Traceback (most recent call last)" not in log
        assert [secret for secret in world.alibaba.secrets() if secret in log] == []


def _attach_node_role(tenant: AlibabaTenant) -> None:
    node = tenant.create_role(trusts({"Service": ["ecs.aliyuncs.com"]}), suffix="-node")
    tenant.world.alibaba.attach_instance_role(node)
    tenant.world.alibaba.allow_metadata_v1(allowed=False)


def _operator(world: World, key_id: str, secret: str, *, uri: str) -> OperatorProcess:
    operator = world.operator(
        arguments=[
            "--log-level=debug",
            "--allow-ambient",
            f"--allow-credentials-uri={uri.rpartition('/')[0]}/",
        ],
        environment={
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
        },
    )
    operator.start()
    return operator


def _apply_all(cast: Cast, *, session_seconds: float | None) -> None:
    tenant = cast.tenant
    annotation = {"pod-identity.alibabacloud.com/role-name": cast.by_token.rpartition("/")[2]}
    account = f"/api/v1/namespaces/{tenant.namespace}/serviceaccounts/chat-bedrock"
    tenant.patch(account, {"metadata": {"annotations": annotation}})
    by_token = {"oidcRoleArn": tenant.by_token(cast.by_token)}
    tenant.apply(
        tenant.alibaba_source(name="seed", **by_token),
        tenant.credentials(name="seed", source="seed"),
    )
    tenant.ready(name="seed")
    cast.put_secrets(tenant.data("seed"))
    tenant.world.alibaba.limit_sessions(seconds=session_seconds)
    for way in cast.ways():
        formats = FORMATS if way.ends else ENDLESS_FORMATS
        tenant.apply(
            tenant.alibaba_source(name=way.name, **way.spec),
            tenant.credentials(name=way.name, source=way.name, secret={"formats": list(formats)}),
        )


def config_of(data: dict[str, str]) -> dict[str, Any]:
    """The SDK's Config of the credentials in a Secret."""
    token = data["ALIBABA_CLOUD_SECURITY_TOKEN"]
    config = {
        "type": "sts" if token else "access_key",
        "access_key_id": data["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        "access_key_secret": data["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    }
    return config | ({"security_token": token} if token else {})
