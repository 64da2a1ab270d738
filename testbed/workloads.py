"""Emulates rollouts of workloads without controllers or pods: in their status only.

A control plane of etcd and an API server alone has no client that writes the status of a workload.
This module does, like the controllers of Kubernetes: a new generation has no new pods at first, and
a moment later all of them. A Rollout of Argo Rollouts, if its CRD is installed, is restarted like
its own controller does it: `restartedAt` follows `restartAt` once all pods are replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from testbed.clusters.api import Api, ApiError
from testbed.world import World

PLURALS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Rollout": "rollouts",
}
_PAUSE_SECONDS = 0.05
_PODS = 2
_READY = {"replicas": _PODS, "readyReplicas": _PODS, "availableReplicas": _PODS}


@dataclass(slots=True)
class RolledOut:
    """A new template of a workload: when its controller saw it, and since when it is available."""

    kind: str
    name: str
    generation: int
    seen: datetime
    available: datetime | None = None
    restart_at: str | None = None
    begun: float = field(default_factory=time.monotonic)


def collection(kind: str, *, namespace: str) -> str:
    """The URL path of the workloads of a kind."""
    group = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
    return f"/apis/{group}/namespaces/{namespace}/{PLURALS[kind]}"


class WorkloadControllers:
    """Emulates the controllers of one namespace, from entering to leaving.

    `stuck` are names of workloads whose new pods do not become available while they are listed.
    """

    def __init__(self, world: World, *, namespace: str, seconds: float = 0.2) -> None:
        self._kubeconfig = world.cluster.kubeconfig
        self._namespace = namespace
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._control, name="workload controllers")
        self._latest: dict[tuple[str, str], RolledOut] = {}
        self.rolled_out: list[RolledOut] = []
        self.stuck: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def restarts(self, name: str) -> int:
        """The number of templates of a workload after its first."""
        return sum(each.name == name and each.generation > 1 for each in self.rolled_out)

    def _control(self) -> None:
        api = Api(self._kubeconfig)
        try:
            while not self._ended.wait(_PAUSE_SECONDS):
                for kind in PLURALS:
                    path = collection(kind, namespace=self._namespace)
                    for body in _listed(api, path, kind):
                        self._reconcile(api, path, kind, body)
        finally:
            api.close()

    def _reconcile(self, api: Api, path: str, kind: str, body: Mapping[str, Any]) -> None:
        metadata = body["metadata"]
        name, generation = metadata["name"], metadata["generation"]
        known = self._latest.get((kind, metadata["uid"]))
        if known is None or known.generation != generation:
            if body["spec"].get("paused"):
                return
            restart_at = body["spec"].get("restartAt")
            known = RolledOut(kind, name, generation, datetime.now(UTC), restart_at=restart_at)
            self._latest[kind, metadata["uid"]] = known
            self.rolled_out.append(known)
            self._tell(api, path, known, new=0)
        elif (
            known.available is None
            and name not in self.stuck
            and time.monotonic() - known.begun >= self._seconds
        ):
            known.available = datetime.now(UTC)
            self._tell(api, path, known, new=_PODS)

    def _tell(self, api: Api, path: str, reported: RolledOut, *, new: int) -> None:
        status = {"observedGeneration": reported.generation, **_status(reported, new=new)}
        try:
            api.merge(f"{path}/{reported.name}/status", {"status": status})
        except ApiError as error:
            if error.status != 404:
                raise


def _listed(api: Api, path: str, kind: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = api.get(path)["items"]
    except ApiError as error:
        if kind == "Rollout" and error.status == 404:
            return []
        raise
    return found


def _status(reported: RolledOut, *, new: int) -> dict[str, Any]:
    match reported.kind:
        case "Rollout":
            restarted = {"restartedAt": reported.restart_at} if new and reported.restart_at else {}
            return {
                **_READY,
                **restarted,
                "observedGeneration": str(reported.generation),
                "phase": "Healthy" if new else "Progressing",
                "updatedReplicas": _PODS,
            }
        case "Deployment":
            return {**_READY, "updatedReplicas": new}
        case "StatefulSet":
            revision = f"{reported.name}-{reported.generation}"
            return {
                **_READY,
                "updatedReplicas": new,
                "updateRevision": revision,
                "currentRevision": revision
                if new
                else f"{reported.name}-{reported.generation - 1}",
            }
        case _:
            return {
                "currentNumberScheduled": _PODS,
                "desiredNumberScheduled": _PODS,
                "numberMisscheduled": 0,
                "numberReady": _PODS,
                "numberAvailable": _PODS,
                "updatedNumberScheduled": new,
            }
