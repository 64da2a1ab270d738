"""Which Secrets the pods of a workload read: as environment variables or as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from keywright.cli.manifests import Manifest, list_of, mapping_of

Path = tuple[str | int, ...]

_TEMPLATES: Final[tuple[Path, ...]] = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
)
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")


class ReadMode(StrEnum):
    """How pods read a Secret."""

    ENVIRONMENT = "environment"  # read once, at the start of the container
    FILE = "file"  # updated by the kubelet
    FIXED_FILE = "fixed file"  # mounted with subPath: never updated


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One read of a Secret; `key` is None for all keys.

    `path` is the field that names the Secret or the key, `mount_path` the folder of a mount.
    """

    secret: str
    mode: ReadMode
    path: Path
    key: str | None = None
    is_optional: bool = False
    mount_path: str = ""


def pod_spec_of(manifest: Manifest) -> tuple[Path, Mapping[str, Any]] | None:
    """The path and the value of the pod spec of a Pod or a workload; None for other objects."""
    if manifest.kind == "Pod" and manifest.api_version == "v1":
        return ("spec",), mapping_of(manifest.body.get("spec"))
    for path in _TEMPLATES:
        found: Any = manifest.body
        for step in path:
            found = mapping_of(mapping_of(found).get(str(step)))
        if isinstance(found.get("containers"), list):
            return path, found
    return None


def reads_of(manifest: Manifest) -> tuple[SecretRead, ...]:
    """The reads of Secrets by the pods of a workload."""
    found = pod_spec_of(manifest)
    return tuple(_reads(*found)) if found is not None else ()


def _reads(path: Path, spec: Mapping[str, Any]) -> Iterator[SecretRead]:
    mounts: dict[str, list[tuple[str, bool]]] = {}
    for group in _CONTAINERS:
        for index, container in enumerate(list_of(spec.get(group))):
            here = (*path, group, index)
            yield from _environment(here, mapping_of(container))
            for mount in list_of(mapping_of(container).get("volumeMounts")):
                fixed = bool(
                    mapping_of(mount).get("subPath") or mapping_of(mount).get("subPathExpr")
                )
                place = (str(mapping_of(mount).get("mountPath", "")), fixed)
                mounts.setdefault(str(mapping_of(mount).get("name")), []).append(place)
    for index, volume in enumerate(list_of(spec.get("volumes"))):
        places = mounts.get(str(mapping_of(volume).get("name")), [("", False)])
        for source_path, name, source in _sources((*path, "volumes", index), mapping_of(volume)):
            for mount_path, fixed in places:
                mode = ReadMode.FIXED_FILE if fixed else ReadMode.FILE
                yield from _files(source_path, name, source, mode=mode, mount_path=mount_path)


def _environment(path: Path, container: Mapping[str, Any]) -> Iterator[SecretRead]:
    for index, entry in enumerate(list_of(container.get("env"))):
        reference = mapping_of(mapping_of(mapping_of(entry).get("valueFrom")).get("secretKeyRef"))
        if reference.get("name"):
            yield SecretRead(
                str(reference["name"]),
                ReadMode.ENVIRONMENT,
                (*path, "env", index, "valueFrom", "secretKeyRef", "key"),
                key=str(reference.get("key", "")),
                is_optional=bool(reference.get("optional")),
            )
    for index, entry in enumerate(list_of(container.get("envFrom"))):
        reference = mapping_of(mapping_of(entry).get("secretRef"))
        if reference.get("name"):
            yield SecretRead(
                str(reference["name"]),
                ReadMode.ENVIRONMENT,
                (*path, "envFrom", index, "secretRef", "name"),
                is_optional=bool(reference.get("optional")),
            )


def _sources(
    path: Path, volume: Mapping[str, Any]
) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """The Secrets of a volume: path, name of the Secret, and the source in the volume."""
    secret = mapping_of(volume.get("secret"))
    if secret.get("secretName"):
        yield (*path, "secret"), str(secret["secretName"]), secret
    for index, source in enumerate(list_of(mapping_of(volume.get("projected")).get("sources"))):
        projected = mapping_of(mapping_of(source).get("secret"))
        if projected.get("name"):
            place = (*path, "projected", "sources", index, "secret")
            yield place, str(projected["name"]), projected


def _files(
    path: Path, name: str, source: Mapping[str, Any], *, mode: ReadMode, mount_path: str
) -> Iterator[SecretRead]:
    optional = bool(source.get("optional"))
    items = list_of(source.get("items"))
    named = "name" if "name" in source else "secretName"
    if not items:
        yield SecretRead(name, mode, (*path, named), is_optional=optional, mount_path=mount_path)
    for index, item in enumerate(items):
        yield SecretRead(
            name,
            mode,
            (*path, "items", index, "key"),
            key=str(mapping_of(item).get("key", "")),
            is_optional=optional,
            mount_path=mount_path,
        )
