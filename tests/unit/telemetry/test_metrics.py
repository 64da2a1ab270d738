"""What a scrape tells."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keywright.api.errors import Failure, FailureClass
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.queue import DelayingQueue
from keywright.planning.priority import Urgency
from keywright.telemetry.metrics import GrantSample, Metrics, SourceSample
from tests.unit.fakes.clock import FakeClock

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


def test_no_series_outlives_its_source() -> None:
    """Ready, the session's expiry if there is one, and whether the last verification failed."""
    sources = [
        SourceSample("chat", "bedrock", ready=True, failing=True, expires_at=300.0),
        SourceSample("chat", "new", ready=False, failing=False, expires_at=None),
    ]
    metrics = Metrics()
    metrics.watch(grants=list, sources=lambda: sources, queue_depth=lambda: 0, leads=lambda: True)
    found = _samples(metrics)
    assert found["keywright_source_ready['bedrock', 'chat']"] == 1
    assert found["keywright_source_ready['chat', 'new']"] == 0
    assert found["keywright_source_verification_failing['bedrock', 'chat']"] == 1
    assert found["keywright_source_verification_failing['chat', 'new']"] == 0
    assert found["keywright_source_expiration_timestamp_seconds['bedrock', 'chat']"] == 300
    assert "keywright_source_expiration_timestamp_seconds['chat', 'new']" not in found
    sources.clear()
    assert "chat" not in metrics.text().decode()


def test_requests_to_clouds_are_counted_by_operation_and_status() -> None:
    """With a bounded set of statuses: an endpoint of a tenant's choice sends any."""
    metrics = Metrics()
    for status in (200, 403, 418, 499, 599, 999, None):
        metrics.cloud_request("AWS", "sts:AssumeRole", status=status, seconds=0.1)
    found = _samples(metrics)
    counter = "keywright_cloud_requests_total"
    counted = {name: value for name, value in found.items() if name.startswith(counter)}
    assert counted == {
        "keywright_cloud_requests_total['200', 'AWS', 'sts:AssumeRole']": 1,
        "keywright_cloud_requests_total['403', 'AWS', 'sts:AssumeRole']": 1,
        "keywright_cloud_requests_total['4xx', 'AWS', 'sts:AssumeRole']": 2,
        "keywright_cloud_requests_total['5xx', 'AWS', 'sts:AssumeRole']": 1,
        "keywright_cloud_requests_total['6xx', 'AWS', 'sts:AssumeRole']": 1,
        "keywright_cloud_requests_total['AWS', 'none', 'sts:AssumeRole']": 1,
    }
    seconds = "keywright_cloud_request_duration_seconds"
    assert found[f"{seconds}_count['AWS', 'sts:AssumeRole']"] == 7


def test_requests_to_the_kubernetes_api_are_counted_by_verb_resource_and_status() -> None:
    """Statuses are a bounded set, and a series that exists is found again."""
    metrics = Metrics()
    for status in (200, 200, 409, 418, None):
        metrics.api_request("patch", "secrets", status=status, seconds=0.1)
    metrics.api_request("get", "leases", status=200, seconds=0.2)
    found = _samples(metrics)
    counter = "keywright_api_requests_total"
    assert {name: value for name, value in found.items() if name.startswith(counter)} == {
        f"{counter}['200', 'patch', 'secrets']": 2,
        f"{counter}['409', 'patch', 'secrets']": 1,
        f"{counter}['4xx', 'patch', 'secrets']": 1,
        f"{counter}['none', 'patch', 'secrets']": 1,
        f"{counter}['200', 'get', 'leases']": 1,
    }
    seconds = "keywright_api_request_duration_seconds"
    assert found[f"{seconds}_count['patch', 'secrets']"] == 5
    assert found[f"{seconds}_sum['get', 'leases']"] == 0.2


def test_work_that_waits_is_shown_by_urgency() -> None:
    """Each urgency has a series, also if nothing of it waits."""
    clock = FakeClock()
    places = {
        "expired": (Urgency.ENDED, 0.0),
        "due": (Urgency.ENDING, 0.0),
        "due too": (Urgency.ENDING, 1.0),
        "new": (Urgency.NEW, 0.0),
    }
    queue = DelayingQueue(now=clock, order=lambda key: places[key])
    metrics = Metrics()
    metrics.watch(
        grants=list,
        queue_depth=queue.depth,
        leads=lambda: True,
        due_by_urgency=queue.due_by_urgency,
        deferred_statuses=queue.rests,
    )
    for key in places:
        queue.add(key)

    async def finish() -> None:
        return None

    queue.push_rest("written", DeferredStatusWrite(finish))
    found = _samples(metrics)
    name = "keywright_queue_depth_by_urgency"
    assert {key: value for key, value in found.items() if key.startswith(name)} == {
        f"{name}['expired']": 1,
        f"{name}['renewal']": 2,
        f"{name}['normal']": 1,
        f"{name}['retry']": 0,
    }
    assert found["keywright_deferred_statuses[]"] == 1


def test_a_renewal_is_late_from_its_planned_time() -> None:
    """One before its time, as for a request, counts as punctual."""
    metrics = Metrics()
    for late in (-3600.0, 0.2, 7.0):
        metrics.renewed(late=late, margin=10.0)
    metrics.renewed(late=0.0, margin=None)
    found = _samples(metrics)
    assert found["keywright_renewal_lateness_seconds_count[]"] == 4
    assert found["keywright_renewal_lateness_seconds_sum[]"] == pytest.approx(7.2)
    assert found["keywright_renewal_lateness_seconds_bucket['0.1']"] == 2
    assert found["keywright_renewal_margin_used_ratio_bucket['0.5']"] == 2
    assert found["keywright_renewal_margin_used_ratio_count[]"] == 3
