"""The built-in kinds."""

from __future__ import annotations

from typing import Final

from testbed.clusters.embedded import columns, events, structures
from testbed.clusters.embedded.resources import Conversion, Resource

CORE_EVENTS: Final = ("", "events")


def _resource(
    group: str,
    version: str,
    kind: str,
    *short_names: str,
    namespaced: bool = True,
    has_status: bool = False,
    counts_generations: bool = False,
    conversion: Conversion | None = None,
    categories: tuple[str, ...] = (),
) -> Resource:
    singular = kind.lower()
    plural = "networkpolicies" if kind == "NetworkPolicy" else f"{singular}s"
    return Resource(
        group=group,
        version=version,
        plural=plural,
        singular=singular,
        kind=kind,
        list_kind=f"{kind}List",
        namespaced=namespaced,
        short_names=short_names,
        categories=categories,
        has_status=has_status,
        counts_generations=counts_generations,
        columns=columns.COLUMNS.get(kind, columns.PLAIN),
        ownership=structures.STRUCTURES.get(kind, structures.PLAIN),
        known_fields=structures.KNOWN_FIELDS.get(kind, frozenset()),
        conversion=conversion,
    )


def _workload(kind: str, short_name: str) -> Resource:
    return _resource(
        "apps",
        "v1",
        kind,
        short_name,
        has_status=True,
        counts_generations=True,
        categories=("all",),
    )


_RBAC: Final = "rbac.authorization.k8s.io"

BUILT_IN: Final[tuple[Resource, ...]] = (
    _resource("", "v1", "Namespace", "ns", namespaced=False, has_status=True),
    _resource("", "v1", "Secret"),
    _resource("", "v1", "ServiceAccount", "sa"),
    _resource("", "v1", "ConfigMap", "cm"),
    _resource("", "v1", "Event", "ev"),
    _resource("", "v1", "Pod", "po", has_status=True, categories=("all",)),
    _resource("", "v1", "Service", "svc", has_status=True, categories=("all",)),
    _workload("Deployment", "deploy"),
    _workload("StatefulSet", "sts"),
    _workload("DaemonSet", "ds"),
    _resource("coordination.k8s.io", "v1", "Lease"),
    _resource(
        "events.k8s.io",
        "v1",
        "Event",
        "ev",
        conversion=Conversion(stored_in=CORE_EVENTS, read=events.from_core, write=events.to_core),
    ),
    _resource(_RBAC, "v1", "Role"),
    _resource(_RBAC, "v1", "RoleBinding"),
    _resource(_RBAC, "v1", "ClusterRole", namespaced=False),
    _resource(_RBAC, "v1", "ClusterRoleBinding", namespaced=False),
    _resource(
        "policy", "v1", "PodDisruptionBudget", "pdb", has_status=True, counts_generations=True
    ),
    _resource("networking.k8s.io", "v1", "NetworkPolicy", "netpol", counts_generations=True),
    _resource(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "crd",
        "crds",
        namespaced=False,
        has_status=True,
        counts_generations=True,
        categories=("api-extensions",),
    ),
)
