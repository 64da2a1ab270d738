"""The structure of the built-in kinds, as far as merging and field ownership need it.

Kubernetes has these as comments in its Go types. Here they are fragments of schemas with the same
extensions that a CustomResourceDefinition uses; `struct` marks a plain Go struct, which counts as
always present.
"""

from __future__ import annotations

from typing import Final

from testbed.clusters.embedded.documents import Document


def _keyed(*keys: str, **properties: Document) -> Document:
    return {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
        "items": {"type": "object", "properties": properties},
    }


def _struct(**properties: Document) -> Document:
    return {"type": "object", "struct": True, "properties": properties}


_SET: Final[Document] = {"type": "array", "x-kubernetes-list-type": "set"}
_ATOMIC: Final[Document] = {"type": "object", "x-kubernetes-map-type": "atomic"}
_LEAF: Final[Document] = {"type": "string", "default": "TCP"}

_OWNERS: Final[Document] = {**_keyed("uid"), "items": _ATOMIC}

METADATA: Final = _struct(ownerReferences=_OWNERS, finalizers=_SET)

_CONTAINERS: Final = _keyed(
    "name",
    env=_keyed("name"),
    ports=_keyed("containerPort", "protocol", protocol=_LEAF),
    volumeMounts=_keyed("mountPath"),
    volumeDevices=_keyed("devicePath"),
)
_POD: Final = _struct(
    containers=_CONTAINERS,
    initContainers=_CONTAINERS,
    volumes=_keyed("name"),
    imagePullSecrets=_keyed("name"),
    hostAliases=_keyed("ip"),
    topologySpreadConstraints=_keyed("topologyKey", "whenUnsatisfiable"),
    nodeSelector=_ATOMIC,
)
_WORKLOAD: Final = _struct(
    metadata=METADATA,
    spec=_struct(
        selector=_ATOMIC,
        strategy=_struct(),
        template=_struct(metadata=METADATA, spec=_POD),
    ),
    status=_struct(conditions=_keyed("type")),
)

PLAIN: Final = _struct(metadata=METADATA, spec=_struct(), status=_struct(conditions=_keyed("type")))

STRUCTURES: Final[dict[str, Document]] = {
    "Deployment": _WORKLOAD,
    "StatefulSet": _WORKLOAD,
    "DaemonSet": _WORKLOAD,
    "Pod": _struct(metadata=METADATA, spec=_POD, status=_struct(conditions=_keyed("type"))),
    "Service": _struct(
        metadata=METADATA,
        spec=_struct(selector=_ATOMIC, ports=_keyed("port", "protocol", protocol=_LEAF)),
        status=_struct(conditions=_keyed("type")),
    ),
    "ServiceAccount": _struct(
        metadata=METADATA, secrets=_keyed("name"), imagePullSecrets=_keyed("name")
    ),
    "Event": _struct(metadata=METADATA, involvedObject=_ATOMIC, regarding=_ATOMIC, source=_ATOMIC),
    "NetworkPolicy": _struct(metadata=METADATA, spec=_struct(podSelector=_ATOMIC)),
    "PodDisruptionBudget": _struct(metadata=METADATA, spec=_struct(selector=_ATOMIC)),
    "ClusterRoleBinding": _struct(metadata=METADATA, roleRef=_ATOMIC),
    "RoleBinding": _struct(metadata=METADATA, roleRef=_ATOMIC),
    "CustomResourceDefinition": _struct(
        metadata=METADATA,
        spec=_struct(names=_struct()),
        status=_struct(conditions=_keyed("type"), acceptedNames=_struct()),
    ),
}

KNOWN_FIELDS: Final[dict[str, frozenset[str]]] = {
    "Secret": frozenset({"data", "stringData", "type", "immutable"}),
    "ConfigMap": frozenset({"data", "binaryData", "immutable"}),
    "ServiceAccount": frozenset({"secrets", "imagePullSecrets", "automountServiceAccountToken"}),
    "Namespace": frozenset({"spec", "status"}),
    "Lease": frozenset({"spec"}),
    "Deployment": frozenset({"spec", "status"}),
    "StatefulSet": frozenset({"spec", "status"}),
    "DaemonSet": frozenset({"spec", "status"}),
    "Pod": frozenset({"spec", "status"}),
    "Service": frozenset({"spec", "status"}),
    "Role": frozenset({"rules"}),
    "ClusterRole": frozenset({"rules", "aggregationRule"}),
    "RoleBinding": frozenset({"subjects", "roleRef"}),
    "ClusterRoleBinding": frozenset({"subjects", "roleRef"}),
    "NetworkPolicy": frozenset({"spec"}),
    "PodDisruptionBudget": frozenset({"spec", "status"}),
    "CustomResourceDefinition": frozenset({"spec", "status"}),
}
"""Top-level fields; a kind that is not listed accepts any."""
