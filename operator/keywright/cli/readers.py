"""Which pods read the Secret of a grant, by their specs, and whether they have the present key.

Nothing is read from the pods or the Secret themselves. A container that reads a Secret as
environment variables, or as a file with a `subPath`, has the key of its start. A mounted file is
updated by the kubelet within its sync period plus the delay of its cache.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from keywright.api.times import parse_time

# One to two minutes with the kubelet's defaults.
_SYNC: Final = timedelta(minutes=2)
_HASH_LABEL: Final = "pod-template-hash"
_ENDED: Final = frozenset({"Succeeded", "Failed"})

Document = Mapping[str, Any]


class Sight(enum.Enum):
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


def readers_of(pods: Iterable[Document]) -> dict[tuple[str, str], list[PodReader]]:
    """The readers of each Secret, by namespace and name; ended pods do not count."""
    found: dict[tuple[str, str], list[PodReader]] = {}
    for pod in pods:
        if (pod.get("status") or {}).get("phase") in _ENDED:
            continue
        metadata = pod.get("metadata") or {}
        started = _started(pod)
        for secret, how in sorted(_reads(pod.get("spec") or {}).items()):
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


def _reads(spec: Document) -> dict[str, str]:
    """The Secrets that a pod reads, and how; what needs a restart prevails."""
    found: dict[str, str] = {}
    volumes = {
        str(volume.get("name")): list(_volume_secrets(volume))
        for volume in spec.get("volumes") or ()
    }
    for container in _containers(spec):
        for secret in _environment(container):
            found[secret] = "env"
        for mount in container.get("volumeMounts") or ():
            how = "subPath" if mount.get("subPath") or mount.get("subPathExpr") else "file"
            for secret in volumes.get(str(mount.get("name")), ()):
                if found.get(secret) != "env" and not (found.get(secret) and how == "file"):
                    found[secret] = how
    for reference in spec.get("imagePullSecrets") or ():
        found.setdefault(str(reference.get("name")), "imagePull")
    return found


def _containers(spec: Document) -> Iterator[Document]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def _environment(container: Document) -> Iterator[str]:
    for source in container.get("envFrom") or ():
        if source.get("secretRef"):
            yield str(source["secretRef"].get("name"))
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            yield str(reference.get("name"))


def _volume_secrets(volume: Document) -> Iterator[str]:
    if volume.get("secret"):
        yield str(volume["secret"].get("secretName"))
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("secret"):
            yield str(source["secret"].get("name"))
    driver = volume.get("csi") or {}
    if driver.get("nodePublishSecretRef"):
        yield str(driver["nodePublishSecretRef"].get("name"))


def _started(pod: Document) -> datetime | None:
    """When the last of its running containers started; an older one may have an older key."""
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    times = [
        _time(((state.get("state") or {}).get("running") or {}).get("startedAt"))
        for state in states
    ]
    running = [time for time in times if time is not None]
    return min(running, default=None)


def _workload(metadata: Document) -> str:
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
