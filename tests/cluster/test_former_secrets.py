"""A changed `spec.secret.name`: the old Secret is reported, cleared, and free for other grants."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.former import NEW, SPEC, former, is_cleared, rename
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.rollouts import events, let_restart, workload
from tests.cluster.tenants import GRANT, KEY, Tenant, condition

pytestmark = pytest.mark.long

_FOREIGN: dict[str, Any] = {
    "metadata": {"labels": {"theirs": "x"}, "annotations": {"example.com/note": "theirs"}},
    "data": {"foreign": base64.b64encode(b"theirs").decode()},
}


def test_a_former_secret_is_cleared_and_free_for_others(tenant: Tenant) -> None:
    """Keys, labels, annotations and owner go; another grant takes the name, without `adopt`."""
    tenant.become_ready(secret=SPEC)
    uid = tenant.secret()["metadata"]["uid"]
    rename(tenant)
    eventually(lambda: is_cleared(tenant))
    secret = tenant.secret()
    assert secret["metadata"]["uid"] == uid
    assert not secret.get("data")
    assert not secret["metadata"].get("annotations")
    assert not secret["metadata"].get("labels")
    eventually(lambda: former(tenant).get("cleared"))
    assert not condition(tenant.status(), "FormerSecretLeft")
    (note,) = eventually(lambda: events(tenant, "FormerSecretLeft"))
    assert f"Secret {GRANT}" in note
    assert "spec.secret.formerSecretPolicy" in note
    assert len(eventually(lambda: events(tenant, "FormerSecretCleared"))) == 1
    assert tenant.data(NEW)[KEY].startswith("bedrock-api-key-")
    tenant.apply_grant(name="second", secret={"name": GRANT})
    tenant.ready(name="second")
    assert tenant.secret()["metadata"]["uid"] == uid
    assert tenant.data()[KEY].startswith("bedrock-api-key-")


def test_a_grant_that_waits_for_the_name_has_it_at_once(tenant: Tenant) -> None:
    """Until then, its condition names the grant that left the Secret behind."""
    tenant.become_ready(secret={"formerSecretPolicy": "Retain"})
    rename(tenant)
    tenant.apply_grant(name="second", secret={"name": GRANT})
    reported = tenant.reported("SecretConflict", name="second")
    message = condition(reported, "SecretConflict")["message"]
    assert f"was left behind by ApiKeyGrant {tenant.namespace}/{GRANT}" in message
    tenant.edit_grant(secret={"formerSecretPolicy": "Clear"})
    tenant.ready(name="second")


def test_foreign_content_survives(tenant: Tenant) -> None:
    """What others have written beside the key is theirs."""
    tenant.become_ready()
    tenant.patch(tenant.secret_path(), _FOREIGN)
    rename(tenant)
    eventually(lambda: is_cleared(tenant))
    secret = tenant.secret()
    assert tenant.data() == {"foreign": "theirs"}
    assert secret["metadata"]["labels"] == {"theirs": "x"}
    assert secret["metadata"]["annotations"] == {"example.com/note": "theirs"}


def test_marks_that_a_backup_tool_shares_go_as_well(tenant: Tenant) -> None:
    """It has applied the whole Secret as it was, so that an apply of ours removes nothing of it."""
    tenant.become_ready()
    secret = tenant.secret()
    for field in ("managedFields", "resourceVersion", "uid", "creationTimestamp"):
        secret["metadata"].pop(field)
    tenant.world.api.apply(secret, manager="backup")
    rename(tenant)
    eventually(lambda: is_cleared(tenant))
    eventually(lambda: former(tenant).get("cleared"))


def test_a_retained_secret_stays_as_it_is(tenant: Tenant) -> None:
    """`formerSecretPolicy: Retain` leaves it; status and Event say so until it is deleted."""
    tenant.become_ready(secret={"formerSecretPolicy": "Retain"})
    before = tenant.secret()
    rename(tenant)
    reported = eventually(lambda: condition(tenant.status(), "FormerSecretLeft"))
    assert reported["reason"] == "Retained"
    assert eventually(lambda: events(tenant, "FormerSecretLeft")) == [reported["message"]]
    assert tenant.secret() == before
    tenant.world.api.delete(tenant.secret_path())
    eventually(lambda: not former(tenant))
    assert not condition(tenant.status(), "FormerSecretLeft")


def test_a_secret_with_the_marks_of_another_is_never_emptied(tenant: Tenant) -> None:
    """Another uid, also under the same name, is another grant."""
    tenant.become_ready(secret={"formerSecretPolicy": "Retain"})
    rename(tenant)
    mark = f"{tenant.namespace}/{GRANT} 00000000-0000-0000-0000-000000000000"
    tenant.patch(tenant.secret_path(), {"metadata": {"annotations": {"keywright.dev/owner": mark}}})
    before = tenant.secret()
    tenant.edit_grant(secret={"formerSecretPolicy": "Clear"})
    eventually(lambda: not former(tenant))
    assert tenant.secret() == before
    assert len(eventually(lambda: events(tenant, "FormerSecretLeftAlone"))) == 1


def test_an_immutable_secret_is_reported_until_it_is_deleted(tenant: Tenant) -> None:
    """Its data cannot be removed: condition and Event say what to do."""
    tenant.become_ready()
    tenant.patch(tenant.secret_path(), {"immutable": True})
    rename(tenant)
    reported = tenant.reported("FormerSecretLeft", reason="ClearingFailed")
    message = former(tenant)["message"]
    assert message in condition(reported, "FormerSecretLeft")["message"]
    assert "immutable" in message
    assert "Delete the Secret" in message
    assert condition(tenant.status(), "Ready")["status"] == "True"
    tenant.world.api.delete(tenant.secret_path())
    eventually(lambda: not former(tenant))
    assert not condition(tenant.status(), "FormerSecretLeft")


def test_a_deleted_secret_is_forgotten(tenant: Tenant) -> None:
    """Deleted by hand while the grant was suspended, so that nothing was cleared yet."""
    tenant.become_ready()
    tenant.edit_grant(suspend=True)
    tenant.reported("Ready", reason="Suspended")
    tenant.world.api.delete(tenant.secret_path())
    tenant.edit_grant(suspend=False, secret={"name": NEW})
    tenant.reported("Ready", and_=lambda status: status.get("secretName") == NEW)
    eventually(lambda: not former(tenant))
    assert not tenant.has_secret()


@pytest.mark.parametrize("policy", ["Clear", "Retain"])
def test_a_name_that_is_changed_back_is_served(tenant: Tenant, policy: str) -> None:
    """Whether the old Secret was cleared or not; the other one is left behind then."""
    tenant.become_ready(secret={"formerSecretPolicy": policy})
    rename(tenant)
    if policy == "Clear":
        eventually(lambda: former(tenant).get("cleared"))
    rename(tenant, GRANT)
    assert tenant.data()[KEY].startswith("bedrock-api-key-")
    eventually(lambda: not former(tenant))
    eventually(lambda: former(tenant, NEW))
    if policy == "Clear":
        eventually(lambda: is_cleared(tenant, NEW))
    assert condition(tenant.status(), "Ready")["status"] == "True"


def test_a_secret_in_the_way_is_not_reported_as_left_behind(tenant: Tenant) -> None:
    """The new name is that of another's Secret, and is changed back."""
    tenant.become_ready()
    metadata = {"name": NEW, "namespace": tenant.namespace}
    tenant.world.api.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": _FOREIGN["data"]}
    )
    tenant.edit_grant(secret={"name": NEW})
    refused = tenant.reported("Stalled", reason="SecretConflict")
    assert (refused["secretName"], refused["formerSecrets"]) == (GRANT, [])
    tenant.edit_grant(secret={"name": GRANT})
    tenant.reported("Ready", and_=lambda status: status["observedGeneration"] == 3)
    assert not tenant.status()["formerSecrets"]
    assert events(tenant, "FormerSecretLeft") == []


