"""The workloads that a grant restarts: found by name or labels, restarted by server-side apply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from keywright.api.grant import Workload, WorkloadKind
from keywright.api.schema import LabelExpression, LabelOperator, LabelSelector
from keywright.cluster.client import APPLY, JSON, METADATA, KubernetesClient
from keywright.cluster.errors import ApiError
from keywright.cluster.workload_views import restart_annotation, restart_manager, view_of
from keywright.planning.rollout import WorkloadView

PLURALS: Final = {
    WorkloadKind.DEPLOYMENT: "deployments",
    WorkloadKind.STATEFUL_SET: "statefulsets",
    WorkloadKind.DAEMON_SET: "daemonsets",
}
_APPS: Final = "apps/v1"


@dataclass(frozen=True, slots=True)
class Found:
    """The workloads in the order of the spec, each once; `missing` names with their place in it."""

    workloads: tuple[WorkloadView, ...]
    missing: tuple[tuple[int, Workload], ...]


@dataclass(frozen=True, slots=True)
class Workloads:
    """Deployments, StatefulSets and DaemonSets of any namespace; callers pass that of the grant."""

    client: KubernetesClient

    async def find(self, targets: tuple[Workload, ...], *, namespace: str, secret: str) -> Found:
        """What the targets name, those of a selector by name; workloads that go are left out.

        Raises:
            ApiError: they may not be read.
        """
        seen: dict[str, WorkloadView] = {}
        missing: list[tuple[int, Workload]] = []
        for place, target in enumerate(targets):
            bodies = [body async for body in self._named_or_selected(target, namespace=namespace)]
            if target.name is not None and not bodies:
                missing.append((place, target))
            for body in sorted(bodies, key=lambda body: str(body["metadata"]["name"])):
                if "deletionTimestamp" not in body["metadata"]:
                    view = view_of(body, kind=target.kind, secret=secret)
                    seen.setdefault(view.uid, view)
        return Found(tuple(seen.values()), tuple(missing))

    async def restart(
        self, workload: WorkloadView, *, namespace: str, secret: str, mark: str
    ) -> None:
        """Set the mark in the pod template; the same mark again restarts nothing.

        Raises:
            ApiError: it was refused; `is_missing` or `is_conflict` where the workload is gone, or
                is another one of the same name: it is never created by this.
        """
        await self.client.request(
            "PATCH",
            f"{_path(workload.kind, namespace)}/{workload.name}"
            f"?fieldManager={restart_manager(secret)}&force=true",
            body={
                "apiVersion": _APPS,
                "kind": workload.kind.value,
                "metadata": {"name": workload.name, "namespace": namespace, "uid": workload.uid},
                "spec": {
                    "template": {"metadata": {"annotations": {restart_annotation(secret): mark}}}
                },
            },
            content_type=APPLY,
            accept=METADATA,
        )

    async def _named_or_selected(
        self, target: Workload, *, namespace: str
    ) -> AsyncIterator[dict[str, Any]]:
        path = _path(target.kind, namespace)
        if target.selector is not None:
            selector = quote(_selector(target.selector), safe="")
            async for body in self.client.items(path, selector=selector, accept=JSON):
                yield body
            return
        try:
            yield await self.client.request("GET", f"{path}/{target.name}")
        except ApiError as error:
            if not error.is_missing:
                raise


def _path(kind: WorkloadKind, namespace: str) -> str:
    return f"/apis/{_APPS}/namespaces/{namespace}/{PLURALS[kind]}"


def _selector(selector: LabelSelector) -> str:
    """As the query parameter `labelSelector` has it."""
    labels = [f"{key}={value}" for key, value in selector.match_labels.items()]
    return ",".join(labels + [_requirement(each) for each in selector.match_expressions])


def _requirement(expression: LabelExpression) -> str:
    values = f"({','.join(expression.values)})"
    match expression.operator:
        case LabelOperator.IN:
            return f"{expression.key} in {values}"
        case LabelOperator.NOT_IN:
            return f"{expression.key} notin {values}"
        case LabelOperator.EXISTS:
            return expression.key
        case LabelOperator.DOES_NOT_EXIST:
            return f"!{expression.key}"
