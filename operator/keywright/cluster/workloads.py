"""The workloads that a grant restarts: found by name or labels, restarted by server-side apply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from keywright.api.errors import ApiError
from keywright.api.grant import Workload, WorkloadKind
from keywright.api.schema import LabelExpression, LabelOperator, LabelSelector
from keywright.cluster import argo_rollouts
from keywright.cluster.client import APPLY, JSON, METADATA, KubernetesClient
from keywright.cluster.workload_views import restart_annotation, restart_manager, view_of
from keywright.planning.rollout import WorkloadView

PLURALS: Final = {
    WorkloadKind.DEPLOYMENT: "deployments",
    WorkloadKind.STATEFUL_SET: "statefulsets",
    WorkloadKind.DAEMON_SET: "daemonsets",
    WorkloadKind.ROLLOUT: argo_rollouts.PLURAL,
}
_APPS: Final = "apps/v1"
# For whole workloads, which may have a megabyte each.
_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Found:
    """The workloads in the order of the spec, each once.

    With their index in the spec: `missing` names, and targets whose kind is `unknown` to the
    cluster because its CRD is not installed.
    """

    workloads: tuple[WorkloadView, ...]
    missing: tuple[tuple[int, Workload], ...]
    unknown: tuple[tuple[int, Workload], ...] = ()


@dataclass(frozen=True, slots=True)
class Workloads:
    """Workloads of any namespace; callers pass that of the grant."""

    client: KubernetesClient

    async def find(self, targets: tuple[Workload, ...], *, namespace: str, secret: str) -> Found:
        """Find what the targets name, matches of a selector by name; without those in deletion.

        Raises:
            ApiError: the workloads may not be read.
        """
        seen: dict[str, WorkloadView] = {}
        missing: list[tuple[int, Workload]] = []
        unknown: list[tuple[int, Workload]] = []
        for place, target in enumerate(targets):
            try:
                views = await self._views(target, namespace=namespace, secret=secret)
            except ApiError as error:
                if not error.is_missing:
                    raise
                is_unknown = error.is_unserved or target.selector is not None
                (unknown if is_unknown else missing).append((place, target))
                continue
            for view in sorted(views, key=lambda view: view.name):
                seen.setdefault(view.uid, view)
        return Found(tuple(seen.values()), tuple(missing), tuple(unknown))

    async def restart(
        self, workload: WorkloadView, *, namespace: str, secret: str, mark: str, at: datetime
    ) -> None:
        """Replace every pod created before `at`, and set the data hash on the workload.

        For built-in kinds, the same hash again does not restart anything.

        Raises:
            ApiError: it was refused; `is_missing` or `is_conflict` if the workload was deleted or
                replaced under the same name: it is never created by this call.
        """
        annotation = restart_annotation(secret)
        if workload.kind is WorkloadKind.ROLLOUT:
            change = argo_rollouts.restart_of(annotation, mark, at=at)
        else:
            template = {"metadata": {"annotations": {annotation: mark}}}
            change = {"metadata": {}, "spec": {"template": template}}
        named = {"name": workload.name, "namespace": namespace, "uid": workload.uid}
        await self.client.request(
            "PATCH",
            f"{_path(workload.kind, namespace)}/{workload.name}"
            f"?fieldManager={restart_manager(secret)}&force=true",
            body={
                "apiVersion": _api_version(workload.kind),
                "kind": workload.kind.value,
                **change,
                "metadata": {**named, **change["metadata"]},
            },
            content_type=APPLY,
            accept=METADATA,
        )

    async def _views(self, target: Workload, *, namespace: str, secret: str) -> list[WorkloadView]:
        """The workloads of a target; only the relevant fields are kept."""
        path = _path(target.kind, namespace)
        return [
            view_of(body, kind=target.kind, secret=secret)
            async for body in self._bodies(path, target)
            if "deletionTimestamp" not in body["metadata"]
        ]

    async def _bodies(self, path: str, target: Workload) -> AsyncIterator[dict[str, Any]]:
        if target.selector is None:
            yield await self.client.request("GET", f"{path}/{target.name}")
            return
        selector = quote(_selector(target.selector), safe="")
        async for body in self.client.items(path, selector=selector, accept=JSON, page=_PAGE):
            yield body


def _api_version(kind: WorkloadKind) -> str:
    return argo_rollouts.API_VERSION if kind is WorkloadKind.ROLLOUT else _APPS


def _path(kind: WorkloadKind, namespace: str) -> str:
    return f"/apis/{_api_version(kind)}/namespaces/{namespace}/{PLURALS[kind]}"


def _selector(selector: LabelSelector) -> str:
    """Format the query parameter `labelSelector`."""
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
