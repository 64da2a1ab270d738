"""The clients of the measurements: create grants, and observe when they become Ready."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import yaml

from testbed.clusters import Cluster

CONNECTIONS = 32
_PREFIX = "/apis/keywright.dev/v1alpha1"

Name = tuple[str, str]
"""Namespace and name."""


async def in_parallel(items: Iterable[Any], work: Callable[[Any], Awaitable[None]]) -> float:
    """Run the work of all items with `CONNECTIONS` workers; returns the seconds it took."""
    waiting = deque(items)

    async def worker() -> None:
        while waiting:
            await work(waiting.popleft())

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return time.perf_counter() - start


class AdminClient:
    """Plain requests as admin, on one session with as many connections as the operator has."""

    def __init__(self, cluster: Cluster) -> None:
        entry = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]
        context = ssl.create_default_context(cafile=str(cluster.ca_file))
        headers = {}
        if "client-certificate" in entry:
            context.load_cert_chain(entry["client-certificate"], entry["client-key"])
        else:
            headers["Authorization"] = f"Bearer {entry['token']}"
        self._server = cluster.server
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS + 2, ssl=context), headers=headers
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, form: str = "json"
    ) -> bytes:
        """Send a request and return the body of a successful response."""
        async with self._session.request(
            method,
            self._server + path,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": f"application/{form}"},
        ) as answer:
            raw = await answer.read()
            if answer.status >= 400 and answer.status != 404:
                raise RuntimeError(f"{method} {path}: {answer.status} {raw[:300]!r}")
            return raw

    async def create_grants(self, names: Iterable[Name]) -> float:
        """Create grants concurrently; returns the seconds it took."""

        async def create(name: Name) -> None:
            await self.send("POST", f"{_PREFIX}/namespaces/{name[0]}/apikeygrants", grant(*name))

        return await in_parallel(names, create)

    async def delete_grants(self, names: Iterable[Name]) -> None:
        """Delete grants and their Secrets."""

        async def delete(name: Name) -> None:
            await self.send("DELETE", f"{_PREFIX}/namespaces/{name[0]}/apikeygrants/{name[1]}")
            await self.send("DELETE", f"/api/v1/namespaces/{name[0]}/secrets/{name[1]}")

        await in_parallel(names, delete)

    async def version(self) -> str:
        """The current resource version, to watch from."""
        found = json.loads(await self.send("GET", f"{_PREFIX}/apikeygrants?limit=1"))
        version: str = found["metadata"]["resourceVersion"]
        return version

    async def ready_times(
        self, names: Iterable[Name], *, since: str, revision: int = 1
    ) -> dict[Name, float]:
        """When each grant became Ready with at least that revision, by `time.perf_counter`."""
        missing, seen = set(names), {}
        path = f"{_PREFIX}/apikeygrants?watch=true&resourceVersion={since}"
        async with self._session.get(
            self._server + path, timeout=aiohttp.ClientTimeout(total=None), read_bufsize=2**20
        ) as answer:
            async for line in answer.content:
                found = json.loads(line)["object"]
                name = (found["metadata"]["namespace"], found["metadata"]["name"])
                if name in missing and _is_ready(found, revision=revision):
                    missing.discard(name)
                    seen[name] = time.perf_counter()
                    if not missing:
                        break
        return seen


def grant(namespace: str, name: str) -> dict[str, Any]:
    """A grant with the default formats."""
    return {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "ApiKeyGrant",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"sourceRef": {"name": "bedrock"}, "bedrockShortTermKey": {"duration": "12h"}},
    }


def _is_ready(found: Mapping[str, Any], *, revision: int) -> bool:
    status = found.get("status", {})
    return status.get("revision", 0) >= revision and any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in status.get("conditions", ())
    )


@dataclass(frozen=True, slots=True)
class BareLoop:
    """Only the two necessary writes, with as much data as the operator writes."""

    client: AdminClient
    secret: Mapping[str, Any]
    status: Mapping[str, Any]

    @classmethod
    async def like(cls, client: AdminClient, name: Name) -> BareLoop:
        """Create a loop with the same writes as the operator's for that grant."""
        secret = json.loads(
            await client.send("GET", f"/api/v1/namespaces/{name[0]}/secrets/{name[1]}")
        )
        found = json.loads(
            await client.send("GET", f"{_PREFIX}/namespaces/{name[0]}/apikeygrants/{name[1]}")
        )
        return cls(client, secret=secret, status=found["status"])

    async def rate(self, names: list[Name]) -> float:
        """Grants per second."""
        return len(names) / await in_parallel(names, self.write)

    async def write(self, name: Name) -> None:
        """The Secret and then the status of one grant."""
        namespace, short = name
        metadata = self.secret["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "namespace": namespace,
                "name": short,
                "labels": {"app.kubernetes.io/managed-by": "bare-loop"},
                "annotations": metadata["annotations"],
            },
            "type": self.secret["type"],
            "data": self.secret["data"],
        }
        await self.client.send(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/secrets/{short}?fieldManager=bare&force=true",
            body,
            form="apply-patch+yaml",
        )
        await self.client.send(
            "PATCH",
            f"{_PREFIX}/namespaces/{namespace}/apikeygrants/{short}/status?fieldManager=bare",
            {"status": self.status},
            form="merge-patch+json",
        )
