"""Which Secrets pods read, from manifests of workloads and from pods of a cluster.

Nothing is read from the pods or the Secrets themselves. A container that reads a Secret as
environment variables, or as a file with a `subPath`, has the key of its start. A mounted file is
updated by the kubelet within its sync period plus the delay of its cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, Final

from keywright.api.times import parse_time
from keywright.cli.manifests import Manifest, list_of, mapping_of

Path = tuple[str | int, ...]

# One to two minutes with the kubelet's defaults.
_SYNC: Final = timedelta(minutes=2)
_HASH_LABEL: Final = "pod-template-hash"
_ENDED: Final = frozenset({"Succeeded", "Failed"})

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
    IMAGE_PULL = "image pull"  # read by the kubelet for each pull


# What needs a restart first.
_ORDER: Final = (
    ReadMode.ENVIRONMENT,
    ReadMode.FIXED_FILE,
    ReadMode.FILE,
    ReadMode.IMAGE_PULL,
)
# In the document of `status`.
_WORDS: Final = {
    ReadMode.ENVIRONMENT: "env",
    ReadMode.FIXED_FILE: "subPath",
    ReadMode.FILE: "file",
    ReadMode.IMAGE_PULL: "imagePull",
}


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One read of a Secret; `key` is None for all keys.

    `path` is the field that names the Secret or the key, `mount_path` the folder of a mount.
    `is_mounted` is false for a volume that no container mounts.
    """

    secret: str
    mode: ReadMode
    path: Path
    key: str | None = None
    is_optional: bool = False
    mount_path: str = ""
    is_mounted: bool = True


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
        places = mounts.get(str(mapping_of(volume).get("name")))
        yield from _volume((*path, "volumes", index), mapping_of(volume), places)
    for index, reference in enumerate(list_of(spec.get("imagePullSecrets"))):
        name = mapping_of(reference).get("name")
        if name:
            field = (*path, "imagePullSecrets", index, "name")
            yield SecretRead(str(name), ReadMode.IMAGE_PULL, field)


def _volume(
    path: Path, volume: Mapping[str, Any], places: list[tuple[str, bool]] | None
) -> Iterator[SecretRead]:
    """The reads of a volume by its mounts, each with its path and whether it has a subPath."""
    for mount_path, fixed in places or [("", False)]:
        mode = ReadMode.FIXED_FILE if fixed else ReadMode.FILE
        for place, name, source in _sources(path, volume):
            yield from _files(
                place, name, source, mode=mode, mount_path=mount_path, is_mounted=bool(places)
            )
        # The driver reads this one; the files are its own.
        driver = mapping_of(mapping_of(volume.get("csi")).get("nodePublishSecretRef"))
        if driver.get("name"):
            place = (*path, "csi", "nodePublishSecretRef", "name")
            yield SecretRead(str(driver["name"]), mode, place, is_mounted=bool(places))


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
    path: Path,
    name: str,
    source: Mapping[str, Any],
    *,
    mode: ReadMode,
    mount_path: str,
    is_mounted: bool,
) -> Iterator[SecretRead]:
    items = list_of(source.get("items"))
    named = "name" if "name" in source else "secretName"
    keys: list[tuple[Path, str | None]] = [
        (("items", index, "key"), str(mapping_of(item).get("key", "")))
        for index, item in enumerate(items)
    ]
    for field, key in keys or [((named,), None)]:
        yield SecretRead(
            name,
            mode,
            (*path, *field),
            key=key,
            is_optional=bool(source.get("optional")),
            mount_path=mount_path,
            is_mounted=is_mounted,
        )


# ---- pods of a cluster


class Sight(Enum):
    """Whether a pod has the present revision of a key."""

    PRESENT = "present"
    SOON = "soon"
    OLD = "old"
    NOT_STARTED = "notStarted"


@dataclass(frozen=True, slots=True)
class PodReader:
    """A pod that reads a Secret.

    `how`: env, file, subPath (a file that is never updated) or imagePull. `workload` is its
    controller, such as Deployment/chat.
    """

    pod: str
    workload: str
    how: str
    started_at: datetime | None

    def sight(self, *, issued_at: datetime | None, now: datetime) -> Sight:
        """Whether it has the key that was issued at that time."""
        if self.started_at is None:
            return Sight.NOT_STARTED
        if issued_at is None or self.started_at >= issued_at or self.how == "imagePull":
            return Sight.PRESENT
        if self.how != "file":
            return Sight.OLD
        return Sight.PRESENT if now - issued_at >= _SYNC else Sight.SOON


def readers_of(pods: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[PodReader]]:
    """The readers of each Secret, by namespace and name; ended pods do not count."""
    found: dict[tuple[str, str], list[PodReader]] = {}
    for pod in pods:
        if (pod.get("status") or {}).get("phase") in _ENDED:
            continue
        metadata = pod.get("metadata") or {}
        started = _started(pod)
        for secret, how in sorted(_ways(mapping_of(pod.get("spec"))).items()):
            place = (str(metadata.get("namespace", "")), secret)
            found.setdefault(place, []).append(
                PodReader(
                    pod=str(metadata.get("name", "")),
                    workload=_workload(metadata),
                    how=how,
                    started_at=started,
                )
            )
    return found


def _ways(spec: Mapping[str, Any]) -> dict[str, str]:
    """The Secrets that a pod reads, and how; what needs a restart prevails."""
    found: dict[str, ReadMode] = {}
    for read in _reads((), spec):
        held = found.get(read.secret)
        if read.is_mounted and (held is None or _ORDER.index(read.mode) < _ORDER.index(held)):
            found[read.secret] = read.mode
    return {secret: _WORDS[mode] for secret, mode in found.items()}


def _started(pod: Mapping[str, Any]) -> datetime | None:
    """When the last of its running containers started; an older one may have an older key."""
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    times = [
        _time(((state.get("state") or {}).get("running") or {}).get("startedAt"))
        for state in states
    ]
    running = [time for time in times if time is not None]
    return min(running, default=None)


def _workload(metadata: Mapping[str, Any]) -> str:
    """The controller of a pod; of a ReplicaSet, the Deployment that its name is derived from."""
    owners = metadata.get("ownerReferences") or ()
    owner = next((each for each in owners if each.get("controller")), None)
    if owner is None:
        return f"Pod/{metadata.get('name', '')}"
    kind, name = str(owner.get("kind", "")), str(owner.get("name", ""))
    suffix = (metadata.get("labels") or {}).get(_HASH_LABEL)
    if kind == "ReplicaSet" and suffix and name.endswith(f"-{suffix}"):
        return f"Deployment/{name.removesuffix(f'-{suffix}')}"
    return f"{kind}/{name}"


def _time(raw: object) -> datetime | None:
    try:
        return parse_time(raw) if isinstance(raw, str) else None
    except ValueError:
        return None
