"""/metrics behind TLS and authorization, and its certificate."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from keywright.telemetry.certificates import ServingCertificate
from keywright.telemetry.http import MetricsListener, TelemetryServer


def certificate(directory: Path | None = None) -> ServingCertificate:
    """One of the operator's own, or from files."""
    return ServingCertificate(directory, host="keywright.test.svc", now=datetime.now(UTC))


def put_files(directory: Path, *, name: str) -> None:
    """A certificate of that name, as cert-manager would write it."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", f"/CN={name}"),
            *("-keyout", directory / "tls.key", "-out", directory / "tls.crt"),
        ],
        check=True,
        capture_output=True,
    )


class Scraper:
    """A server with TLS, and its client."""

    def __init__(self, serving: ServingCertificate) -> None:
        self.seen: list[str | None] = []
        self.status = 200
        self.server = TelemetryServer(
            host="127.0.0.1",
            port=0,
            live=str,
            ready=str,
            metrics=lambda: b"keywright_leader 1\n",
            listener=MetricsListener(
                "127.0.0.1", 0, certificate=serving, authorize=self._authorize
            ),
        )

    async def _authorize(self, authorization: str | None) -> int:
        self.seen.append(authorization)
        return self.status

    async def scrape(self) -> tuple[int, str, str]:
        """Status, body, and the name in the certificate."""
        host, port = self.server.metrics_address
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
            session.get(
                f"https://{host}:{port}/metrics",
                headers={"Authorization": "Bearer t"},
                ssl=context,
            ) as answer,
        ):
            status, text = answer.status, await answer.text()
        pem = await asyncio.to_thread(ssl.get_server_certificate, (host, port))
        return status, text, x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string()


@pytest.fixture
async def scraper() -> AsyncIterator[Scraper]:
    """Listening, with a certificate of its own."""
    made = Scraper(certificate())
    await made.server.start()
    yield made
    await made.server.stop()


async def test_whoever_may_reads_metrics_by_tls(scraper: Scraper) -> None:
    """The Authorization header is what decides."""
    status, text, _ = await scraper.scrape()
    assert (status, text) == (200, "keywright_leader 1\n")
    assert scraper.seen == ["Bearer t"]


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "bearer token"), (403, "keywright-metrics-reader"), (503, "could not be asked")],
)
async def test_a_refusal_says_what_to_do(scraper: Scraper, status: int, words: str) -> None:
    """And no metric."""
    scraper.status = status
    found, text, _ = await scraper.scrape()
    assert found == status
    assert words in text
    assert "keywright_leader" not in text


async def test_probes_have_no_metrics_beside_them(scraper: Scraper) -> None:
    """Every client that reaches the pod can use the kubelet's port."""
    host, port = scraper.server.address
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{host}:{port}/metrics") as answer,
    ):
        assert answer.status == 404


async def test_a_certificate_that_rotates_is_served_at_the_next_connection(tmp_path: Path) -> None:
    """Half-written files change nothing."""
    put_files(tmp_path, name="first")
    made = Scraper(certificate(tmp_path))
    await made.server.start()
    try:
        _, _, first = await made.scrape()
        (tmp_path / "tls.crt").write_text("half")
        assert (await made.scrape())[0] == 200
        put_files(tmp_path, name="second")
        await made.scrape()
        status, _, second = await made.scrape()
        assert status == 200
        assert "first" in first
        assert "second" in second
    finally:
        await made.server.stop()


def test_a_missing_certificate_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Not an endpoint that no client can read."""
    with pytest.raises(FileNotFoundError):
        certificate(tmp_path)
