"""What the operator has of its own in Alibaba Cloud: its node's role and its default chain."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from keywright.api.errors import FailureClass
from keywright.api.sensitive import Sensitive
from keywright.clouds.http import HttpResponse, Timeouts, TransportError
from keywright.clouds.interfaces import Session
from tests.unit.clouds.alibaba.contexts import (
    USER,
    Own,
    Scripted,
    ScriptedHttp,
    opened,
    refused,
)
from tests.unit.fakes.clock import NOON

METADATA = "http://100.100.100.200/latest"
ROLES = f"{METADATA}/meta-data/ram/security-credentials/"
HELD = Session(
    access_key_id="LTAI9",
    secret_access_key=Sensitive("planted"),
    session_token=None,
    issued_at=NOON,
    expires_at=None,
    identity="",
)


def _answer(**fields: str) -> HttpResponse:
    content = {
        "Code": "Success",
        "AccessKeyId": "STS.1",
        "AccessKeySecret": "planted",
        "SecurityToken": "planted",
        "Expiration": "2026-11-22T18:00:00Z",
    }
    return HttpResponse(200, json.dumps(content | fields).encode())


@pytest.mark.parametrize("named", [True, False])
async def test_the_node_is_asked_in_hardened_mode(*, named: bool) -> None:
    """A token first, which every question carries; the node's role where the source names none."""
    answers: dict[str, HttpResponse | Exception] = {
        f"{METADATA}/api/token": HttpResponse(200, b"t0ken"),
        ROLES: HttpResponse(200, b"node\n"),
        f"{ROLES}node": _answer(),
    }
    scripted = Scripted(answers=answers, own=Own(None))
    spec = {"roleName": "node"} if named else {}
    found = await opened(scripted, ecsRamRole=spec)
    assert found.expires_at == NOON + timedelta(hours=6)
    methods = [(method, url) for method, url, _, _ in scripted.http.requested]
    requested = [("GET", f"{ROLES}node")] if named else [("GET", ROLES), ("GET", f"{ROLES}node")]
    assert methods == [("PUT", f"{METADATA}/api/token"), *requested]
    assert all(
        headers == {"X-aliyun-ecs-metadata-token": "t0ken"}
        for method, _, headers, _ in scripted.http.requested
        if method == "GET"
    )
    assert {limits for *_, limits in scripted.http.requested} == {Timeouts(1, 1)}


@pytest.mark.parametrize(
    "token", [HttpResponse(403, b""), TransportError("100.100.100.200 did not answer in time")]
)
async def test_the_plain_mode_must_be_allowed(token: HttpResponse | Exception) -> None:
    """Only with disableImdsV1: false, and only where the hardened one fails."""
    answers: dict[str, HttpResponse | Exception] = {
        f"{METADATA}/api/token": token,
        f"{ROLES}node": _answer(),
    }
    scripted = Scripted(answers=answers, own=Own(None))
    failure = await refused(scripted, ecsRamRole={"roleName": "node"})
    assert failure.reason == "MetadataUnavailable"
    spec = {"roleName": "node", "disableImdsV1": False}
    await opened(scripted, ecsRamRole=spec)
    assert scripted.http.requested[-1][2] == {}


class RefusedToken(ScriptedHttp):
    """A metadata service that gives a token and takes none."""

    @override
    async def request(self, method: str, url: str, **requested: Any) -> HttpResponse:
        answer = await super().request(method, url, **requested)
        return (
            HttpResponse(403, b"")
            if "X-aliyun-ecs-metadata-token" in requested["headers"]
            else answer
        )


async def test_a_refused_token_leads_to_the_plain_mode_where_that_is_allowed() -> None:
    """As the vendor's document says; with disableImdsV1: true it is a failure."""
    answers: dict[str, HttpResponse | Exception] = {
        f"{METADATA}/api/token": HttpResponse(200, b"t0ken"),
        ROLES: HttpResponse(200, b"node"),
        f"{ROLES}node": _answer(),
    }
    scripted = Scripted(own=Own(None))
    scripted.http = RefusedToken(answers)
    failure = await refused(scripted, ecsRamRole={})
    assert (failure.reason, failure.kind) == ("MetadataUnavailable", FailureClass.TRANSIENT)
    assert "HTTP 403" in failure.message
    await opened(scripted, ecsRamRole={"disableImdsV1": False})
    assert [headers for _, _, headers, _ in scripted.http.requested][-2:] == [{}, {}]


@pytest.mark.parametrize(
    ("role", "answer", "says"),
    [
        (b"node", HttpResponse(404, b""), "knows no such role"),
        (b"node", HttpResponse(500, b""), "answers with HTTP 500"),
        (b"node", HttpResponse(200, b"planted"), "gives no credentials of role node"),
        (b"node", _answer(Code="Failed"), "gives no credentials of role node"),
        (b"node", _answer(Expiration="soon"), "gives no credentials of role node"),
        (b"<html>", _answer(), "whose name is none"),
        (b"", _answer(), "whose name is none"),
    ],
)
async def test_a_node_that_answers_otherwise_is_told(
    role: bytes, answer: HttpResponse, says: str
) -> None:
    """Tried again, and nothing of the answer quoted."""
    answers: dict[str, HttpResponse | Exception] = {
        f"{METADATA}/api/token": HttpResponse(200, b"t0ken"),
        ROLES: HttpResponse(200, role),
        f"{ROLES}node": answer,
    }
    failure = await refused(Scripted(answers=answers, own=Own(None)), ecsRamRole={})
    assert (failure.kind, failure.reason) == (FailureClass.TRANSIENT, "MetadataUnavailable")
    assert says in failure.message


@pytest.mark.parametrize("way", ["ecsRamRole", "defaultChain"])
async def test_without_the_flag_nothing_is_lent(way: str) -> None:
    """And nothing is asked."""
    scripted = Scripted()
    failure = await refused(scripted, **{way: {}})
    assert (failure.reason, failure.kind) == ("AmbientNotAllowed", FailureClass.CONFIGURATION)
    assert "--allow-ambient" in failure.remedy
    assert (scripted.http.requested, scripted.sts.requested) == ([], [])


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "AmbientNotFound"),
        (
            Session("STS.1", Sensitive("planted"), None, NOON, NOON, ""),
            "AmbientNotFound",
        ),
        (HELD, ""),
    ],
)
async def test_the_default_chain_is_the_operators_own(found: Session | None, reason: str) -> None:
    """If it finds no valid credentials, that is reported; what it finds is verified."""
    scripted = Scripted(own=Own(found))
    if reason:
        assert (await refused(scripted, defaultChain={})).reason == reason
    else:
        assert (await opened(scripted, defaultChain={})).identity == USER
