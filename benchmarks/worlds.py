"""The environment of the measurements: namespaces with a source each, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.clients import Name
from testbed.clusters.controlplane import ControlPlaneCluster, Memory
from testbed.operators import NAMESPACE, SERVICE_ACCOUNT, OperatorProcess
from testbed.world import CRDS, World

_NAMESPACES = 10
_SESSION = "12h"
_ROOMY = Memory(growth=1600, gibibytes=4)


@contextmanager
def measured_world(
    *, audit: bool = False, namespaces: int = _NAMESPACES, roomy: bool = False
) -> Iterator[World]:
    """An environment, ready for grants in `names`; the audit log is off unless it is measured.

    `roomy` gives the API server memory, which it would otherwise save by processor time.
    """
    memory = _ROOMY if roomy else Memory()
    with World(partial(ControlPlaneCluster, crds=CRDS, audit=audit, memory=memory)) as world:
        furnish(world, namespaces=namespaces)
        yield world


def furnish(world: World, *, namespaces: int = _NAMESPACES) -> None:
    """Create the namespaces with their sources, and the roles of these in the cloud."""
    for number in range(namespaces):
        for document in _namespace(f"bench-{number}"):
            world.api.apply(document)
        world.create_role(name=f"bench-{number}", namespace=f"bench-{number}")


def names(prefix: str, count: int, *, namespaces: int = _NAMESPACES) -> list[Name]:
    """That many names, spread over the namespaces."""
    return [(f"bench-{number % namespaces}", f"{prefix}-{number}") for number in range(count)]


def control_plane(world: World) -> ControlPlaneCluster:
    """The cluster, with the figures of its processes."""
    assert isinstance(world.cluster, ControlPlaneCluster)
    return world.cluster


def quiet_operator(world: World) -> OperatorProcess:
    """An operator that logs warnings only, as it would run at such a load."""
    return world.operator(arguments=["--log-level=warning"])


def _namespace(name: str) -> Iterator[dict[str, Any]]:
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    account = "chat-bedrock"
    yield {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"namespace": name, "name": account},
    }
    access = {"namespace": name, "name": "keywright-token"}
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": access,
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["serviceaccounts/token"],
                "resourceNames": [account],
                "verbs": ["create"],
            }
        ],
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": access,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "keywright-token",
        },
        "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}],
    }
    yield {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "CredentialSource",
        "metadata": {"namespace": name, "name": "bedrock"},
        "spec": {
            "aws": {
                "region": "us-west-2",
                "webIdentity": {
                    "serviceAccountRef": {"name": account},
                    "roleArn": f"arn:aws:iam::123456789012:role/{name}",
                    "sessionDuration": _SESSION,
                },
            }
        },
    }
