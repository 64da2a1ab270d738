"""The connections to the API server: a pool for each purpose, so that none waits for another.

Leader election must not wait for what tenants cause; the writes of Secrets and statuses must not
wait for reads; and watches hold their connections for minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from keywright.cluster.client import KubernetesClient
from keywright.cluster.connection import Connection
from keywright.controller.settings import Settings

SOURCE_WORKERS = 4
_LEASE_CONNECTIONS = 2
# For the lists before watches, beside one connection for each watch.
_LISTS = 4
_BACKGROUND_CONNECTIONS = 8
# Strangers who ask for metrics may cause reviews.
_REVIEW_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Clients:
    """One client for each purpose.

    `lease`: leader election alone. `watching`: watches of Secrets and of the labels of namespaces.
    `reading`: tokens, ServiceAccounts and the Secrets that sources name. `writing`: Secrets and
    statuses. `background`: Events and rollouts. The last two ask the fence before each write.
    `reviewing`: who may read /metrics.
    """

    lease: KubernetesClient
    watching: KubernetesClient
    reading: KubernetesClient
    writing: KubernetesClient
    background: KubernetesClient
    reviewing: KubernetesClient

    async def close_writing(self) -> None:
        """Take back the writes that are under way, as far as they have not arrived."""
        await asyncio.gather(self.writing.close(), self.background.close())

    async def close(self) -> None:
        """Close all of them."""
        await self.close_writing()
        await asyncio.gather(
            *(
                client.close()
                for client in (self.lease, self.watching, self.reading, self.reviewing)
            )
        )


def lease_client(connection: Connection) -> KubernetesClient:
    """The client of leader election."""
    return KubernetesClient(connection, connections=_LEASE_CONNECTIONS)


def open_clients(
    settings: Settings,
    connection: Connection,
    *,
    lease: KubernetesClient,
    fence: Callable[[], None],
) -> Clients:
    """The clients beside that of leader election."""
    # Of all namespaces there is one watch of Secrets and one of labels, else one each.
    watches = 2 * max(1, len(settings.namespaces))
    workers = settings.workers + SOURCE_WORKERS
    return Clients(
        lease=lease,
        watching=KubernetesClient(connection, connections=watches + _LISTS),
        reading=KubernetesClient(connection, connections=workers),
        writing=KubernetesClient(connection, connections=workers, fence=fence),
        background=KubernetesClient(connection, connections=_BACKGROUND_CONNECTIONS, fence=fence),
        reviewing=KubernetesClient(connection, connections=_REVIEW_CONNECTIONS),
    )
