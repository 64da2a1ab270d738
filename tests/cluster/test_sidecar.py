"""`keywright serve-credentials` beside an SDK, with a Secret that the operator renews."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.readers import PollingReader, Reading, proxied, sidecars
from tests.cluster.tenants import GRANT, Tenant

_FROZEN = (proxied.OPENAI, proxied.STREAM, proxied.BOTO3, proxied.HTTP)


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
    """Twenty renewals with sessions of ten seconds: no call of openai, boto3 or plain HTTP fails.

    Each client is started once, with the address of the proxy and a placeholder as its key.
    """
    tenant.world.aws.limit_sessions(seconds=10)
    tenant.become_ready()
    with PollingReader(
        tmp_path,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=GRANT,
        cloud_environment=tenant.world.aws.client_environment(),
        clients=list(_FROZEN),
    ) as reader:
        reader.wait_until(_twenty_renewals, seconds=20 * 10 + 60)
    assert reader.failures() == []
    assert {reading.client for reading in reader.readings()} == set(_FROZEN)
