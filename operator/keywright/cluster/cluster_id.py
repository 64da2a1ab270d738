"""The ID of the cluster: the uid of a namespace that every cluster has."""

from __future__ import annotations

import logging

from keywright.api.errors import ApiError
from keywright.cluster.client import KubernetesClient

NAMESPACE = "kube-system"
_FORBIDDEN = 403
_LOG = logging.getLogger(__name__)


async def load_cluster_id(client: KubernetesClient) -> str:
    """The uid of the namespace kube-system; raises ApiError."""
    try:
        found = await client.request("GET", f"/api/v1/namespaces/{NAMESPACE}")
    except ApiError as error:
        if error.status == _FORBIDDEN:
            _LOG.error(
                "error: the id of the cluster cannot be read, and no grant is reconciled: apply the"
                " ClusterRole keywright-cluster-id of this version's manifests or chart"
            )
        raise
    uid: str = found["metadata"]["uid"]
    return uid
