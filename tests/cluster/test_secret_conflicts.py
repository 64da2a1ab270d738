"""A Secret of another owner is never changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, KEY, Tenant, condition


def _conflict(tenant: Tenant, *, name: str = GRANT) -> str:
    """The message of the conflict, once it is reported."""
    reported = tenant.reported("SecretConflict", reason="SecretConflict", name=name)
    assert condition(reported, "Ready")["status"] == "False"
    assert condition(reported, "Stalled")["reason"] == "SecretConflict"
    return str(condition(reported, "SecretConflict")["message"])


@pytest.mark.parametrize("labelled", [False, True], ids=["plain", "with-our-label"])
def test_a_foreign_secret_is_left_alone(tenant: Tenant, *, labelled: bool) -> None:
    """The grant says SecretConflict and what to do; the Secret keeps its resource version.

    After that Secret is gone, an edit of the grant makes it Ready.
    """
    version = tenant.create_secret(theirs="value")["metadata"]["resourceVersion"]
    if labelled:
        label = {"metadata": {"labels": {"keywright.dev/managed": "true"}}}
        version = tenant.patch(tenant.secret_path(), label)["metadata"]["resourceVersion"]
    tenant.apply_source()
    tenant.apply_grant()
    message = _conflict(tenant)
    assert "exists and is not ours" in message
    assert "spec.secret.adopt" in message
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": "2031-01-01T00:00:00Z"})
    tenant.edit_grant(bedrockShortTermKey={"duration": "11h"})
    _conflict(tenant)
    assert tenant.secret()["metadata"]["resourceVersion"] == version
    tenant.world.api.delete(tenant.secret_path())
    tenant.edit_grant(bedrockShortTermKey={"duration": "10h"})
    status = tenant.ready()
    assert not condition(status, "SecretConflict")
    assert tenant.data().keys() >= {KEY, "OPENAI_API_KEY"}


def test_adopt_takes_a_secret_over(tenant: Tenant) -> None:
    """`adopt: true` writes into the Secret that was there; what was in it stays beside it."""
    uid = tenant.create_secret(theirs="value")["metadata"]["uid"]
    tenant.apply_source()
    tenant.apply_grant()
    _conflict(tenant)
    tenant.edit_grant(secret={"adopt": True})
    tenant.ready()
    assert tenant.secret()["metadata"]["uid"] == uid
    assert tenant.data()["theirs"] == "value"
    assert tenant.data()[KEY].startswith("bedrock-api-key-")


def test_adopt_never_takes_another_grants_secret(tenant: Tenant) -> None:
    """`adopt: true` is for Secrets without an owner."""
    tenant.become_ready()
    key = tenant.data()[KEY]
    tenant.apply_grant(name="greedy", secret={"name": GRANT, "adopt": True})
    assert f"{tenant.namespace}/{GRANT}" in _conflict(tenant, name="greedy")
    assert tenant.data()[KEY] == key


def test_of_two_grants_the_older_keeps_the_secret(
    tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """The younger grant says who has the Secret, writes nothing, and has it when the other goes."""
    tenant.become_ready(name="older", secret={"name": "shared"})
    tenant.apply_grant(name="younger", secret={"name": "shared"})
    assert f"{tenant.namespace}/older" in _conflict(tenant, name="younger")
    mark = tenant.secret("shared")["metadata"]["annotations"]["keywright.dev/owner"]
    tenant.annotate_grant(
        name="older", **{"keywright.dev/renew-requested-at": "2031-01-01T00:00:00Z"}
    )
    tenant.revision(2, name="older")
    barrier()
    _conflict(tenant, name="younger")
    assert tenant.secret("shared")["metadata"]["annotations"]["keywright.dev/owner"] == mark
    tenant.world.api.delete(tenant.grant_path("older"))
    tenant.ready(name="younger", seconds=70)
    assert eventually(
        lambda: (
            "/younger " in tenant.secret("shared")["metadata"]["annotations"]["keywright.dev/owner"]
        )
    )


def test_a_secret_type_is_never_changed_silently(tenant: Tenant) -> None:
    """Another `spec.secret.type` is reported with its remedy; the Secret stays unchanged."""
    tenant.become_ready()
    before = tenant.data()
    tenant.edit_grant(secret={"type": "example.com/other"})
    reported = eventually(
        lambda: (
            condition(tenant.status(), "RenewalFailing") or condition(tenant.status(), "Stalled")
        )
    )
    assert reported["reason"] == "SecretTypeImmutable"
    assert "spec.secret.type" in reported["message"]
    assert tenant.secret()["type"] == "Opaque"
    assert tenant.data() == before
