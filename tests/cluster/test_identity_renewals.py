"""Every identity of AWS, through three renewals, with continuous calls of a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.readers import PollingReader
from testbed.world import World
from tests.cluster.anywhere import Anywhere
from tests.cluster.chains import EVERYTHING, apply_chain, roles
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Tenant
from tests.cluster.worlds import MakeWorld

_SESSION_SECONDS = 10
_RENEWALS = 3
_SECRET = "cloud-key"


@pytest.fixture
def lent(make_world: MakeWorld) -> Iterator[tuple[World, str]]:
    """A world whose operator has an identity of its own and lends it; the ARN of that user."""
    with make_world() as world:
        own = world.aws.create_user(name="operator", policies={"everything": EVERYTHING})
        world.operator(
            arguments=["--allow-ambient"],
            environment={
                "AWS_ACCESS_KEY_ID": own.access_key_id,
                "AWS_SECRET_ACCESS_KEY": own.secret_key,
            },
            fork="keywright",
        ).start()
        world.aws.limit_sessions(seconds=_SESSION_SECONDS)
        yield world, own.user_arn


def _key_of(tenant: Tenant) -> str:
    """A user with an access key in a Secret of the tenant; its ARN."""
    user = tenant.world.aws.create_user(name=tenant.namespace, policies={"everything": EVERYTHING})
    tenant.create_secret(
        name=_SECRET,
        AWS_ACCESS_KEY_ID=user.access_key_id,
        AWS_SECRET_ACCESS_KEY=user.secret_key,
    )
    return user.user_arn


def _web_identity(tenant: Tenant, _: str) -> None:
    tenant.apply_source()


def _chain_of_two(tenant: Tenant, _: str) -> None:
    apply_chain(tenant, [{"roleArn": arn} for arn in roles(tenant, count=2)])


def _access_key(tenant: Tenant, _: str) -> None:
    _key_of(tenant)
    apply_chain(tenant, [], accessKey={"secretRef": {"name": _SECRET}})


def _access_key_and_role(tenant: Tenant, _: str) -> None:
    (far,) = roles(tenant, count=1, first=_key_of(tenant))
    apply_chain(tenant, [{"roleArn": far}], accessKey={"secretRef": {"name": _SECRET}})


def _ambient(tenant: Tenant, _: str) -> None:
    apply_chain(tenant, [], ambient={})


def _ambient_and_role(tenant: Tenant, own: str) -> None:
    (far,) = roles(tenant, count=1, first=own)
    apply_chain(tenant, [{"roleArn": far}], ambient={})


def _roles_anywhere(tenant: Tenant, _: str) -> None:
    anywhere = Anywhere(tenant)
    anywhere.put(anywhere.issue())
    anywhere.apply()


WAYS: dict[str, Callable[[Tenant, str], None]] = {
    "web-identity": _web_identity,
    "chain-of-two": _chain_of_two,
    "access-key": _access_key,
    "access-key-and-role": _access_key_and_role,
    "roles-anywhere": _roles_anywhere,
    "ambient": _ambient,
    "ambient-and-role": _ambient_and_role,
}
# No session limits their keys: they are renewed on request.
_WITHOUT_END = {"access-key", "ambient"}


@pytest.mark.long
@pytest.mark.timeout(240)
def test_three_renewals_of_every_identity(lent: tuple[World, str], tmp_path: Path) -> None:
    """No call is refused, whatever the identity; the Secret is deleted with its grant."""
    world, own = lent
    tenants: dict[str, Tenant] = {}
    with ExitStack() as readers:
        calling: dict[str, PollingReader] = {}
        for way, apply in WAYS.items():
            tenant = tenants[way] = Tenant(world, name=way)
            tenant.prepare()
            apply(tenant, own)
            tenant.apply_grant()
            tenant.ready()
            calling[way] = readers.enter_context(_reader(tenant, tmp_path / way))
        for revision in range(2, _RENEWALS + 2):
            for way in _WITHOUT_END:
                requested = datetime.now(UTC).isoformat()
                tenants[way].annotate_grant(**{"keywright.dev/renew-requested-at": requested})
                tenants[way].revision(revision)
        last = str(_RENEWALS + 1)
        for reader in calling.values():
            reader.wait_until(
                lambda seen: bool(seen) and int(seen[-1].revision or 0) >= int(last), seconds=60
            )
    for way, reader in calling.items():
        assert reader.failures() == [], way
    for tenant in tenants.values():
        world.api.delete(tenant.grant_path())
    eventually(lambda: not any(tenant.has_secret() for tenant in tenants.values()))


def _reader(tenant: Tenant, directory: Path) -> PollingReader:
    return PollingReader(
        directory,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=GRANT,
        cloud_environment=tenant.world.aws.client_environment(),
        clients=("http-converse",),
    )
