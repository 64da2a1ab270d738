"""Readers of Alibaba Cloud's formats: what a pod does with such a Secret."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from testbed.certificates import Authority
from testbed.readers import PollingReader, alibaba, sidecars
from testbed.readers.answers import requested
from testbed.readers.clients import CLIENTS
from tests.testbed.alibaba import ACCOUNT, Member, reported
from tests.testbed.kubernetes import SecretServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testbed.readers import Reading
    from testbed.readers.answers import Answer
    from tests.testbed.world import Tenant

SESSION_READERS = [
    alibaba.ENV,
    alibaba.FILES,
    alibaba.CLI_CONFIG,
    alibaba.SECTION,
    sidecars.ALIBABA,
]


def _data(given: dict[str, str]) -> dict[str, str]:
    """The Secret's data in all formats of Alibaba Cloud, from the Credentials of an answer."""
    key, secret, token = (
        given[name] for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")
    )
    fields = {"access_key_id": key, "access_key_secret": secret}
    profile = {"name": "default", "mode": "StsToken", **fields, "sts_token": token}
    section = {"enable": "true", "type": "sts", **fields, "security_token": token}
    lines = "".join(f"{name} = {value}\n" for name, value in section.items())
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": token,
        **given,
        "config.json": json.dumps({"current": "default", "profiles": [profile]}),
        "credentials.ini": f"[default]\n{lines}",
        "credentials.json": json.dumps({"Code": "Success", **given}),
    }


def _session(member: Member) -> dict[str, str]:
    answer = member.assume()
    assert reported(answer) == (200, "None")
    return dict(answer.content["Credentials"])


def _call(reader: str, data: dict[str, str], member: Member) -> Answer:
    environment = member.cloud.client_environment()

    def ask() -> str:
        with contextlib.closing(CLIENTS[reader](data, cloud_environment=environment)) as pod:
            return pod.ask()

    return requested(reader, ask, data=data)


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[SecretServer]:
    """An API server with one Secret."""
    server = SecretServer(Authority(tmp_path / "cluster"))
    yield server
    server.stop()


@pytest.mark.parametrize("reader", SESSION_READERS)
def test_a_session_is_used(member: Member, reader: str) -> None:
    """From the environment, from files, from a profile, from a section, from the sidecar."""
    answer = _call(reader, _data(_session(member)), member)
    assert answer.error is None
    assert answer.text == f"acs:ram::{ACCOUNT}:assumed-role/{member.name}/keywright"


@pytest.mark.parametrize("reader", SESSION_READERS)
def test_an_ended_session_is_told(member: Member, reader: str) -> None:
    """In the cloud's words, and no secret is in them."""
    session = _session(member)
    member.cloud.revoke_session(session["AccessKeyId"])
    answer = _call(reader, _data(session), member)
    assert "Specified SecurityToken is expired" in (answer.error or "")
    assert session["SecurityToken"] not in (answer.error or "")
    assert session["AccessKeySecret"] not in (answer.error or "")


def test_a_bearer_token_is_used(member: Member) -> None:
    """By Cloud Call Center, until it ends."""
    data = {"apiKey": member.cloud.create_bearer_token(seconds=60)}
    assert _call(alibaba.BEARER, data, member).text == "ccc-test"
    member.cloud.set_clock(offset_seconds=61)
    assert "invalid or expired" in (_call(alibaba.BEARER, data, member).error or "")


def test_a_credential_that_is_over_is_not_handed_out(member: Member) -> None:
    """The sidecar refuses it before the cloud would."""
    session = {**_session(member), "Expiration": "2020-01-01T00:00:00Z"}
    answer = _call(sidecars.ALIBABA, _data(session), member)
    assert "http_code=503" in (answer.error or "")
    assert "credentials.json is over: see the grant" in (answer.error or "")
    assert session["AccessKeySecret"] not in (answer.error or "")


def test_pods_go_on_through_renewals(
    member: Member, kubernetes: SecretServer, tmp_path: Path
) -> None:
    """Mounted files and the sidecar: started once, six sessions seen, no call failed."""
    clients = (alibaba.FILES, alibaba.SECTION, sidecars.ALIBABA)
    member.cloud.limit_sessions(seconds=60)
    kubernetes.put(_data(_session(member)), revision="1")
    with PollingReader(
        tmp_path,
        kubeconfig=kubernetes.kubeconfig(tmp_path),
        namespace="team-a",
        secret="chat",
        cloud_environment=member.cloud.client_environment(),
        interval_seconds=0.01,
        clients=clients,
    ) as reader:
        previous: dict[str, str] = {}
        for revision in ("1", "2", "3", "4", "5", "6"):
            if revision != "1":
                previous = _session(member)
                kubernetes.put(_data(previous), revision=revision)
            reader.wait_until(_requested_by(clients, revision), seconds=30)
        assert reader.failures() == []
        member.cloud.revoke_session(previous["AccessKeyId"])
        reader.wait_until(lambda seen: not seen[-1].ok, seconds=30)
        said = reader.report.read_text()
    assert "Specified SecurityToken is expired" in said
    assert previous["AccessKeySecret"] not in said


def test_an_aws_sdk_goes_on_through_renewals(
    tenant: Tenant, kubernetes: SecretServer, tmp_path: Path
) -> None:
    """boto3 with the container endpoint of the sidecar: one process, six sessions, no failure."""
    tenant.cloud.limit_sessions(seconds=60)
    clients = (sidecars.AWS,)
    with PollingReader(
        tmp_path,
        kubeconfig=kubernetes.kubeconfig(tmp_path),
        namespace="team-a",
        secret="chat",
        cloud_environment=tenant.cloud.client_environment(),
        interval_seconds=0.01,
        clients=clients,
    ) as reader:
        for revision in ("1", "2", "3", "4", "5", "6"):
            session = tenant.session()
            printed: dict[str, Any] = {
                "Version": 1,
                "AccessKeyId": session.access_key_id,
                "SecretAccessKey": session.secret_key,
                "SessionToken": session.token,
                "Expiration": session.expires_at.isoformat(),
            }
            kubernetes.put({"credential-process.json": json.dumps(printed)}, revision=revision)
            reader.wait_until(_requested_by(clients, revision), seconds=30)
        assert reader.failures() == []
        tenant.cloud.revoke_session(session.access_key_id)
        reader.wait_until(lambda seen: not seen[-1].ok, seconds=30)
        assert "expired" in (reader.failures()[0].error or "")


def _requested_by(clients: tuple[str, ...], revision: str) -> Callable[[list[Reading]], bool]:
    """Whether each of these has asked with the Secret of that revision."""

    def seen(readings: list[Reading]) -> bool:
        requested_by = {reading.client for reading in readings if reading.revision == revision}
        return requested_by >= set(clients)

    return seen
