"""The object and the verb of a request's path and method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from testbed.clusters.embedded.documents import Document

_CORE_PARTS: Final = 2
_GROUP_PARTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path below a served group and version."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def object_ref(self) -> Document:
        """The reference in audit events."""
        members = {
            "resource": self.plural,
            "namespace": self.namespace,
            "name": self.name,
            "apiGroup": self.group,
            "apiVersion": self.version,
            "subresource": self.subresource,
        }
        return {key: value for key, value in members.items() if value}


def parse_route(path: str) -> Route | None:
    """The route of a path; None if it is not the path of a resource."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > _CORE_PARTS:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > _GROUP_PARTS:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if (
        rest[0] == "namespaces"
        and len(rest) > 2
        and (group or rest[2] not in {"status", "finalize"})
    ):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    if not group and plural == "namespaces" and name:
        namespace = ""
    return Route(
        group=group,
        version=version,
        plural=plural,
        namespace=namespace,
        name=name,
        subresource=subresource,
    )


def verb_of(method: str, route: Route | None, *, watching: bool) -> str:
    """The verb in RBAC and audit events."""
    if route is None:
        return method.lower()
    match method:
        case "GET" if watching:
            return "watch"
        case "GET" if route.name:
            return "get"
        case "GET":
            return "list"
        case "DELETE" if not route.name:
            return "deletecollection"
        case _:
            return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
                method, method.lower()
            )
