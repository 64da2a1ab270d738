"""The operator as it is shipped: manifests/ by kubectl, with an overlay for the emulated clouds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from testbed.operators import NAMESPACE
from testbed.world import MANIFESTS, World
from tests.cluster.eventually import eventually
from tests.kind.surroundings import Surroundings

IMAGE = "keywright:kind"
SHIPPED_IMAGE = "registry.keywright.dev/keywright"
LABEL = "app.kubernetes.io/name=keywright"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/keywright"
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/keywright"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_KUBECTL = Path(sys.executable).parent / "kubectl"
_READY_SECONDS = 90.0

Document = dict[str, Any]


class Installation:
    """What an admin of the cluster has, and does to it; `overlay` is the kustomization applied."""

    def __init__(self, world: World, *, surroundings: Surroundings, directory: Path) -> None:
        self._world = world
        self._surroundings = surroundings
        self.overlay = directory

    def apply(self) -> None:
        """`kubectl apply -k` of the overlay."""
        self._write_overlay()
        self.kubectl("apply", "--kustomize", str(self.overlay))

    def kubectl(self, *arguments: str) -> str:
        """What it prints."""
        done = subprocess.run(
            [_KUBECTL, f"--kubeconfig={self._world.cluster.kubeconfig}", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pods(self) -> list[Document]:
        """The operator's pods, but for those that are on their way out."""
        listed = self._world.api.get(_PODS, query={"labelSelector": LABEL})["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def pod(self, name: str) -> Document:
        """One of them."""
        found: Document = self._world.api.get(f"{_PODS}/{name}")
        return found

    def wait_until_ready(self) -> list[Document]:
        """Both replicas, of the newest template, once they are ready."""

        def ready() -> list[Document]:
            deployment = self._world.api.get(DEPLOYMENT)
            status, wanted = deployment["status"], deployment["spec"]["replicas"]
            current = status.get("observedGeneration") == deployment["metadata"]["generation"]
            counts = [status.get(name) for name in ("replicas", "updatedReplicas", "readyReplicas")]
            pods = self.pods()
            good = current and counts == [wanted] * 3 and len(pods) == wanted
            return pods if good and all(is_ready(pod) for pod in pods) else []

        return eventually(ready, seconds=_READY_SECONDS, reported=self._seen)

    def leader(self) -> str:
        """The pod that holds the Lease."""
        return str(self._world.api.get(_LEASE)["spec"].get("holderIdentity") or "")

    def standby(self) -> str:
        """The pod that does not."""
        leader = self.leader()
        names = [str(pod["metadata"]["name"]) for pod in self.pods()]
        return next(name for name in names if name != leader)

    def wait_for_leader(self, *, other_than: str, seconds: float = 60.0) -> str:
        """The pod that has taken over."""

        def taken() -> str:
            holder = self.leader()
            return holder if holder not in ("", other_than) else ""

        return eventually(taken, seconds=seconds, reported=self.leader)

    def wait_for_pod(
        self, name: str, holds: Callable[[Document], bool], *, seconds: float = 60.0
    ) -> Document:
        """The pod, once this holds of it."""

        def probe() -> Document | None:
            found = self.pod(name)
            return found if holds(found) else None

        found = eventually(probe, seconds=seconds, reported=lambda: self.pod(name)["status"])
        assert found is not None
        return found

    def logs(self) -> str:
        """What the operator's containers have said so far, those that ended too."""
        texts = []
        for pod in self.pods():
            path = f"{_PODS}/{pod['metadata']['name']}/log"
            texts.append(self._world.api.text(path))
            if restarts(pod):
                texts.append(self._world.api.text(path, query={"previous": "true"}))
        return "".join(texts)

    def _seen(self) -> list[Document]:
        return [pod["status"] for pod in self.pods()]

    def _write_overlay(self) -> None:
        self.overlay.mkdir(parents=True, exist_ok=True)
        name, tag = IMAGE.split(":")
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(MANIFESTS, self.overlay.resolve()), "clouds.yaml"],
            "images": [{"name": SHIPPED_IMAGE, "newName": name, "newTag": tag}],
            "patches": [{"path": "deployment.yaml"}],
        }
        clouds = [self._surroundings.config_map(NAMESPACE), self._way_out()]
        (self.overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        (self.overlay / "clouds.yaml").write_text(yaml.safe_dump_all(clouds))
        (self.overlay / "deployment.yaml").write_text(yaml.safe_dump(self._patch()))

    def _patch(self) -> Document:
        variables = self._surroundings.variables()
        container = {
            "name": "keywright",
            "env": [{"name": name, "value": value} for name, value in variables.items()],
            "volumeMounts": self._surroundings.mounts(),
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "keywright", "namespace": NAMESPACE},
            "spec": {
                "template": {
                    "spec": {"containers": [container], "volumes": self._surroundings.volumes()}
                }
            },
        }

    def _way_out(self) -> Document:
        """The clouds' proxy has a port that no cloud has; policies add up."""
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "clouds", "namespace": NAMESPACE},
            "spec": {
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "keywright"}},
                "policyTypes": ["Egress"],
                "egress": [{"ports": [{"protocol": "TCP", "port": self._surroundings.proxy_port}]}],
            },
        }


def is_ready(pod: Document) -> bool:
    """Whether its condition says so."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def restarts(pod: Document) -> int:
    """How often its container was started again."""
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))


def container_id(pod: Document) -> str:
    """The container's id in the node's containerd."""
    [status] = pod["status"]["containerStatuses"]
    return str(status["containerID"]).removeprefix("containerd://")


def seconds_until_ready(pod: Document) -> float:
    """From the start of its process to Ready, in the API's whole seconds."""
    [status] = pod["status"]["containerStatuses"]
    [ready] = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    began = datetime.fromisoformat(status["state"]["running"]["startedAt"])
    return (datetime.fromisoformat(ready["lastTransitionTime"]) - began).total_seconds()
