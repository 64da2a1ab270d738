"""What the operator may do, by the roles in a cluster; and what it did, by the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.operators import NAMESPACE, SERVICE_ACCOUNT
from testbed.world import World
from tests.cluster.audit import OPERATOR
from tests.cluster.tenants import Document

_OWN_RIGHTS = "selfsubjectaccessreviews"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_SUBJECT = {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A verb on a resource of a group, with its subresource after a slash."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


def rights(group: str, resource: str, *verbs: str) -> frozenset[Right]:
    """Several verbs on one resource."""
    return frozenset(Right(group, resource, verb) for verb in verbs)


def granted(world: World) -> frozenset[Right]:
    """Every right that a binding gives to the operator by its name."""
    roles: dict[tuple[str, str, str], Document] = {}
    for kind, plural in (("ClusterRole", "clusterroles"), ("Role", "roles")):
        for role in world.api.get(f"{_RBAC}/{plural}")["items"]:
            metadata = role["metadata"]
            roles[kind, metadata.get("namespace", ""), metadata["name"]] = role
    found: set[Right] = set()
    for plural in ("clusterrolebindings", "rolebindings"):
        for binding in world.api.get(f"{_RBAC}/{plural}")["items"]:
            if _SUBJECT not in binding.get("subjects", []):
                continue
            kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
            namespace = binding["metadata"].get("namespace", "") if kind == "Role" else ""
            found |= set(_of(roles[kind, namespace, name]))
    return frozenset(found)


def _of(role: Document) -> Iterator[Right]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield Right(group, resource, verb)


@dataclass(frozen=True, slots=True)
class Used:
    """What was asked for and answered, and each request that was refused, in words."""

    rights: frozenset[Right]
    refused: tuple[str, ...]


def used(audit_log: Path) -> Used:
    """All that the operator has asked for since the cluster's start.

    A watch is logged when it ends. A server-side apply that created the object (201) has
    used the right to create it as well.
    """
    found: set[Right] = set()
    refused = []
    with audit_log.open("rb") as log:
        for line in log:
            event = json.loads(line)
            if event["user"]["username"] != OPERATOR:
                continue
            reference = event.get("objectRef", {})
            if reference.get("resource", _OWN_RIGHTS) == _OWN_RIGHTS:
                continue  # discovery, and questions about its own rights: anybody may ask
            resource = "/".join(filter(None, map(reference.get, ("resource", "subresource"))))
            right = Right(reference.get("apiGroup", ""), resource, event["verb"])
            code = event["responseStatus"]["code"]
            if code in (401, 403):
                refused.append(f"{right}: {event['requestURI']}")
                continue
            found.add(right)
            if right.verb == "patch" and code == 201:
                found.add(Right(right.group, right.resource, "create"))
    return Used(frozenset(found), tuple(refused))
