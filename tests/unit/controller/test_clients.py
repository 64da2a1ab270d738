"""The connections to the API server: no purpose waits for another."""

import asyncio

import pytest
from aiohttp import web

from keywright.api.errors import LostLeaseError
from keywright.cli.main import parser
from keywright.cli.run import settings
from keywright.cluster.client import KubernetesClient
from keywright.controller.clients import lease_client, open_clients
from tests.unit.cluster.test_client import connection, serving


async def test_the_lease_is_renewed_while_all_other_connections_are_taken() -> None:
    """Sixty namespaces with a watch each used the connections of the Lease: no leader was left."""
    hanging: asyncio.Queue[None] = asyncio.Queue()

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/hang":
            hanging.put_nowait(None)
            await asyncio.Event().wait()
        return web.json_response({"path": request.path})

    async with serving(handler) as server:
        made = connection(server)
        clients = open_clients(
            settings(parser("run").parse_args(["run", "--workers=4"])),
            made,
            lease=lease_client(made),
            fence=lambda: None,
        )
        others = [clients.watching, clients.reading, clients.writing, clients.background]
        tasks = [asyncio.create_task(_hang(client)) for client in others for _ in range(60)]
        async with asyncio.timeout(10):
            for _ in range(len(others) * 6):
                await hanging.get()
            assert await clients.lease.request("GET", "/lease") == {"path": "/lease"}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await clients.close()


async def test_whoever_lost_the_lease_writes_nothing() -> None:
    """Neither Secrets and statuses nor Events and restarts; reads go on."""
    requested: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        requested.append(request.method)
        return web.json_response({})

    def fence() -> None:
        raise LostLeaseError

    async with serving(handler) as server:
        made = connection(server)
        clients = open_clients(
            settings(parser("run").parse_args(["run"])), made, lease=lease_client(made), fence=fence
        )
        for client in (clients.writing, clients.background):
            for method in ("PATCH", "POST"):
                with pytest.raises(LostLeaseError):
                    await client.request(method, "/", body={})
        await clients.reading.request("GET", "/")
        await clients.close()
    assert requested == ["GET"]


async def _hang(client: KubernetesClient) -> None:
    await client.request("GET", "/hang", seconds=60)
