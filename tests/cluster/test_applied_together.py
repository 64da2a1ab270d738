"""Files of one example arrive in whatever order: a source that follows its grant is no incident."""

from __future__ import annotations

from tests.cluster.eventually import eventually
from tests.cluster.tenants import Tenant
from tests.cluster.test_requested_renewals import events


def test_a_source_that_follows_its_grant_is_no_warning(tenant: Tenant) -> None:
    """`kubectl apply -k` sends apikeygrant.yaml first; nothing is reported meanwhile."""
    tenant.apply_grant()
    tenant.apply_source()
    tenant.ready()
    assert events(tenant, name="chat-key", reason="SourceNotFound") == []


def test_a_source_that_does_not_follow_is_reported(tenant: Tenant) -> None:
    """After some seconds, as before."""
    tenant.apply_grant()
    tenant.reported("Ready", status="False", reason="SourceNotFound")
    eventually(lambda: bool(events(tenant, name="chat-key", reason="SourceNotFound")))
