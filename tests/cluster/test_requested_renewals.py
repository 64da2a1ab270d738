"""A requested renewal results in new credentials, or in a reason why not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.cluster.eventually import eventually
from tests.cluster.gateway import PARTNER, GatewayTenant
from tests.cluster.tenants import Document, Tenant
from tests.cluster.test_sts_credentials import credentials_of

_GRANTS = 100


def ask(tenant: Tenant, value: str, *, name: str) -> None:
    """Request a renewal by annotation."""
    tenant.annotate_grant(name=name, **{"keywright.dev/renew-requested-at": value})


def now() -> str:
    """As the guide has it: RFC 3339, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def events(tenant: Tenant, *, name: str, reason: str) -> list[Document]:
    """The Events of a grant with that reason."""
    found: dict[str, Any] = tenant.world.api.get(
        f"/apis/events.k8s.io/v1/namespaces/{tenant.namespace}/events"
    )
    return [
        event
        for event in found["items"]
        if event["reason"] == reason and event["regarding"]["name"] == name
    ]


def calls(tenant: Tenant) -> int:
    """The sessions that STS has given out for the role of the tenant."""
    found = tenant.world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
    return sum(call.parameters.get("RoleArn") == tenant.role_arn for call in found)


def test_session_credentials_are_renewed_by_a_new_session(tenant: Tenant) -> None:
    """Not by the one that is leaked, however young it is; the Event says how to end the old one."""
    tenant.apply_source()
    tenant.world.api.apply(credentials_of(tenant, name="leaked"))
    before, old = tenant.ready(name="leaked"), tenant.data("leaked")
    value = now()
    ask(tenant, value, name="leaked")

    def answered(status: Document) -> bool:
        return status.get("lastHandledReconcileAt") == value

    after = tenant.reported("Ready", name="leaked", and_=answered)
    assert after["keyId"] != before["keyId"]
    assert after["revision"] == 2
    assert tenant.data("leaked")["AWS_SECRET_ACCESS_KEY"] != old["AWS_SECRET_ACCESS_KEY"]
    eventually(lambda: bool(events(tenant, name="leaked", reason="RenewalRequested")))
    (event,) = events(tenant, name="leaked", reason="RenewalRequested")
    assert f"stay valid until {before['expiresAt']}" in event["note"]
    assert "AWSRevokeOlderSessions" in event["note"]


def test_requests_of_one_time_cost_one_session(tenant: Tenant) -> None:
    """All grants of a source, asked for at once, share the new session."""
    tenant.apply_source()
    names = [f"shared-{number}" for number in range(_GRANTS)]
    for name in names:
        tenant.world.api.create(credentials_of(tenant, name=name))
    eventually(lambda: all(tenant.status(name).get("revision") == 1 for name in names), seconds=60)
    before, value = calls(tenant), now()
    for name in names:
        ask(tenant, value, name=name)
    eventually(lambda: all(tenant.status(name).get("revision") == 2 for name in names), seconds=60)
    assert len({tenant.status(name)["keyId"] for name in names}) == 1
    assert calls(tenant) == before + 1


def test_a_request_that_is_no_time_survives_a_lost_status(tenant: Tenant) -> None:
    """What `$(date)` wrote is remembered by its value, in the Secret as well."""
    tenant.become_ready()
    ask(tenant, "Fri Nov 27 01:11:24 UTC 2026", name="chat-key")
    tenant.reported("Ready", and_=lambda status: status["revision"] == 2)
    version = tenant.secret()["metadata"]["resourceVersion"]
    tenant.patch(f"{tenant.grant_path()}/status", {"status": None})
    tenant.reported("Ready", and_=lambda status: status["revision"] == 2)
    assert tenant.secret()["metadata"]["resourceVersion"] == version


def test_an_imported_value_cannot_be_renewed(
    new_gateway_tenant: Callable[[], GatewayTenant],
) -> None:
    """An imported value stays what it is: the Event says what to do."""
    tenant: GatewayTenant = new_gateway_tenant()
    tenant.put_input("value", tenant.value("imported"))
    before = tenant.key_ready(usagePlan={"id": tenant.plan()}, **tenant.value_from("value"))
    tenant.ask_for_renewal()
    eventually(lambda: bool(events(tenant, name=PARTNER, reason="RenewalNotPossible")))
    after = tenant.ready()
    assert (after["keyId"], after["revision"]) == (before["keyId"], before["revision"])
