"""A missing dependency of a grant is reported with its remedy; the grant recovers with it."""

from __future__ import annotations

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, SOURCE, Tenant, condition
from tests.data.invalid.table import Invalid, Refused, rows


def test_a_missing_source_is_told_and_heals(tenant: Tenant) -> None:
    """A grant may come before its source: it says what it waits for, and goes on with it."""
    tenant.apply_grant()
    reported = tenant.reported("Ready", status="False", reason="SourceNotFound")
    message = condition(reported, "Ready")["message"]
    assert f"there is no CredentialSource {SOURCE} in namespace {tenant.namespace}" in message
    assert "spec.sourceRef.name" in message
    assert condition(reported, "Reconciling")
    assert not condition(reported, "Stalled")
    tenant.apply_source()
    tenant.ready(seconds=5)


def test_a_source_that_goes_leaves_the_key(tenant: Tenant) -> None:
    """The key that is there lives on: Ready stays, RenewalFailing says why no other will come."""
    tenant.become_ready()
    before = tenant.data()
    tenant.world.api.delete(tenant.source_path())
    reported = tenant.reported("RenewalFailing", reason="SourceNotFound")
    assert condition(reported, "Ready")["status"] == "True"
    assert tenant.data() == before
    tenant.apply_source()
    eventually(lambda: not condition(tenant.status(), "RenewalFailing"))
    assert tenant.ready()["revision"] == 1


def test_a_missing_service_account_is_told_and_heals(tenant: Tenant) -> None:
    """The ServiceAccount is named with its namespace and the field; it may come later."""
    account = f"/api/v1/namespaces/{tenant.namespace}/serviceaccounts/chat-bedrock"
    tenant.world.api.delete(account)
    tenant.apply_source()
    tenant.apply_grant()
    reported = tenant.reported("Ready", status="False", reason="ServiceAccountNotFound")
    message = condition(reported, "Ready")["message"]
    assert f"no ServiceAccount chat-bedrock in namespace {tenant.namespace}" in message
    assert "serviceAccountRef.name" in message
    tenant.apply_file("serviceaccount.yaml")
    tenant.ready(seconds=40)


def test_a_missing_role_is_told_and_heals(tenant: Tenant) -> None:
    """Without the Role for its tokens, the condition names the one to apply, and heals by it."""
    role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant.namespace}/roles"
    tenant.world.api.delete(f"{role}/keywright-token-chat-bedrock")
    tenant.apply_source()
    tenant.apply_grant()
    reported = tenant.reported("Ready", status="False", reason="TokenRequestForbidden")
    message = condition(reported, "Ready")["message"]
    for words in ("serviceaccounts/token", "=chat-bedrock", tenant.namespace, "create role"):
        assert words in message
    assert not tenant.has_secret()
    tenant.apply_file("token-access.yaml")
    tenant.ready(seconds=40)


@pytest.mark.parametrize("invalid", rows(Refused.STALLED), ids=str)
def test_a_mistake_that_apply_lets_in_is_stalled(tenant: Tenant, invalid: Invalid) -> None:
    """What the API server cannot see, the operator says in Stalled, in the words of the table."""
    namespace = {"metadata": {"name": "invalid", "namespace": tenant.namespace}}
    if invalid.source_body is not None:
        tenant.world.api.apply(invalid.source_body | namespace)
    tenant.world.api.apply(invalid.body | namespace)
    source = invalid.kind == "CredentialSource"
    reported = (tenant.source_reported if source else tenant.reported)("Stalled", name="invalid")
    stalled = condition(reported, "Stalled")
    wanted = [words.replace("chat/", f"{tenant.namespace}/") for words in invalid.says]
    assert [words for words in wanted if words not in stalled["message"]] == []
    assert condition(reported, "Ready")["status"] == "False"
    assert not condition(reported, "Reconciling")


def test_a_wrong_grant_disturbs_nobody(tenant: Tenant) -> None:
    """A grant beside one that is Stalled is served as ever; the Stalled one heals by an edit."""
    tenant.apply_source()
    tenant.apply_grant(name="wrong", bedrockShortTermKey=None, bearerToken={}, secret=None)
    tenant.reported("Stalled", name="wrong")
    tenant.apply_grant()
    tenant.ready(seconds=5)
    tenant.edit_grant(name="wrong", bearerToken=None, bedrockShortTermKey={"duration": "12h"})
    tenant.ready(name="wrong", seconds=5)
    assert tenant.has_secret(GRANT)
