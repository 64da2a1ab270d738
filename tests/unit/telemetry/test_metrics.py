"""What a scrape tells."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keywright.api.errors import Failure, FailureClass
from keywright.telemetry.metrics import GrantSample, Metrics

READING = GrantSample("chat", "chat-key", ready=True, expires_at=200.0, renews_at=100.0)
EMPTY = GrantSample("chat", "new", ready=False, expires_at=None, renews_at=None)


def _samples(metrics: Metrics) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_no_series_outlives_its_grant() -> None:
    """Rule 16: grants are read at the scrape; a deleted one is gone from the next."""
    grants = [READING, EMPTY]
    metrics = Metrics()
    metrics.watch(grants=lambda: grants, queue_depth=lambda: 3, leads=lambda: True)
    found = _samples(metrics)
    assert found["keywright_grant_expiration_timestamp_seconds['chat', 'chat-key']"] == 200
    assert found["keywright_grant_renewal_timestamp_seconds['chat', 'chat-key']"] == 100
    assert found["keywright_grant_ready['chat', 'chat-key']"] == 1
    assert found["keywright_grant_ready['chat', 'new']"] == 0
    assert "keywright_grant_expiration_timestamp_seconds['chat', 'new']" not in found
    assert (found["keywright_queue_depth[]"], found["keywright_leader[]"]) == (3, 1)
    grants.clear()
    assert "chat" not in metrics.text().decode()


async def test_mints_are_counted_by_kind_result_and_cause() -> None:
    """The class of a failure is its result; only a success has a duration."""
    metrics = Metrics()

    async def good() -> str:
        return "key"

    async def bad() -> str:
        raise Failure("no.", kind=FailureClass.DENIED, reason="AccessDenied")

    assert await metrics.timed_mint("bedrockShortTermKey", "New", good) == "key"
    with pytest.raises(Failure):
        await metrics.timed_mint("bedrockShortTermKey", "Due", bad)
    found = _samples(metrics)
    assert found["keywright_mint_total['New', 'bedrockShortTermKey', 'success']"] == 1
    assert found["keywright_mint_total['Denied', 'Due', 'bedrockShortTermKey']"] == 1
    assert found["keywright_mint_duration_seconds_count['bedrockShortTermKey']"] == 1


def test_the_version_is_told() -> None:
    """One series, by which a rollout can be watched."""
    metrics = Metrics()
    metrics.watch(grants=list, queue_depth=lambda: 0, leads=lambda: False)
    assert [k for k in _samples(metrics) if k.startswith("keywright_build_info")]
