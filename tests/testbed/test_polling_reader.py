"""The polling reader: a workload in its own process that notices any gap in a key's life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.certificates import Authority
from testbed.readers import PollingReader
from tests.testbed.kubernetes import SecretServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testbed.readers import Reading
    from tests.testbed.world import Tenant

CLIENTS = {"boto3-converse", "openai-chat", "http-converse"}


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[SecretServer]:
    """An API server with one Secret."""
    server = SecretServer(Authority(tmp_path / "cluster"))
    yield server
    server.stop()


@pytest.fixture
def reader(tenant: Tenant, kubernetes: SecretServer, tmp_path: Path) -> Iterator[PollingReader]:
    """The reader's process, polling as fast as it can."""
    with PollingReader(
        tmp_path,
        kubeconfig=kubernetes.kubeconfig(tmp_path),
        namespace="team-a",
        secret="chat",
        cloud_environment=tenant.cloud.client_environment(),
        interval_seconds=0.01,
    ) as running:
        yield running


def _all_clients(revision: str) -> Callable[[list[Reading]], bool]:
    """Whether every client has asked with the Secret of that revision."""

    def seen(readings: list[Reading]) -> bool:
        return {reading.client for reading in readings if reading.revision == revision} == CLIENTS

    return seen


def test_renewals_are_seen_and_no_call_fails(
    tenant: Tenant, kubernetes: SecretServer, reader: PollingReader, tmp_path: Path
) -> None:
    """Over renewals of keys that are valid for seconds, every call of every client is answered."""
    tenant.cloud.limit_sessions(seconds=15)
    keys = []
    for revision in ("1", "2", "3"):
        keys.append(tenant.key())
        kubernetes.put(tenant.data(keys[-1]), revision=revision)
        reader.wait_until(_all_clients(revision), seconds=30)
    assert reader.failures() == []
    assert reader.readings()[-1].expires_at == "later"
    reader.stop()
    report = "".join(file.read_text() for file in tmp_path.glob("team-a-chat.*"))
    assert not [key for key in keys if key in report or key[-64:] in report]


def test_an_expired_key_is_reported_by_every_client(
    tenant: Tenant, kubernetes: SecretServer, reader: PollingReader
) -> None:
    """Without renewals, the reader reports it with the message of each client."""
    kubernetes.put(tenant.data(tenant.key()), revision="1")
    reader.wait_until(_all_clients("1"), seconds=30)
    tenant.cloud.set_clock(offset_seconds=3700)
    reader.wait_until(
        lambda seen: {reading.client for reading in seen if not reading.ok} == CLIENTS, seconds=30
    )
    assert all(
        "Bearer Token has expired" in (reported.error or "") for reported in reader.failures()
    )


def test_an_unreadable_secret_is_reported_and_the_last_key_used(
    tenant: Tenant, kubernetes: SecretServer, reader: PollingReader
) -> None:
    """As a pod goes on with the environment it was started with."""
    kubernetes.put(tenant.data(tenant.key()), revision="1")
    reader.wait_until(_all_clients("1"), seconds=30)
    kubernetes.broken = True
    reader.wait_until(lambda seen: not seen[-1].ok or not seen[-2].ok, seconds=30)
    failures = reader.failures()
    assert {reported.client for reported in failures} == {"kubernetes"}
    assert failures[0].error == "HTTP 500"
