"""What goes wrong on demand: faults, a node that is strict, credentials URIs to be wary of."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from testbed.clouds.alibaba import UriAnswer
from tests.testbed.alibaba import (
    Member,
    reported,
)

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/latest/meta-data/ram/security-credentials/", {}, 403),
        ("PUT", "/latest/api/token", {}, 400),
        ("PUT", "/latest/api/token", {"X-aliyun-ecs-metadata-token-ttl-seconds": "21601"}, 400),
        (
            "GET",
            "/latest/meta-data/ram/security-credentials/",
            {"X-aliyun-ecs-metadata-token": "unknown"},
            403,
        ),
    ],
)
def test_metadata_without_a_token_is_refused(
    member: Member, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """In hardened mode, that is without v1."""
    member.cloud.allow_metadata_v1(allowed=False)
    connection = http.client.HTTPConnection("127.0.0.1", member.cloud.proxy_port, timeout=5)
    connection.request(method, f"http://100.100.100.200{path}", headers=headers)
    assert connection.getresponse().status == status
    connection.close()
    member.cloud.allow_metadata_v1(allowed=True)


def test_faults_come_on_demand(member: Member) -> None:
    """Throttling and 5xx in the vendor's form, for as many calls as asked; a lost answer."""
    for code, status in (("Throttling.User", 400), ("ServiceUnavailable", 503)):
        member.cloud.fail_next("sts", "AssumeRole", code=code, message="later", status=status)
        assert reported(member.assume()) == (status, code)
        assert member.assume().status == 200
    member.cloud.lose_answer("sts", "AssumeRole")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        member.assume()
    assert member.cloud.calls(action="AssumeRole")[-1].status == 200


@pytest.mark.parametrize("host", ["oss.aliyuncs.com", "ram.aliyuncs.com"])
def test_a_service_that_is_not_emulated_says_so(member: Member, host: str) -> None:
    """404, never a wrong answer."""
    answer = member.get({}, host=host)
    assert (answer.status, answer.content) == (404, {"message": f"{host} is not emulated"})


def test_a_credentials_uri_may_answer_badly(member: Member) -> None:
    """A redirect, and ten megabytes, for a client to be wary of."""
    seen = {}
    for kind in ("redirect", "large", "ended"):
        uri = urlsplit(member.cloud.create_credentials_uri(member.role_arn, answer=UriAnswer(kind)))
        connection = http.client.HTTPConnection(str(uri.hostname), uri.port, timeout=5)
        connection.request("GET", uri.path)
        answer = connection.getresponse()
        seen[kind] = (answer.status, len(answer.read()) > 10_000_000)
        connection.close()
    assert seen == {"redirect": (302, False), "large": (200, True), "ended": (200, False)}


def test_a_credentials_uri_may_be_slow(member: Member) -> None:
    """A delay of its service: a client that waits less gives up."""
    uri = urlsplit(member.cloud.create_credentials_uri(member.role_arn))
    member.cloud.delay("credentials-uri", seconds=0.5)
    connection = http.client.HTTPConnection(str(uri.hostname), uri.port, timeout=0.1)
    connection.request("GET", uri.path)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
