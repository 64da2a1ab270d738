"""Twenty renewals, with continuous calls of a client."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from testbed.readers import PollingReader
from tests.cluster.tenants import GRANT, Tenant
from tests.cluster.tier import Record

_RENEWALS = 20
_SESSION_SECONDS = 10


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_reader_ever_sees_an_expired_or_missing_key(
    tenant: Tenant, tmp_path: Path, record_property: Record
) -> None:
    """Over twenty renewals with sessions of ten seconds, not one call of a reader is refused.

    boto3, openai and plain HTTP take turns in a process of their own, five calls a second; each
    renewal precedes the expiry that the one before had reported.
    """
    tenant.world.aws.limit_sessions(seconds=_SESSION_SECONDS)
    tenant.become_ready()
    reader = PollingReader(
        tmp_path,
        kubeconfig=tenant.world.cluster.kubeconfig,
        namespace=tenant.namespace,
        secret=GRANT,
        cloud_environment=tenant.world.aws.client_environment(),
    )
    with reader:
        reader.wait_until(
            lambda readings: len({reading.revision for reading in readings}) > _RENEWALS,
            seconds=_RENEWALS * _SESSION_SECONDS + 60,
        )
    readings = reader.readings()
    record_property("calls of readers", len(readings))
    assert reader.failures() == []
    # It begins with whatever revision stands when it is up, and then misses none.
    seen = list(dict.fromkeys(int(reading.revision or 0) for reading in readings))
    assert seen == list(range(seen[0], seen[0] + _RENEWALS + 1))
    assert {reading.client for reading in readings} == {
        *("boto3-converse", "openai-chat", "http-converse"),
    }
    left = [
        datetime.fromisoformat(reading.expires_at).timestamp() - reading.time
        for reading in readings
        if reading.expires_at
    ]
    record_property("least life left at a call, seconds", round(min(left), 2))
    assert min(left) > 0
