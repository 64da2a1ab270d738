"""What is counted as a request to the Kubernetes API."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import web

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.api_requests import OTHER, verb_and_resource
from keywright.cluster.client import KubernetesClient
from tests.unit.cluster.test_client import connection, serving

_CUSTOM = "/apis/keywright.dev/v1alpha1"
_ROOT = Path(__file__).resolve().parents[3]


class Requests:
    """An observer that keeps what it gets."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int | None]] = []

    def __call__(self, verb: str, resource: str, *, status: int | None, seconds: float) -> None:
        """One request."""
        assert 0 <= seconds < 30
        self.seen.append((verb, resource, status))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("PATCH", "/api/v1/namespaces/chat/secrets/key?fieldManager=k", ("patch", "secrets")),
        ("GET", "/api/v1/namespaces/chat/secrets/key", ("get", "secrets")),
        ("GET", "/api/v1/namespaces/chat/secrets?limit=5", ("list", "secrets")),
        ("GET", "/api/v1/secrets?watch=true", ("watch", "secrets")),
        ("GET", "/api/v1/namespaces?limit=500", ("list", "namespaces")),
        ("GET", "/api/v1/namespaces/kube-system", ("get", "namespaces")),
        (
            "POST",
            "/api/v1/namespaces/chat/serviceaccounts/app/token",
            ("create", "serviceaccounts/token"),
        ),
        (
            "PATCH",
            f"{_CUSTOM}/namespaces/chat/apikeygrants/secrets/status",
            ("patch", "apikeygrants/status"),
        ),
        ("GET", f"{_CUSTOM}/apikeygrants", ("list", "apikeygrants")),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/k/leases/k", ("update", "leases")),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", ("create", "tokenreviews")),
        ("GET", "/api/v1/namespaces/chat/pods/secrets", ("get", OTHER)),
        ("GET", "/", ("get", OTHER)),
    ],
)
def test_a_request_has_verb_and_resource_as_in_rbac(
    method: str, path: str, expected: tuple[str, str]
) -> None:
    """No name of an object becomes a label."""
    assert verb_and_resource(method, path) == expected


def test_each_resource_in_the_shipped_roles_is_known() -> None:
    """What the operator may use is counted by its name."""
    for file in ("all-namespaces/rbac.yaml", "operator/rollouts.yaml", "operator/orphans.yaml"):
        text = (_ROOT / "manifests" / file).read_text()
        for names in re.findall(r"resources: \[([^]]*)\]", text):
            for name in names.split(", "):
                resource, _, subresource = name.partition("/")
                path = f"/apis/g/v1/namespaces/n/{resource}/x/{subresource}".rstrip("/")
                assert verb_and_resource("GET", path)[1] == name


async def test_each_attempt_is_observed_with_its_status() -> None:
    """Also a refusal, the second attempt after a 401, and a request without a response."""
    statuses = [200, 409, 401, 200]

    async def handler(_: web.Request) -> web.Response:
        return web.json_response({}, status=statuses.pop(0))

    requests, path = Requests(), "/api/v1/namespaces/chat/secrets/key"
    async with serving(handler) as server:
        client = KubernetesClient(connection(server, "a", "a", "b", "c"), observe=requests)
        await client.request("GET", path)
        with pytest.raises(ApiError):
            await client.request("PATCH", path, body={})
        await client.request("GET", path)
    with pytest.raises(ApiUnreachableError):
        await client.request("DELETE", path)
    await client.close()
    assert requests.seen == [
        ("get", "secrets", 200),
        ("patch", "secrets", 409),
        ("get", "secrets", 401),
        ("get", "secrets", 200),
        ("delete", "secrets", None),
    ]


async def test_a_watch_is_observed_when_it_begins() -> None:
    """Its duration is not that of the whole watch, and it is counted once."""
    requests, path = Requests(), "/api/v1/secrets?watch=true"

    async def handler(_: web.Request) -> web.Response:
        seen_before.append(list(requests.seen))
        return web.Response(body=b'{"type":"ADDED","object":{}}\n')

    seen_before: list[list[tuple[str, str, int | None]]] = []
    async with serving(handler) as server:
        client = KubernetesClient(connection(server), observe=requests)
        found = [event async for event in client.watch(path, accept="application/json", seconds=5)]
    with pytest.raises(ApiUnreachableError):
        _ = [event async for event in client.watch(path, accept="application/json", seconds=5)]
    await client.close()
    assert len(found) == 1
    assert requests.seen == [("watch", "secrets", 200), ("watch", "secrets", None)]


async def test_requests_of_kopf_are_observed() -> None:
    """Its lists and watches use a session of their own."""

    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"items": []}, status=403)

    requests = Requests()
    async with (
        serving(handler) as server,
        connection(server).watch_session(connections=1, observe=requests) as session,
        session.get(f"{server}/api/v1/secrets?watch=true") as answer,
    ):
        assert answer.status == 403
    assert requests.seen == [("watch", "secrets", 403)]
