"""Readers of session credentials and of API Gateway keys: what a pod does with those Secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from testbed.certificates import Authority
from testbed.readers import PollingReader, aws_env, aws_process, http_api, openai_chat
from tests.testbed.api_gateway import Partner
from tests.testbed.kubernetes import SecretServer
from tests.testbed.world import REGION, allow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testbed.readers import Reading
    from testbed.readers.answers import Answer
    from tests.testbed.world import Temporary, Tenant

PROCESS = (aws_process.IDENTITY, aws_process.CONVERSE)
READERS = [
    aws_env.call_identity,
    aws_env.call_converse,
    aws_process.call_identity,
    aws_process.call_converse,
]


def _data(session: Temporary) -> dict[str, str]:
    """The Secret's data in the formats AwsEnv and AwsCredentialProcess."""
    printed = {
        "Version": 1,
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": session.expires_at.isoformat(),
    }
    process = "cat /var/run/keywright/credential-process.json"
    return {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_key,
        "AWS_SESSION_TOKEN": session.token,
        "AWS_REGION": REGION,
        "credential-process.json": json.dumps(printed),
        "config": f"[default]\ncredential_process = {process}\nregion = {REGION}\n",
    }


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[SecretServer]:
    """An API server with one Secret."""
    server = SecretServer(Authority(tmp_path / "cluster"))
    yield server
    server.stop()


@pytest.mark.parametrize("reader", READERS)
def test_session_credentials_are_used(tenant: Tenant, reader: Callable[..., Answer]) -> None:
    """From the environment and from a process, for STS and for Bedrock."""
    answer = reader(_data(tenant.session()), cloud_environment=tenant.cloud.client_environment())
    assert answer.error is None
    name = tenant.role_name
    assert answer.text in {
        f"arn:aws:sts::123456789012:assumed-role/{name}/keywright",
        "You said: Is the key good?",
    }


@pytest.mark.parametrize("reader", READERS)
def test_an_ended_session_is_told(tenant: Tenant, reader: Callable[..., Answer]) -> None:
    """In AWS's words, and no secret is in them."""
    session = tenant.session()
    tenant.cloud.revoke_session(session.access_key_id)
    answer = reader(_data(session), cloud_environment=tenant.cloud.client_environment())
    assert "The security token included in the request is expired" in (answer.error or "")
    assert session.token not in (answer.error or "")


def test_a_process_lives_through_renewals(
    tenant: Tenant, kubernetes: SecretServer, tmp_path: Path
) -> None:
    """An SDK with credential_process is started once, sees five sessions, and never fails."""
    tenant.cloud.limit_sessions(seconds=20)
    kubernetes.put(_data(tenant.session()), revision="1")
    with PollingReader(
        tmp_path,
        kubeconfig=kubernetes.kubeconfig(tmp_path),
        namespace="team-a",
        secret="chat",
        cloud_environment=tenant.cloud.client_environment(),
        interval_seconds=0.01,
        clients=PROCESS,
    ) as reader:
        for revision in ("1", "2", "3", "4", "5", "6"):
            if revision != "1":
                previous = tenant.session()
                kubernetes.put(_data(previous), revision=revision)
            reader.wait_until(_requested_by(PROCESS, revision), seconds=30)
        assert reader.failures() == []
        tenant.cloud.revoke_session(previous.access_key_id)
        reader.wait_until(lambda seen: not seen[-1].ok, seconds=30)
        reported = reader.failures()[0].error or ""
    assert "expired" in reported
    assert previous.secret_key not in reader.report.read_text()


def test_an_api_key_is_used(tenant: Tenant) -> None:
    """The API's response shows which key it was; a refusal is passed on unchanged."""
    partner = Partner(tenant)
    made = partner.key(partner.plan())
    environment = {**tenant.cloud.client_environment(), "API_URL": f"{partner.api.url}/orders"}
    good = http_api.call({"X_API_KEY": made["value"]}, cloud_environment=environment)
    assert json.loads(good.text)["apiKeyId"] == made["id"]
    partner.client.delete_api_key(apiKey=made["id"])
    bad = http_api.call({"X_API_KEY": made["value"]}, cloud_environment=environment)
    assert bad.error == 'RefusedError: 403 {"message": "Forbidden"}'


def test_an_api_key_is_polled(tenant: Tenant, kubernetes: SecretServer, tmp_path: Path) -> None:
    """A partner that reads the Secret before each call goes from one key to the next."""
    partner = Partner(tenant)
    plan = partner.plan()
    environment = {**tenant.cloud.client_environment(), "API_URL": f"{partner.api.url}/orders"}
    with PollingReader(
        tmp_path,
        kubeconfig=kubernetes.kubeconfig(tmp_path),
        namespace="team-a",
        secret="chat",
        cloud_environment=environment,
        interval_seconds=0.01,
        clients=[http_api.NAME],
    ) as reader:
        for revision in ("1", "2", "3"):
            kubernetes.put({"X_API_KEY": partner.key(plan)["value"]}, revision=revision)
            reader.wait_until(_requested_by([http_api.NAME], revision), seconds=30)
        assert reader.failures() == []


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_openai_asks_mantle(tenant: Tenant, prefix: str) -> None:
    """The openai reader takes a model that the address has."""
    tenant.cloud.put_role_policy(
        role=tenant.role_name, name="mantle", document=allow("bedrock-mantle:*")
    )
    url = f"https://bedrock-mantle.{REGION}.api.aws{prefix}"
    data = {**tenant.data(tenant.key()), "OPENAI_BASE_URL": url}
    answer = openai_chat.call(data, cloud_environment=tenant.cloud.client_environment())
    assert answer.error is None


def _requested_by(
    clients: tuple[str, ...] | list[str], revision: str
) -> Callable[[list[Reading]], bool]:
    """Whether each of these has asked with the Secret of that revision."""

    def seen(readings: list[Reading]) -> bool:
        requested = {reading.client for reading in readings if reading.revision == revision}
        return requested >= set(clients)

    return seen
