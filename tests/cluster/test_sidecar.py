"""`keywright serve-credentials` beside an SDK, with a Secret that the operator renews."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from testbed.readers import PollingReader, Reading, llm_app, node_sdks, proxied, sidecars
from testbed.readers.clients import ANTHROPIC, SLOW_ANTHROPIC
from tests.cluster.tenants import GRANT, Tenant

_NODE = (node_sdks.OPENAI, node_sdks.ANTHROPIC) if node_sdks.are_available() else ()
_SLOW_NODE = (node_sdks.SLOW_OPENAI,) if node_sdks.are_available() else ()
_FROZEN = (
    *(proxied.OPENAI, proxied.STREAM, proxied.BOTO3, proxied.CONVERSE_STREAM, ANTHROPIC),
    *(proxied.HTTP, proxied.REQUESTS, proxied.CURL, llm_app.NAME, *_NODE),
)
_STREAMS = (proxied.SLOW_STREAM, proxied.SLOW_CONVERSE, SLOW_ANTHROPIC, *_SLOW_NODE)


def _five_renewals(readings: list[Reading]) -> bool:
    """Counted from its first call: it may come up after the first of them."""
    return len({reading.expires_at for reading in readings}) > 5


def _twenty_renewals(readings: list[Reading]) -> bool:
    return len({reading.revision for reading in readings}) > 20


@pytest.mark.timeout(120)
def test_an_sdk_with_a_sidecar_lives_through_five_renewals(tenant: Tenant, tmp_path: Path) -> None:
    """One process of boto3 and as many ends of sessions; no call of it fails.

    With credentials from the sidecar, and with a placeholder behind the proxy that signs again.
    """
    tenant.world.aws.limit_sessions(seconds=8)
    tenant.apply_source()
    body = tenant.grant_body(bedrockShortTermKey=None, sessionCredentials={})
    body["spec"]["secret"] = {"formats": ["AwsCredentialProcess"]}
    tenant.world.api.apply(body)
    tenant.ready()
    with PollingReader(
        tmp_path,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=GRANT,
        cloud_environment=tenant.world.client_environment(),
        clients=[sidecars.AWS, proxied.STS],
    ) as reader:
        reader.wait_until(_five_renewals, seconds=90)
        assert reader.failures() == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_clients_that_never_read_their_key_live_behind_the_proxy(
    tenant: Tenant, tmp_path: Path
) -> None:
    """Twenty renewals with sessions of ten seconds: no call and no stream of an SDK fails.

    Each client is started once, with the address of the proxy and a placeholder as its key. The
    clients of one process call in turn, each about once a second; streams of eight seconds last
    across renewals.
    """
    if node_sdks.are_available():
        # The readers have the environment of the emulated cloud, through which npm reaches nothing.
        node_sdks.installed()
    tenant.world.aws.limit_sessions(seconds=10)
    tenant.become_ready()

    def reader(name: str, clients: Sequence[str]) -> PollingReader:
        return PollingReader(
            tmp_path / name,
            kubeconfig=tenant.world.cluster.kubeconfig,
            namespace=tenant.namespace,
            secret=GRANT,
            cloud_environment=tenant.world.aws.client_environment(),
            interval_seconds=0.05,
            clients=clients,
        )

    with reader("calls", _FROZEN) as calls, reader("streams", _STREAMS) as streams:
        calls.wait_until(_twenty_renewals, seconds=20 * 10 + 60)
    assert calls.failures() == []
    assert streams.failures() == []
    assert {reading.client for reading in calls.readings()} == set(_FROZEN)
    across = _across_a_renewal(streams.readings())
    assert {name for name in _STREAMS if across[name] < 2} == set()


def _across_a_renewal(readings: list[Reading]) -> Counter[str]:
    """How many streams of each client were open when the key was renewed.

    A reader reads the Secret before each stream: if the next one has another revision, the key was
    renewed meanwhile.
    """
    return Counter(
        stream.client
        for stream, following in pairwise(readings)
        if stream.revision != following.revision
    )


@pytest.mark.skipif(not node_sdks.are_available(), reason="no node and npm on this machine")
def test_the_sdks_for_node_are_installed_from_their_lock() -> None:
    """Where they are missing, the test above runs without them."""
    assert node_sdks.installed().exists()
