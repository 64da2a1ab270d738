"""Which pods read a Secret, and whether they have the present key."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keywright.cli.manifest_reader import read_bytes
from keywright.cli.manifests import Manifest, ReadResult
from keywright.cli.secret_reads import PodReader, ReadMode, Sight, readers_of, reads_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def pod(spec: dict[str, Any], *, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    """A pod that started at noon."""
    running = {"running": {"startedAt": "2026-01-01T12:00:00Z"}}
    return {
        "metadata": {"namespace": "chat", "name": "p", **metadata},
        "spec": spec,
        "status": {"phase": phase, "containerStatuses": [{"state": running}]},
    }


def mounted(volume: dict[str, Any], **mount: str) -> dict[str, Any]:
    """A pod with that volume."""
    return {
        "volumes": [{"name": "v", **volume}],
        "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v", **mount}]}],
    }


def deployment(spec: dict[str, Any]) -> Manifest:
    """A Deployment whose pods have this spec."""
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    result = ReadResult()
    read_bytes(
        json.dumps({**head, "spec": {"template": {"spec": spec}}}).encode(), file="f", into=result
    )
    (manifest,) = result.manifests
    return manifest


@pytest.mark.parametrize(
    ("spec", "how"),
    [
        ({"containers": [{"envFrom": [{"secretRef": {"name": "key"}}]}]}, "env"),
        (
            {
                "initContainers": [
                    {"env": [{"valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}]}
                ]
            },
            "env",
        ),
        (mounted({"secret": {"secretName": "key"}}), "file"),
        (mounted({"secret": {"secretName": "key"}}, subPath="k"), "subPath"),
        (mounted({"projected": {"sources": [{"secret": {"name": "key"}}]}}), "file"),
        (mounted({"csi": {"nodePublishSecretRef": {"name": "key"}}}), "file"),
        ({"imagePullSecrets": [{"name": "key"}]}, "imagePull"),
    ],
)
def test_each_way_to_read_a_secret_is_found(spec: dict[str, Any], how: str) -> None:
    """As environment, as files, and by the kubelet itself."""
    (reader,) = readers_of([pod(spec)])["chat", "key"]
    assert (reader.how, reader.workload, reader.started_at) == (how, "Pod/p", NOW)


def test_what_needs_a_restart_prevails() -> None:
    """A pod with the Secret as files and as environment has the old key in its environment."""
    spec = mounted({"secret": {"secretName": "key"}})
    spec["containers"].append({"envFrom": [{"secretRef": {"name": "key"}}]})
    assert readers_of([pod(spec)])["chat", "key"][0].how == "env"
    both = mounted({"secret": {"secretName": "key"}})
    both["containers"][0]["volumeMounts"].append({"name": "v", "subPath": "k"})
    assert readers_of([pod(both)])["chat", "key"][0].how == "subPath"


def test_other_pods_are_no_readers() -> None:
    """A volume that no container mounts, another Secret, and a pod that has ended."""
    unused = {"volumes": [{"name": "v", "secret": {"secretName": "key"}}], "containers": [{}]}
    reading = mounted({"secret": {"secretName": "key"}})
    assert readers_of([pod(unused), pod(reading, phase="Succeeded"), pod({})]) == {}


@pytest.mark.parametrize(
    ("owner", "labels", "workload"),
    [
        (("ReplicaSet", "chat-5d8"), {"pod-template-hash": "5d8"}, "Deployment/chat"),
        (("ReplicaSet", "own"), {}, "ReplicaSet/own"),
        (("StatefulSet", "db"), {}, "StatefulSet/db"),
    ],
)
def test_the_workload_of_a_pod(
    owner: tuple[str, str], labels: dict[str, str], workload: str
) -> None:
    """Its controller, and the Deployment behind a ReplicaSet."""
    references = [{"kind": owner[0], "name": owner[1], "controller": True}]
    spec = mounted({"secret": {"secretName": "key"}})
    found = readers_of([pod(spec, ownerReferences=references, labels=labels)])
    assert found["chat", "key"][0].workload == workload


@pytest.mark.parametrize(
    ("how", "issued", "now", "sight"),
    [
        ("env", NOW - MINUTE, NOW, Sight.PRESENT),
        ("env", NOW + MINUTE, NOW + 9 * MINUTE, Sight.OLD),
        ("subPath", NOW + MINUTE, NOW + 9 * MINUTE, Sight.OLD),
        ("file", NOW + MINUTE, NOW + 2 * MINUTE, Sight.SOON),
        ("file", NOW + MINUTE, NOW + 3 * MINUTE, Sight.PRESENT),
        ("imagePull", NOW + MINUTE, NOW + MINUTE, Sight.PRESENT),
    ],
)
def test_whether_a_pod_has_the_present_key(
    how: str, issued: datetime, now: datetime, sight: Sight
) -> None:
    """By the start of its containers, or the update of its files."""
    reader = PodReader(pod="p", workload="Pod/p", how=how, started_at=NOW)
    assert reader.sight(issued_at=issued, now=now) is sight


def test_a_pod_that_has_not_started_has_no_key() -> None:
    """It will start with the present one."""
    reader = PodReader(pod="p", workload="Pod/p", how="env", started_at=None)
    assert reader.sight(issued_at=NOW, now=NOW) is Sight.NOT_STARTED


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        (mounted({"csi": {"nodePublishSecretRef": {"name": "key"}}}), ReadMode.FILE),
        ({"imagePullSecrets": [{"name": "key"}], "containers": [{}]}, ReadMode.IMAGE_PULL),
    ],
)
def test_workloads_read_in_the_same_ways_as_pods(spec: dict[str, Any], mode: ReadMode) -> None:
    """Lint and render know a driver's Secret and that of image pulls, as status does."""
    found = deployment({"containers": [{}], **spec})
    (read,) = reads_of(found)
    assert (read.secret, read.mode, read.key) == ("key", mode, None)
    place: Any = found.body
    for step in read.path:
        place = place[step]
    assert place == "key"


def test_an_unmounted_volume_is_a_read_of_the_workload_only() -> None:
    """A volume of a Secret that does not exist keeps the pods from starting, mounted or not."""
    spec = {"volumes": [{"name": "v", "secret": {"secretName": "key"}}], "containers": [{}]}
    (read,) = reads_of(deployment(spec))
    assert (read.is_mounted, readers_of([pod(spec)])) == (False, {})
