"""The proxy with STS credentials: it signs again what clients have signed otherwise."""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from keywright.sidecar.proxy import KeyProxy
from keywright.sidecar.proxy_metrics import ProxyMetrics
from keywright.sidecar.proxy_rules import KeyHeader, UpstreamError, upstream_from
from keywright.sidecar.signing import MountedCredentials, RequestSigner
from testbed.processes import free_port
from tests.unit.sidecar.test_proxy import NOW, Server

_SECRET = "canary-51d0a7"


class Pod:
    """The signing proxy, with credentials that are replaced."""

    def __init__(self, directory: Path, *, scope: str) -> None:
        self.now = NOW
        self.directory = directory
        self.server = Server()
        self.server.keys = None
        self.port = free_port()
        self.client = aiohttp.ClientSession()
        self.proxy = KeyProxy(
            upstream_from(
                f"http://127.0.0.1:{self.server.port}", paths=["/**"], header=KeyHeader.BEARER
            ),
            keys=MountedCredentials(directory, clock=lambda: self.now),
            signer=RequestSigner.of(scope),
            metrics=ProxyMetrics(),
            tls=ssl.create_default_context(),
        )
        self.put("ASIAFIRST")

    def put(self, key_id: str, **changed: object) -> None:
        """Replace the file, as the kubelet does."""
        document = {
            "Version": 1,
            "AccessKeyId": key_id,
            "SecretAccessKey": _SECRET,
            "SessionToken": "token",
            "Expiration": "2026-11-27T13:00:00Z",
        }
        draft = self.directory / "draft"
        draft.write_text(json.dumps(document | changed))
        draft.replace(self.directory / "credential-process.json")

    async def post(
        self,
        path: str = "/v1/x",
        *,
        body: bytes = b"Action=A",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and body."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.client.post(url, data=io.BytesIO(body), headers=headers) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def pod(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pod]:
    """A running proxy; the parameter is its scope."""
    made = Pod(tmp_path, scope=getattr(request, "param", "sts/us-west-2"))
    await made.server.start()
    await made.proxy.start(port=made.port)
    yield made
    await made.client.close()
    await made.proxy.stop()
    await made.server.stop()


async def test_the_signature_of_the_client_is_replaced(pod: Pod) -> None:
    """By one for the service and region of the proxy, with the mounted session."""
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=placeholder",
        "X-Amz-Date": "20200101T000000Z",
        "X-Amz-Security-Token": "placeholder",
    }
    status, _ = await pod.post(headers=headers)
    assert status == 200
    ((_, received, body),) = pod.server.requests
    assert body == b"Action=A"
    authorization = received["Authorization"]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=ASIAFIRST/")
    assert "/us-west-2/sts/aws4_request" in authorization
    assert received["X-Amz-Security-Token"] == "token"
    assert not received["X-Amz-Date"].startswith("2020")
    assert "placeholder" not in str(received)
    assert _SECRET not in str(received)


@pytest.mark.parametrize("pod", ["s3/eu-west-1"], indirect=True)
async def test_bodies_for_s3_are_not_part_of_the_signature(pod: Pod) -> None:
    """They are streamed."""
    assert (await pod.post(body=b"x" * 2**20))[0] == 200
    ((_, headers, body),) = pod.server.requests
    assert len(body) == 2**20
    assert headers["X-Amz-Content-SHA256"] == "UNSIGNED-PAYLOAD"
    assert "x-amz-content-sha256" in headers["Authorization"]


async def test_new_credentials_are_used_at_once_and_after_a_refusal(pod: Pod) -> None:
    """The body is signed and sent again."""
    assert (await pod.post())[0] == 200
    pod.put("ASIASECOND")
    assert (await pod.post())[0] == 200
    pod.server.keys = {"nothing"}
    pod.server.refused.set = lambda: pod.put("ASIATHIRD")  # type: ignore[method-assign]
    assert (await pod.post())[0] == 403
    signatures = [headers["Authorization"] for _, headers, _ in pod.server.requests]
    used = [each.partition("Credential=")[2].partition("/")[0] for each in signatures]
    assert used == ["ASIAFIRST", "ASIASECOND", "ASIASECOND", "ASIATHIRD"]
    assert {body for _, _, body in pod.server.requests} == {b"Action=A"}


@pytest.mark.parametrize(
    ("path", "headers", "says"),
    [
        ("/v1/x?X-Amz-Signature=00&X-Amz-Credential=a", {}, "presigned"),
        ("/v1/x?x-amz-credential=a", {}, "presigned"),
        (
            "/v1/x",
            {"Content-Type": "application/vnd.amazon.eventstream"},
            "signatures of their own",
        ),
        ("/v1/x", {"Content-Encoding": "aws-chunked"}, "signatures of their own"),
        (
            "/v1/x",
            {"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
            "signatures of their own",
        ),
    ],
)
async def test_what_cannot_be_signed_again_is_refused(
    pod: Pod, path: str, headers: dict[str, str], says: str
) -> None:
    """With the reason, and without a request to the server."""
    status, text = await pod.post(path, headers=headers)
    assert (status, says in text) == (400, True)
    assert pod.server.requests == []


async def test_a_body_beyond_the_limit_is_refused(pod: Pod) -> None:
    """25 MiB are held in memory to be signed."""
    most = 25 * 2**20
    status, text = await pod.post(body=b"x" * (most + 1))
    assert (status, str(most) in text) == (413, True)
    assert pod.server.requests == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"Expiration": "2026-11-27T11:00:00Z"}, "have expired"),
        ({"Expiration": "soon"}, "has another form"),
        ({"SecretAccessKey": None}, "has another form"),
    ],
)
async def test_without_valid_credentials_the_answer_is_503(
    pod: Pod, changed: dict[str, object], says: str
) -> None:
    """And no value is in the answer."""
    pod.put("ASIAOTHER", **changed)
    status, text = await pod.post()
    assert (status, says in text) == (503, True)
    assert _SECRET not in text


@pytest.mark.parametrize("scope", ["sts", "sts/", "/us-west-2", "sts/us-west-2/x", "STS/us west"])
def test_an_unusable_scope(scope: str) -> None:
    """It is a service and a region."""
    with pytest.raises(UpstreamError, match="name of a service"):
        RequestSigner.of(scope)
