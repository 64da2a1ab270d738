"""Columns of the tables that `kubectl get` prints, for the built-in kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.documents import Document, Value, metadata_of
from testbed.clusters.embedded.durations import age
from testbed.clusters.embedded.resources import Column

if TYPE_CHECKING:
    from collections.abc import Callable

NAME: Final = Column(
    name="Name",
    format="name",
    cell=lambda item: metadata_of(item).get("name", ""),
    description="Name must be unique within a namespace. Is required when creating resources, "
    "although some resources may allow a client to request the generation of an appropriate name "
    "automatically. Name is primarily intended for creation idempotence and configuration "
    "definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
)
AGE: Final = Column(name="Age", cell=lambda item: age(metadata_of(item).get("creationTimestamp")))
_CREATED: Final = Column(
    name="Created At",
    type="date",
    cell=lambda item: metadata_of(item).get("creationTimestamp"),
)


def at(*path: str, default: Value = None) -> Callable[[Document], Value]:
    """A cell that reads a member; `default` if it is absent."""

    def read(item: Document) -> Value:
        value: Value = item
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None else value

    return read


def _count(*names: str) -> Callable[[Document], Value]:
    return lambda item: str(sum(len(item.get(name) or {}) for name in names))


def _ready(item: Document) -> str:
    ready = at("status", "readyReplicas", default=0)(item)
    return f"{ready}/{at('spec', 'replicas', default=1)(item)}"


def _last_seen(item: Document) -> str:
    series = at("series", "lastObservedTime")(item)
    return age(series or item.get("lastTimestamp") or item.get("eventTime"))


def _first_seen(item: Document) -> str:
    return age(item.get("firstTimestamp") or item.get("eventTime"))


def _object(item: Document) -> str:
    about = item.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _source(item: Document) -> str:
    source = item.get("source") or {}
    parts = (source.get("component"), source.get("host"))
    return ", ".join(part for part in parts if part) or item.get("reportingComponent") or ""


def _role(item: Document) -> str:
    role = item.get("roleRef") or {}
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _subjects(kind: str) -> Callable[[Document], Value]:
    def names(item: Document) -> str:
        found = [one for one in item.get("subjects") or () if one.get("kind") == kind]
        return ", ".join(
            f"{one['namespace']}/{one['name']}" if kind == "ServiceAccount" else one["name"]
            for one in found
        )

    return names


def _ports(item: Document) -> str:
    ports = at("spec", "ports", default=[])(item)
    return ",".join(f"{one['port']}/{one.get('protocol', 'TCP')}" for one in ports) or "<none>"


def _conditions(kind: str) -> Callable[[Document], Value]:
    def true(item: Document) -> bool:
        conditions = at("status", "conditions", default=[])(item)
        return any(one["type"] == kind and one["status"] == "True" for one in conditions)

    return true


def _versions(item: Document) -> str:
    return ",".join(
        f"{one['name']}(storage)" if one.get("storage") else one["name"]
        for one in item["spec"]["versions"]
    )


def _number(name: str, *path: str) -> Column:
    return Column(name=name, type="integer", cell=at(*path, default=0))


_BINDING: Final = (
    NAME,
    Column(name="Role", cell=_role),
    AGE,
    Column(name="Users", cell=_subjects("User"), priority=1),
    Column(name="Groups", cell=_subjects("Group"), priority=1),
    Column(name="ServiceAccounts", cell=_subjects("ServiceAccount"), priority=1),
)

PLAIN: Final = (NAME, AGE)

COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "Secret": (
        NAME,
        Column(name="Type", cell=at("type", default="")),
        Column(name="Data", cell=_count("data")),
        AGE,
    ),
    "ConfigMap": (NAME, Column(name="Data", cell=_count("data", "binaryData")), AGE),
    "Namespace": (NAME, Column(name="Status", cell=at("status", "phase", default="")), AGE),
    "Event": (
        Column(name="Last Seen", cell=_last_seen),
        Column(name="Type", cell=at("type", default="")),
        Column(name="Reason", cell=at("reason", default="")),
        Column(name="Object", cell=_object),
        Column(name="Subobject", cell=at("involvedObject", "fieldPath", default=""), priority=1),
        Column(name="Source", cell=_source, priority=1),
        Column(name="Message", cell=lambda item: str(item.get("message", "")).strip()),
        Column(name="First Seen", cell=_first_seen, priority=1),
        Column(name="Count", cell=lambda item: str(item.get("count") or 1), priority=1),
        Column(name="Name", format="name", cell=at("metadata", "name"), priority=1),
    ),
    "Pod": (
        NAME,
        Column(name="Ready", cell=lambda item: f"0/{len(at('spec', 'containers')(item) or ())}"),
        Column(name="Status", cell=at("status", "phase", default="")),
        Column(name="Restarts", cell=lambda _: "0"),
        AGE,
    ),
    "Service": (
        NAME,
        Column(name="Type", cell=at("spec", "type", default="ClusterIP")),
        Column(name="Cluster-IP", cell=at("spec", "clusterIP", default="<none>")),
        Column(name="External-IP", cell=lambda _: "<none>"),
        Column(name="Port(s)", cell=_ports),
        AGE,
    ),
    "Deployment": (
        NAME,
        Column(name="Ready", cell=_ready),
        Column(name="Up-to-date", cell=at("status", "updatedReplicas", default=0)),
        Column(name="Available", cell=at("status", "availableReplicas", default=0)),
        AGE,
    ),
    "StatefulSet": (NAME, Column(name="Ready", cell=_ready), AGE),
    "DaemonSet": (
        NAME,
        _number("Desired", "status", "desiredNumberScheduled"),
        _number("Current", "status", "currentNumberScheduled"),
        _number("Ready", "status", "numberReady"),
        AGE,
    ),
    "Lease": (NAME, Column(name="Holder", cell=at("spec", "holderIdentity", default="")), AGE),
    "Role": (NAME, _CREATED),
    "ClusterRole": (NAME, _CREATED),
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "PodDisruptionBudget": (
        NAME,
        Column(name="Min Available", cell=at("spec", "minAvailable", default="N/A")),
        Column(name="Max Unavailable", cell=at("spec", "maxUnavailable", default="N/A")),
        _number("Allowed Disruptions", "status", "disruptionsAllowed"),
        AGE,
    ),
    "CustomResourceDefinition": (
        NAME,
        Column(name="Scope", cell=at("spec", "scope")),
        Column(name="Versions", cell=_versions),
        _CREATED,
        Column(name="Group", cell=at("spec", "group"), priority=1),
        Column(name="Kind", cell=at("spec", "names", "kind"), priority=1),
        Column(
            name="ShortNames",
            cell=lambda item: ",".join(item["spec"]["names"].get("shortNames") or ()),
            priority=1,
        ),
        Column(name="Established", type="boolean", cell=_conditions("Established"), priority=1),
    ),
}
