"""What the environment of the proxy adds to requests: nothing."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from testbed.certificates import Authority
from testbed.processes import free_port
from testbed.readers.sidecars import Sidecar

_KEY = "canary-api-key-5d1e"


@pytest.mark.asyncio
async def test_credentials_of_netrc_are_not_sent(tmp_path: Path) -> None:
    """With trust_env, aiohttp adds those of the host to requests that have no Authorization."""
    authority = Authority(tmp_path)
    certificate = authority.issue("upstream", hosts=["localhost"])
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password canary-netrc\n")
    netrc.chmod(0o600)
    received: list[dict[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        received.append(dict(request.headers))
        return web.Response(text="ok")

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    upstream, port = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", upstream, ssl_context=tls).start()
    sidecar = Sidecar(
        {"X_API_KEY": _KEY},
        arguments=(
            f"--proxy=https://localhost:{upstream}",
            f"--proxy-port={port}",
            "--proxy-path=/**",
            "--proxy-header=x-api-key",
        ),
        environment={"SSL_CERT_FILE": str(authority.certificate), "NETRC": str(netrc)},
    )
    try:
        sidecar.wait_for_port(port)
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{port}/orders") as response,
        ):
            assert response.status == 200, await response.text()
    finally:
        sidecar.close()
        await runner.cleanup()
    (headers,) = received
    assert headers["x-api-key"] == _KEY
    assert "Authorization" not in headers
