"""Scrapes of /metrics where the cluster's own RBAC decides who may."""

from __future__ import annotations

import ssl
from contextlib import closing
from http.client import HTTPSConnection

from testbed.operators import NAMESPACE
from testbed.world import World

_ACCOUNTS = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"


def scrape(port: int, token: str | None) -> tuple[int, str]:
    """Status and text of /metrics, as Prometheus asks with insecureSkipVerify."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with closing(HTTPSConnection("127.0.0.1", port, timeout=10, context=context)) as connection:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def token_of(world: World, name: str, *, reader: bool = False) -> str:
    """The token of a new ServiceAccount, bound to the shipped role where it is a reader."""
    metadata = {"name": name, "namespace": NAMESPACE}
    world.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    if reader:
        world.api.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "keywright-metrics-reader",
                },
                "subjects": [{"kind": "ServiceAccount", **metadata}],
            }
        )
    answer = world.api.request(
        "POST",
        f"{_ACCOUNTS}/{name}/token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )
    token: str = answer["status"]["token"]
    return token
