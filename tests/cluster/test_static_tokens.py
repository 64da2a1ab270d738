"""A static session token without a reported expiry: it is verified periodically."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.world import Vendor
from tests.cluster.alibaba import AlibabaTenant
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Document, condition
from tests.cluster.worlds import MakeWorld

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
_KEYS = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")


@pytest.fixture(scope="module")
def tenant(make_world: MakeWorld) -> Iterator[AlibabaTenant]:
    """A namespace whose operator tries static credentials every two seconds."""
    with make_world(providers=[Vendor.ALIBABA]) as world:
        operator = world.operator(
            arguments=(*DEBUG, "--verify-interval=2s", "--verify-spread=1s"),
        )
        operator.start()
        made = AlibabaTenant(world, name="static")
        made.prepare()
        yield made


def seeded(tenant: AlibabaTenant, name: str) -> dict[str, str]:
    """A session that another user has opened, as environment variables."""
    role = tenant.create_role(suffix=f"-{name}")
    tenant.apply(
        tenant.alibaba_source(name=name, oidcRoleArn=tenant.by_token(role)),
        tenant.credentials(name=name, source=name),
    )
    tenant.ready(name=name)
    data = tenant.data(name)
    return {f"ALIBABA_CLOUD_{key}": data[f"ALIBABA_CLOUD_{key}"] for key in _KEYS}


def reason(status: Document) -> str:
    """Status and reason of Ready."""
    found = condition(status, "Ready")
    return f"{found.get('status')} {found.get('reason')}"


@pytest.mark.parametrize("way", ["sts", "profile"])
def test_a_token_that_has_ended_is_reported(tenant: AlibabaTenant, way: str) -> None:
    """Source and grant say Ready until the real end, and no longer; a new token heals both."""
    token = seeded(tenant, f"{way}-seed")
    secret, name = f"{way}-token", f"{way}-static"
    identity: Document = {"secretRef": {"name": secret}}
    if way == "profile":
        identity |= {"format": "CredentialsFile", "name": "default"}
    tenant.create_released_secret(name=secret, **entries(way, token))
    tenant.apply(
        tenant.alibaba_source(name=name, **{way: identity}),
        tenant.credentials(name=name, source=name),
    )
    tenant.ready(name=name)
    reported = tenant.source_reported("Ready", name=name)
    assert "The expiry of this session token is unknown" in condition(reported, "Ready")["message"]
    tenant.world.alibaba.revoke_session(token["ALIBABA_CLOUD_ACCESS_KEY_ID"])
    eventually(lambda: reason(tenant.source_status(name)).startswith("False "), seconds=30)
    eventually(lambda: reason(tenant.status(name)) == "False Expired", seconds=30)
    another = seeded(tenant, f"{way}-another")
    tenant.patch(tenant.secret_path(secret), {"stringData": entries(way, another)})
    tenant.ready(name=name, seconds=60)
    tenant.source_reported("Ready", name=name)
    key_id = "ALIBABA_CLOUD_ACCESS_KEY_ID"
    assert tenant.data(name)[key_id] == another[key_id]


def entries(way: str, token: dict[str, str]) -> dict[str, str]:
    """The Secret's data, as the identity reads it."""
    if way == "sts":
        return token
    key_id, secret, session = (token[f"ALIBABA_CLOUD_{key}"] for key in _KEYS)
    lines = (
        *("[default]", "enable = true", "type = sts", f"access_key_id = {key_id}"),
        *(f"access_key_secret = {secret}", f"security_token = {session}"),
    )
    return {"credentials": "\n".join(lines)}
