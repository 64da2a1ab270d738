"""The connections to the API server: a pool for each purpose, so that none blocks another.

Leader election must not wait for requests that tenants cause; the writes of Secrets and statuses
must not wait for reads; and watches hold their connections for minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from keywright.cluster.api_requests import ApiRequestObserver
from keywright.cluster.client import KubernetesClient
from keywright.cluster.connection import Connection
from keywright.controller.settings import Settings

SOURCE_WORKERS = 4
_LEASE_CONNECTIONS = 2
# For the lists before watches, in addition to one connection for each watch.
_LISTS = 4
_BACKGROUND_CONNECTIONS = 8
# Unauthenticated clients that request metrics can cause reviews.
_REVIEW_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Clients:
    """One client for each purpose.

    `lease`: leader election only. `watching`: watches of Secrets and of namespace labels.
    `reading`: tokens, ServiceAccounts and the Secrets that sources name. `writing`: Secrets and
    statuses. `background`: Events and rollouts. The last two check the fence before each write.
    `reviewing`: who may read /metrics.
    """

    lease: KubernetesClient
    watching: KubernetesClient
    reading: KubernetesClient
    writing: KubernetesClient
    background: KubernetesClient
    reviewing: KubernetesClient

    async def close_writing(self) -> None:
        """Abort the writes in progress that have not been received yet."""
        await asyncio.gather(self.writing.close(), self.background.close())

    async def close(self) -> None:
        """Close all clients."""
        await self.close_writing()
        await asyncio.gather(
            *(
                client.close()
                for client in (self.lease, self.watching, self.reading, self.reviewing)
            )
        )


def lease_client(
    connection: Connection, *, observe: ApiRequestObserver | None = None
) -> KubernetesClient:
    """The client for leader election."""
    return KubernetesClient(connection, connections=_LEASE_CONNECTIONS, observe=observe)


def open_clients(
    settings: Settings,
    connection: Connection,
    *,
    lease: KubernetesClient,
    fence: Callable[[], None],
    observe: ApiRequestObserver | None = None,
) -> Clients:
    """The clients other than that for leader election."""
    # For all namespaces, one watch of Secrets and one of labels; otherwise one each per namespace.
    watches = 2 * max(1, len(settings.namespaces))
    workers = settings.workers + SOURCE_WORKERS
    client = partial(KubernetesClient, connection, observe=observe)
    return Clients(
        lease=lease,
        watching=client(connections=watches + _LISTS),
        reading=client(connections=workers),
        writing=client(connections=workers, fence=fence),
        background=client(connections=_BACKGROUND_CONNECTIONS, fence=fence),
        reviewing=client(connections=_REVIEW_CONNECTIONS),
    )
