"""A second cluster that uses the same account of the cloud, with what was restored into it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.operators import NAMESPACE
from testbed.world import AUDIENCE, Vendor, World
from tests.cluster.gateway import ORDERS, GatewayTenant
from tests.cluster.restores import FILE, Cell, Row, without_server_fields
from tests.cluster.tenants import SOURCE
from tests.cluster.worlds import MakeWorld

_KEY = f"/api/v1/namespaces/{NAMESPACE}/secrets/keywright-fingerprint-key"
_ACCOUNTS = {SOURCE: "chat-bedrock", ORDERS: "orders-aws"}
TAKE_OVER = "keywright.dev/take-over"


def cluster_id(world: World) -> str:
    """The uid of kube-system."""
    uid: str = world.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return uid


@contextmanager
def second_cluster(
    make_world: MakeWorld, first: World, *, with_key: bool = True
) -> Iterator[World]:
    """Another control plane beside the same cloud, with the first one's fingerprint key or not."""
    with make_world(()) as world:
        # The cloud is the first one's, and ends with it.
        world.aws = first.aws
        world.providers = frozenset({Vendor.AWS})
        try:
            world.aws.create_identity_provider(
                issuer=world.cluster.issuer,
                client_ids=[AUDIENCE],
                ca_file=world.cluster.ca_file,
            )
            if with_key:
                world.api.create(without_server_fields(first.api.get(_KEY)))
            yield world
        finally:
            world.providers = frozenset()


def restored_into(world: World, cell: Cell, row: Row) -> Cell:
    """The cell as it is restored into that cluster, with its namespace and source."""
    tenant = copy.copy(cell.tenant)
    tenant.world = world
    source = ORDERS if isinstance(tenant, GatewayTenant) else SOURCE
    path = tenant.source_path(source)
    if not world.api.exists(path):
        _prepare(cell, world, source=source)
    if cell.kind == FILE:
        secret = f"/api/v1/namespaces/{tenant.namespace}/secrets/{cell.name}-input"
        world.api.create(without_server_fields(cell.tenant.world.api.get(secret)))
    found = Cell(cell.kind, cell.name, tenant, secret=cell.secret, grant=cell.grant)
    found.restore(row, world)
    return found


def _prepare(cell: Cell, world: World, *, source: str) -> None:
    """Namespace, ServiceAccount, token access and source, and a role that trusts both clusters."""
    tenant, first = cell.tenant, cell.tenant.world
    namespace = {"name": tenant.namespace}
    world.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
    account = _ACCOUNTS[source]
    base = f"/api/v1/namespaces/{tenant.namespace}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant.namespace}"
    world.api.create(without_server_fields(first.api.get(f"{base}/serviceaccounts/{account}")))
    for kind in ("roles", "rolebindings"):
        for item in first.api.get(f"{rbac}/{kind}")["items"]:
            body = {"apiVersion": "rbac.authorization.k8s.io/v1", **item}
            world.api.create(
                {"kind": kind[:-1].title().replace("binding", "Binding")}
                | without_server_fields(body)
            )
    world.api.create(without_server_fields(first.api.get(tenant.source_path(source))))
    policies = [
        each.trust_policy(namespace=tenant.namespace, service_account=account)
        for each in (first, world)
    ]
    policies[0]["Statement"] += policies[1]["Statement"]
    first.aws.put_trust_policy(name=tenant.role, trust_policy=policies[0])
