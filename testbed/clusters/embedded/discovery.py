"""Discovery, aggregated and plain, and OpenAPI v3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.resources import VERBS, Registry, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.clusters.embedded.documents import Document

_STATUS_VERBS: Final = ["get", "patch", "update"]
AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovery:
    """The documents about the kinds in a registry."""

    def __init__(self, registry: Registry, *, address: str) -> None:
        self._registry = registry
        self._address = address

    def _groups(self) -> dict[str, dict[str, list[Resource]]]:
        groups: dict[str, dict[str, list[Resource]]] = {}
        for item in self._registry:
            if item.group:
                groups.setdefault(item.group, {}).setdefault(item.version, []).append(item)
        return groups

    def _core(self) -> list[Resource]:
        return [item for item in self._registry if not item.group]

    def aggregated(self, *, core: bool) -> Document:
        """`/api` or `/apis` in one document, including all resources."""
        items: list[Document]
        if core:
            items = [{"metadata": {}, "versions": [_version("v1", self._core())]}]
        else:
            items = [
                {
                    "metadata": {"name": group},
                    "versions": [_version(name, served) for name, served in versions.items()],
                }
                for group, versions in self._groups().items()
            ]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }

    def api_versions(self) -> Document:
        """Plain `/api`."""
        client = {"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [client]}

    def groups(self) -> Document:
        """Plain `/apis`."""
        groups = [_group(name, versions) for name, versions in self._groups().items()]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def group(self, name: str) -> Document | None:
        """Plain `/apis/GROUP`."""
        versions = self._groups().get(name)
        if versions is None:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}

    def resources(self, group: str, version: str) -> Document:
        """Plain `/apis/GROUP/VERSION`, or `/api/v1`."""
        served = [item for item in self._registry if (item.group, item.version) == (group, version)]
        resources: list[Document] = []
        for item in served:
            resources.append(_resource(item))
            for name, verbs in _subresources(item):
                resources.append(
                    {
                        "name": f"{item.plural}/{name}",
                        "singularName": "",
                        "namespaced": item.namespaced,
                        "kind": item.kind,
                        "verbs": verbs,
                    }
                )
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": resources,
        }

    def openapi_index(self) -> Document:
        """`/openapi/v3`."""
        paths = sorted({_root(item) for item in self._registry})
        return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}

    def openapi(self, root: str) -> Document | None:
        """`/openapi/v3/apis/GROUP/VERSION`.

        The schemas are those of the custom kinds. The paths tell kubectl that the server itself
        validates fields; otherwise kubectl would need the schemas of all built-in kinds.
        """
        served = [item for item in self._registry if _root(item) == root]
        if not served:
            return None
        paths: Document = {}
        schemas: Document = {}
        for item in served:
            paths |= _openapi_paths(item)
            if item.openapi is not None:
                schemas[_schema_name(item)] = {
                    **item.openapi,
                    "x-kubernetes-group-version-kind": [_group_version_kind(item)],
                }
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "embedded"},
            "paths": paths,
            "components": {"schemas": schemas},
        }


def _version(name: str, served: Iterable[Resource]) -> Document:
    resources = []
    for item in served:
        kind = {"group": item.group, "version": item.version, "kind": item.kind}
        described: Document = {
            "resource": item.plural,
            "responseKind": kind,
            "scope": "Namespaced" if item.namespaced else "Cluster",
            "singularResource": item.singular,
            "verbs": list(VERBS),
        }
        if item.short_names:
            described["shortNames"] = list(item.short_names)
        if item.categories:
            described["categories"] = list(item.categories)
        if below := _subresources(item):
            described["subresources"] = [
                {"subresource": each, "responseKind": kind, "verbs": verbs} for each, verbs in below
            ]
        resources.append(described)
    return {"version": name, "resources": resources, "freshness": "Current"}


def _subresources(item: Resource) -> list[tuple[str, list[str]]]:
    below = [("status", _STATUS_VERBS)] if item.has_status else []
    if item.kind == "ServiceAccount":
        below.append(("token", ["create"]))
    return below


def _resource(item: Resource) -> Document:
    described: Document = {
        "name": item.plural,
        "singularName": item.singular,
        "namespaced": item.namespaced,
        "kind": item.kind,
        "verbs": list(VERBS),
    }
    if item.short_names:
        described["shortNames"] = list(item.short_names)
    if item.categories:
        described["categories"] = list(item.categories)
    return described


def _group(name: str, versions: dict[str, list[Resource]]) -> Document:
    listed = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _root(item: Resource) -> str:
    return f"apis/{item.group}/{item.version}" if item.group else f"api/{item.version}"


def _group_version_kind(item: Resource) -> Document:
    return {"group": item.group, "version": item.version, "kind": item.kind}


def _schema_name(item: Resource) -> str:
    return f"{'.'.join(reversed(item.group.split('.')))}.{item.version}.{item.kind}"


def _openapi_paths(item: Resource) -> Document:
    below = f"namespaces/{{namespace}}/{item.plural}" if item.namespaced else item.plural
    operation = {
        "parameters": [
            {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}},
            {"name": "dryRun", "in": "query", "schema": {"type": "string"}},
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": _group_version_kind(item),
    }
    return {
        f"/{_root(item)}/{below}/{{name}}": {
            "patch": {**operation, "x-kubernetes-action": "patch"},
            "put": {**operation, "x-kubernetes-action": "put"},
        },
        f"/{_root(item)}/{below}": {"post": {**operation, "x-kubernetes-action": "post"}},
    }