def test_a_rollout_is_awaited(tenant: Tenant) -> None:
    """Workloads that read the old Secret keep it until they are restarted."""
    let_restart(tenant)
    tenant.world.api.apply(workload(tenant, "Deployment", "concierge"))
    restarted = {"restart": [{"kind": "Deployment", "name": "concierge"}]}
    tenant.become_ready(rollout=restarted)
    rename(tenant)
    eventually(lambda: is_cleared(tenant), seconds=60)
    assert not condition(tenant.status(), "RolloutProgressing")


@pytest.fixture
def make_lasting(world: World, operator: OperatorProcess) -> Iterator[Callable[[], LongTermTenant]]:
    """Makes namespaces whose grants are long-term keys."""
    assert operator.process.exit_code is None
    yield from tenants(world, name="renamed")


def test_a_managed_key_is_cleared_after_its_overlap(
    make_lasting: Callable[[], LongTermTenant],
) -> None:
    """The old Secret works as long as the old key does; back and forth one key stays valid."""
    lasting = make_lasting()
    before = lasting.key_ready(overlap="6s")
    old = lasting.data()
    rename(lasting)
    reported = condition(lasting.status(), "FormerSecretLeft")
    assert reported["reason"] == "Pending"
    assert lasting.works(old)
    assert lasting.data() == old
    eventually(lambda: is_cleared(lasting), seconds=40)
    assert before["keyId"] not in lasting.listed()
    status = rename(lasting, GRANT)
    assert lasting.works()
    eventually(lambda: lasting.listed() == {status["keyId"]: "Active"}, seconds=40)
    eventually(lambda: is_cleared(lasting, NEW), seconds=40)
    lasting.world.api.delete(lasting.grant_path())
    eventually(lambda: lasting.listed() == {})


def test_a_name_that_is_changed_back_within_the_overlap_loses_no_key(
    make_lasting: Callable[[], LongTermTenant],
) -> None:
    """The first key is still valid: readers are served at each moment, and one key remains."""
    lasting = make_lasting()
    lasting.key_ready(overlap="30s")
    rename(lasting)
    assert not is_cleared(lasting)
    rename(lasting, GRANT)
    assert lasting.works()
    eventually(lambda: is_cleared(lasting, NEW), seconds=60)
    status = lasting.ready()
    assert lasting.works()
    eventually(lambda: lasting.listed() == {status["keyId"]: "Active"}, seconds=40)
    lasting.world.api.delete(lasting.grant_path())
    eventually(lambda: lasting.listed() == {})
