"""A CA bundle that changes on disk, against a TLS server of this machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from keywright.clouds.addresses import Reach
from keywright.clouds.connections import Authorities
from keywright.clouds.http import HttpClient, Timeouts, TransportError
from testbed.certificates import Authority
from tests.unit.clouds.test_rate_limit import Watch

_LIMITS = Timeouts(connect_seconds=1, read_seconds=1)


class Place:
    """A bundle without and with the server's authority, and calls to the server."""

    def __init__(self, directory: Path, *, url: str, watch: Watch) -> None:
        self.authority = Authority(directory / "ca", name="proxy")
        self.other = Authority(directory / "other", name="other")
        self.bundle = directory / "bundle.pem"
        self.watch = watch
        self.url = url

    def trust(self, *authorities: Authority) -> None:
        """Replace the bundle, as the kubelet does: another file under the same name."""
        new = self.bundle.with_suffix(".new")
        new.write_text("".join(each.certificate.read_text() for each in authorities))
        new.replace(self.bundle)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A server with a certificate of an authority that is not trusted yet."""

    async def ok(request: web.Request) -> web.Response:
        # Not kept alive: each call checks the certificate.
        return web.Response(text=request.path, headers={"Connection": "close"})

    application = web.Application()
    application.router.add_get("/", ok)
    made = Place(tmp_path, url="", watch=Watch())
    certificate = made.authority.issue("server", hosts=("localhost", "127.0.0.1"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=context)
    try:
        made.url = f"https://127.0.0.1:{server.port}/"
        yield made
    finally:
        await server.close()


async def _ask(http: HttpClient, url: str) -> int:
    answer = await http.request(
        "GET", url, limits=_LIMITS, reach=Reach.OPERATOR, tenant="chat", headers={}
    )
    return answer.status


async def test_a_changed_bundle_is_read_again(place: Place) -> None:
    """Case 11: an added CA is trusted within seconds, and a CA that was dropped no longer is."""
    place.trust(place.other)
    http = HttpClient(authorities=Authorities(bundle=str(place.bundle), clock=place.watch))
    try:
        with pytest.raises(TransportError, match="Certificate"):
            await _ask(http, place.url)
        place.trust(place.other, place.authority)
        place.watch.seconds += 11
        assert await _ask(http, place.url) == 200
        place.trust(place.other)
        place.watch.seconds += 11
        with pytest.raises(TransportError, match="Certificate"):
            await _ask(http, place.url)
    finally:
        await http.close()


async def test_a_bundle_that_is_being_written_leaves_the_former_one_in_use(place: Place) -> None:
    """Renewals go on; the bundle is tried again ten seconds later."""
    place.trust(place.authority)
    http = HttpClient(authorities=Authorities(bundle=str(place.bundle), clock=place.watch))
    try:
        assert await _ask(http, place.url) == 200
        place.bundle.write_text("-----BEGIN CERTIFICATE-----\nhalf of it")
        for _ in range(3):
            place.watch.seconds += 11
            assert await _ask(http, place.url) == 200
        place.trust(place.other)
        place.watch.seconds += 11
        with pytest.raises(TransportError, match="Certificate"):
            await _ask(http, place.url)
    finally:
        await http.close()


async def test_an_unchanged_bundle_is_read_once(place: Place) -> None:
    """Reading takes 60 ms of processor time."""
    place.trust(place.authority)
    authorities = Authorities(bundle=str(place.bundle), clock=place.watch)
    first = await authorities.context()
    for _ in range(5):
        place.watch.seconds += 60
        assert await authorities.context() is first


async def test_a_refused_certificate_reads_the_bundle_again_every_ten_seconds(
    place: Place,
) -> None:
    """Also where the file shows no change; not more often, whatever is asked."""
    place.trust(place.authority)
    authorities = Authorities(bundle=str(place.bundle), clock=place.watch)
    first = await authorities.context()
    authorities.refused()
    place.watch.seconds += 5
    assert await authorities.context() is first
    place.watch.seconds += 6
    assert await authorities.context() is not first
