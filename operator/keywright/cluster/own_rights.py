"""Which rights the operator has in the cluster, by SelfSubjectAccessReview.

Every authenticated client may create these reviews (ClusterRole system:basic-user).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from keywright.api.rights import Right
from keywright.cluster.client import KubernetesClient

_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE: Final = 2


class ScopedRight(NamedTuple):
    """A right in a namespace; in all of them, or outside of any, if that is empty."""

    right: Right
    namespace: str = ""

    def __str__(self) -> str:
        return str(self.right) + (f" in namespace {self.namespace}" if self.namespace else "")


async def missing_rights(
    client: KubernetesClient, needed: Sequence[ScopedRight]
) -> list[ScopedRight]:
    """The rights that the operator does not have, in the same order.

    Raises:
        ApiError, ApiUnreachableError: there is no answer.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def has(scoped: ScopedRight) -> bool:
        async with slots:
            return await _may(client, scoped)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(has(scoped)) for scoped in needed]
    return [scoped for scoped, task in zip(needed, tasks, strict=True) if not task.result()]


async def _may(client: KubernetesClient, scoped: ScopedRight) -> bool:
    right = scoped.right
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "name": right.name,
        "namespace": scoped.namespace,
    }
    review = await client.request(
        "POST",
        _PATH,
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: text for key, text in attributes.items() if text}},
        },
    )
    status = review.get("status") or {}
    return status.get("allowed") is True
