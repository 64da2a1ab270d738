"""Whether Roles and bindings among the manifests give the operator a right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keywright.cli.inventory import Inventory
from keywright.cli.kustomizations import Placed
from keywright.cli.manifests import list_of, mapping_of, texts_of


@dataclass(frozen=True, slots=True)
class Access:
    """A request to the Kubernetes API that the operator has to be allowed."""

    group: str
    resource: str
    verbs: frozenset[str]
    name: str | None


SHIPPED_CLUSTER_ROLES: Final[Mapping[str, tuple[Access, ...]]] = {
    "keywright-rollouts": tuple(
        Access(group, resource, frozenset({"get", "list", "patch"}), None)
        for group, resource in (
            ("apps", "deployments"),
            ("apps", "statefulsets"),
            ("apps", "daemonsets"),
            ("argoproj.io", "rollouts"),
        )
    ),
    "keywright-tokens-of-any-serviceaccount": (
        Access("", "serviceaccounts/token", frozenset({"create"}), None),
    ),
    "keywright": (),
}
"""The ClusterRoles of the installation, which users bind without having them in their folder."""


def is_allowed(
    inventory: Inventory, access: Access, *, operator: tuple[str, str], beside: Placed
) -> bool:
    """Whether bindings among the manifests allow the operator an access in a namespace.

    A ClusterRole that is neither shipped nor among the manifests may allow anything.
    """
    for binding in inventory.bindings_in(beside.namespace):
        if not inventory.together(binding, beside):
            continue
        subjects = list_of(binding.manifest.body.get("subjects"))
        if not any(_is_operator(mapping_of(subject), operator) for subject in subjects):
            continue
        reference = mapping_of(binding.manifest.body.get("roleRef"))
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        namespace = None if kind == "ClusterRole" else binding.namespace
        roles = [
            placed
            for placed in inventory.named_in(kind, name, namespace)
            if inventory.together(placed, beside)
        ]
        rules = [rule for role in roles for rule in list_of(role.manifest.body.get("rules"))]
        if any(_covers(mapping_of(rule), access) for rule in rules):
            return True
        if kind == "ClusterRole" and not roles:
            shipped = SHIPPED_CLUSTER_ROLES.get(name)
            if shipped is None or any(_includes(each, access) for each in shipped):
                return True
    return False


def _is_operator(subject: Mapping[str, Any], operator: tuple[str, str]) -> bool:
    namespace, name = operator
    match subject.get("kind"):
        case "ServiceAccount":
            return (subject.get("namespace"), subject.get("name")) == operator
        case "Group":
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
            return subject.get("name") in groups
        case "User":
            return subject.get("name") == f"system:serviceaccount:{namespace}:{name}"
        case _:
            return False


def _covers(rule: Mapping[str, Any], access: Access) -> bool:
    names = list_of(rule.get("resourceNames"))
    verbs = texts_of(rule.get("verbs"))
    return (
        bool({access.group, "*"} & texts_of(rule.get("apiGroups")))
        and bool({access.resource, "*"} & texts_of(rule.get("resources")))
        and (access.verbs <= verbs or "*" in verbs)
        and (not names or access.name in names)
    )


def _includes(shipped: Access, access: Access) -> bool:
    return (shipped.group, shipped.resource) == (
        access.group,
        access.resource,
    ) and access.verbs <= shipped.verbs
