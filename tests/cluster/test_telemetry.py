"""What the operator shows of itself over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from prometheus_client.parser import text_string_to_metric_families

from testbed.operators import OperatorProcess
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, SOURCE, Tenant

_OF_A_GRANT = {
    "keywright_grant_expiration_timestamp_seconds": "expiresAt",
    "keywright_grant_renewal_timestamp_seconds": "renewAt",
}


def samples(operator: OperatorProcess, **labels: str) -> dict[str, float]:
    """The samples of a scrape that carry these labels, by name."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(operator.get("/metrics"))
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


def test_health_is_told(operator: OperatorProcess) -> None:
    """/livez and /readyz say ok, and /metrics says which replica works and which version it is."""
    assert operator.get("/livez") == "ok\n"
    assert operator.get("/readyz") == "ok\n"
    found = samples(operator)
    assert found["keywright_leader"] == 1
    assert found["keywright_build_info"] == 1
    assert "keywright_queue_depth" in found


def test_a_grant_is_measured_while_it_lives(operator: OperatorProcess, tenant: Tenant) -> None:
    """Expiry, renewal and readiness are those of the status; with the grant its series are gone."""
    status = tenant.become_ready()
    found = samples(operator, namespace=tenant.namespace, name=GRANT)
    assert found.pop("keywright_grant_ready") == 1
    assert found == {
        name: datetime.fromisoformat(status[field]).timestamp()
        for name, field in _OF_A_GRANT.items()
    }
    tenant.world.api.delete(tenant.grant_path())
    # The series of its source have the same namespace.
    eventually(lambda: not samples(operator, namespace=tenant.namespace, name=GRANT))


def test_a_source_and_the_requests_to_its_cloud_are_measured(
    operator: OperatorProcess, tenant: Tenant
) -> None:
    """The readiness of the source, and the operations that its session took."""
    tenant.become_ready()
    tenant.source_reported("Ready")
    found = samples(operator, namespace=tenant.namespace, name=SOURCE)
    assert found["keywright_source_ready"] == 1
    assert found["keywright_source_verification_failing"] == 0
    assert found["keywright_source_expiration_timestamp_seconds"] > time.time()
    requested = {"cloud": "AWS", "operation": "sts:AssumeRoleWithWebIdentity"}
    assert samples(operator, **requested, code="200")["keywright_cloud_requests_total"] >= 1
    assert samples(operator, **requested)["keywright_cloud_request_duration_seconds_count"] >= 1


def test_requests_to_the_kubernetes_api_are_measured(
    operator: OperatorProcess, tenant: Tenant
) -> None:
    """The two writes of a key, and kopf's watches; what waits has a series for each urgency."""
    tenant.become_ready()
    for resource, code in (("secrets", "201"), ("apikeygrants/status", "200")):
        requested = {"verb": "patch", "resource": resource}
        assert samples(operator, **requested, code=code)["keywright_api_requests_total"] >= 1
        assert samples(operator, **requested)["keywright_api_request_duration_seconds_count"] >= 1
    watched = samples(operator, verb="watch", resource="apikeygrants", code="200")
    assert watched["keywright_api_requests_total"] >= 1
    assert samples(operator, resource="other", verb="patch") == {}
    for urgency in ("expired", "renewal", "normal", "retry"):
        assert "keywright_queue_depth_by_urgency" in samples(operator, urgency=urgency)
    assert "keywright_deferred_statuses" in samples(operator)


def test_a_grant_that_is_not_ready_says_so(operator: OperatorProcess, tenant: Tenant) -> None:
    """A grant without a key has a series too, for alerts on what never worked."""
    tenant.apply_grant()
    tenant.reported("Ready", status="False")
    assert samples(operator, namespace=tenant.namespace) == {"keywright_grant_ready": 0}


def test_mints_are_counted_by_outcome(
    operator: OperatorProcess, tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """`keywright_mint_total` tells kind, result and reason; durations are a histogram."""

    def count(result: str, reason: str) -> float:
        labels = {"kind": "bedrockShortTermKey", "result": result, "reason": reason}
        return samples(operator, **labels).get("keywright_mint_total", 0)

    before, refused = count("success", "New"), count("Denied", "New")
    tenant.become_ready()
    assert count("success", "New") == before + 1
    assert samples(operator)["keywright_mint_duration_seconds_count"] >= 1
    tenant.apply_source(name="stranger", roleArn=f"{tenant.role_arn}-missing")
    tenant.apply_grant(name="denied", source="stranger")
    tenant.reported("Ready", status="False", name="denied")
    barrier()
    assert count("Denied", "New") > refused


def test_a_failure_and_its_end_are_events(tenant: Tenant) -> None:
    """`kubectl describe` shows why a grant is not Ready, once, and that it has recovered."""

    def events() -> list[tuple[str, str]]:
        path = f"/apis/events.k8s.io/v1/namespaces/{tenant.namespace}/events"
        listed = tenant.world.api.get(path, query={"limit": "100"})["items"]
        ours = [event for event in listed if event["regarding"]["kind"] == "ApiKeyGrant"]
        ours.sort(key=lambda event: str(event["eventTime"]))
        return [(event["type"], event["reason"]) for event in ours]

    tenant.apply_grant()
    tenant.reported("Ready", status="False", reason="SourceNotFound")
    tenant.apply_source()
    tenant.ready()
    eventually(lambda: len(events()) >= 3, reported=events)
    first, *others = events()
    assert first == ("Warning", "SourceNotFound")
    assert sorted(others) == [("Normal", "Issued"), ("Normal", "Recovered")]
