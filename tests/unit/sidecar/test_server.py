"""The sidecar's responses: what it returns, to which client, and when it does not."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from keywright.sidecar.authorization import AuthorizationToken
from keywright.sidecar.server import CredentialServer
from testbed.processes import free_port

NOW = datetime(2026, 11, 22, 17, tzinfo=UTC)


class Mount:
    """A Secret's volume as the kubelet writes it: directories, and a link that is swapped."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._revision = 0

    def write(self, *, secret: str, ends: datetime = NOW + timedelta(hours=1)) -> None:
        """Both files again, in one step."""
        end = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
        process = {"AccessKeyId": "A", "SecretAccessKey": secret, "SessionToken": "t"}
        uri = {"AccessKeyId": "A", "AccessKeySecret": secret, "SecurityToken": "t"}
        self.put(
            {
                "credential-process.json": json.dumps({"Version": 1, **process, "Expiration": end}),
                "credentials.json": json.dumps({"Code": "Success", **uri, "Expiration": end}),
            }
        )

    def put(self, files: dict[str, str]) -> None:
        """These files, in one step."""
        self._revision += 1
        fresh = self.directory / f"..{self._revision}"
        fresh.mkdir()
        for name, text in files.items():
            (fresh / name).write_text(text)
            link = self.directory / name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / name)
        draft = self.directory / "..data_tmp"
        draft.symlink_to(fresh.name)
        draft.replace(self.directory / "..data")


class Client:
    """Asks the sidecar, and remembers the time that it thinks it is."""

    def __init__(self, directory: Path, *, with_token: bool = True) -> None:
        self.now = NOW
        self.mount = Mount(directory / "mounted")
        self.mount.directory.mkdir()
        self.token_file = directory / "token"
        self._port = free_port()
        self._http = aiohttp.ClientSession()
        self.server = CredentialServer(
            self.mount.directory,
            port=self._port,
            token=AuthorizationToken(self.token_file) if with_token else None,
            clock=lambda: self.now,
        )

    async def get(
        self, path: str, *, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        """Status and body."""
        url = f"http://127.0.0.1:{self._port}{path}"
        async with self._http.get(url, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def aws(self) -> tuple[int, dict[str, str]]:
        """As an AWS SDK asks."""
        return await self.get("/aws", headers={"Authorization": self.token_file.read_text()})

    async def stop(self) -> None:
        """End both sides."""
        await self._http.close()
        await self.server.stop()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """A sidecar that runs, with nothing mounted yet."""
    made = Client(tmp_path)
    await made.server.start()
    yield made
    await made.stop()


async def test_both_conventions_are_served(client: Client) -> None:
    """Alibaba Cloud's credentials URI and AWS's container endpoint, each in its own words."""
    client.mount.write(secret="first")
    status, alibaba = await client.get("/alibaba-cloud")
    assert (status, alibaba["Code"], alibaba["AccessKeySecret"]) == (200, "Success", "first")
    status, aws = await client.aws()
    assert (status, aws["SecretAccessKey"], aws["Token"]) == (200, "first", "t")


async def test_a_renewed_secret_is_served_at_once(client: Client) -> None:
    """The kubelet swaps a link; the next request has the new key."""
    for secret in ("first", "second", "third"):
        client.mount.write(secret=secret)
        assert (await client.get("/alibaba-cloud"))[1]["AccessKeySecret"] == secret
        assert (await client.aws())[1]["SecretAccessKey"] == secret


async def test_aws_asks_for_the_token(client: Client) -> None:
    """Without it, or with another, 401 and no credential."""
    client.mount.write(secret="first")
    for headers in ({}, {"Authorization": "another"}, {"Authorization": ""}):
        status, reported = await client.get("/aws", headers=headers)
        assert status == 401
        assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in reported["message"]


async def test_without_a_token_file_nothing_is_served_to_aws(tmp_path: Path) -> None:
    """404; an endpoint without its token is no endpoint."""
    made = Client(tmp_path, with_token=False)
    await made.server.start()
    made.mount.write(secret="first")
    url = f"http://127.0.0.1:{made._port}/aws"
    async with made._http.get(url) as answer:
        assert answer.status == 404
    await made.stop()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9911", "10.0.0.7"])
async def test_another_host_is_refused(client: Client, host: str) -> None:
    """A request for a foreign name that resolves to the loopback address gets nothing."""
    client.mount.write(secret="first")
    status, _ = await client.get("/alibaba-cloud", headers={"Host": host})
    assert status == 403


async def test_a_missing_file_is_told(client: Client) -> None:
    """503 with the path and the remedy, in both forms."""
    for status, reported in (await client.get("/alibaba-cloud"), await client.aws()):
        assert status == 503
        assert "mount the Secret there" in (reported.get("Message") or reported["message"])


async def test_a_credential_that_is_over_is_not_served(client: Client) -> None:
    """503 from the second of its end on; a renewed one is served again."""
    client.mount.write(secret="first")
    client.now = NOW + timedelta(hours=1)
    for status, reported in (await client.get("/alibaba-cloud"), await client.aws()):
        assert status == 503
        assert "is over" in (reported.get("Message") or reported["message"])
    client.mount.write(secret="second", ends=client.now + timedelta(hours=1))
    assert (await client.aws())[1]["SecretAccessKey"] == "second"


async def test_a_reason_is_logged_once_and_without_values(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at each request, and again only after it was well in between."""
    caplog.set_level(logging.DEBUG)
    client.mount.put({"credentials.json": '{"Code":"Success","AccessKeySecret":"planted"}'})
    for _ in range(3):
        assert (await client.get("/alibaba-cloud"))[0] == 503
    assert caplog.text.count("not served") == 1
    client.mount.write(secret="planted")
    assert (await client.get("/alibaba-cloud"))[0] == 200
    client.now = NOW + timedelta(hours=2)
    assert (await client.get("/alibaba-cloud"))[0] == 503
    assert caplog.text.count("not served") == 2
    assert "planted" not in caplog.text


async def test_a_large_file_is_not_read(client: Client) -> None:
    """No Secret has more than a mebibyte."""
    client.mount.put({"credentials.json": " " * (1024 * 1024 + 1)})
    status, reported = await client.get("/alibaba-cloud")
    assert (status, "larger" in reported["Message"]) == (503, True)


def test_a_token_is_made_once(tmp_path: Path) -> None:
    """A restarted sidecar keeps it, so that an app need not notice; other users can read it."""
    file = tmp_path / "token"
    AuthorizationToken(file)
    first = file.read_text()
    assert AuthorizationToken(file).accepts(first)
    assert file.read_text() == first
    assert len(first) >= 32
    assert stat.S_IMODE(file.stat().st_mode) & stat.S_IROTH
