"""Secrets as earlier versions wrote them: owner and warning had other annotation names."""

from __future__ import annotations

from collections.abc import Callable

from keywright.api.names import FIELD_MANAGER
from tests.cluster.eventually import eventually
from tests.cluster.rollouts import events
from tests.cluster.tenants import GRANT, Tenant

_OWNER, _LEGACY_OWNER = "keywright.dev/owner", "keywright.dev/granted-by"
_SERVER_SET = ("managedFields", "resourceVersion", "uid", "creationTimestamp")


def _make_legacy(tenant: Tenant, *, also_by: str = "") -> None:
    """Apply the Secret as an earlier version did; `also_by` applies the same content after it."""
    secret = tenant.secret()
    metadata = secret["metadata"]
    for field in _SERVER_SET:
        metadata.pop(field)
    metadata["annotations"][_LEGACY_OWNER] = metadata["annotations"].pop(_OWNER)
    tenant.world.api.apply(secret, manager=FIELD_MANAGER)
    if also_by:
        tenant.world.api.apply(secret, manager=also_by)
    assert _owners(tenant).keys() == {_LEGACY_OWNER}


def _owners(tenant: Tenant) -> dict[str, str]:
    annotations = tenant.secret()["metadata"].get("annotations") or {}
    return {name: annotations[name] for name in (_OWNER, _LEGACY_OWNER) if name in annotations}


def _expected(tenant: Tenant) -> dict[str, str]:
    return {_OWNER: f"{tenant.namespace}/{GRANT} {tenant.grant()['metadata']['uid']}"}


def _request_renewal(tenant: Tenant) -> None:
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": "2031-01-01T00:00:00Z"})


def test_a_secret_of_an_earlier_version_is_owned_until_its_next_write_renames_the_annotation(
    tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """Nothing is written or issued because of the old name; a renewal then replaces it."""
    tenant.become_ready()
    _make_legacy(tenant)
    version = tenant.secret()["metadata"]["resourceVersion"]
    barrier()
    assert tenant.secret()["metadata"]["resourceVersion"] == version
    assert tenant.ready()["revision"] == 1
    _request_renewal(tenant)
    tenant.revision(2)
    assert _owners(tenant) == _expected(tenant)


def test_a_grant_restored_without_status_keeps_the_key_of_a_legacy_secret(
    tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """The old annotation alone names the owner: the key stays, and the new uid is written."""
    before = tenant.become_ready()
    data, sessions = tenant.data(), tenant.session_calls()
    _make_legacy(tenant)
    tenant.world.api.request("DELETE", tenant.grant_path(), query={"propagationPolicy": "Orphan"})
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()))
    tenant.patch(tenant.secret_path(), {"metadata": {"ownerReferences": None}})
    tenant.apply_grant()
    after = tenant.ready()
    eventually(lambda: _owners(tenant) == _expected(tenant))
    barrier()
    assert (after["revision"], after["issuedAt"]) == (before["revision"], before["issuedAt"])
    assert tenant.data() == data
    assert tenant.session_calls() == sessions


def test_an_old_annotation_that_a_backup_tool_owns_too_is_removed(tenant: Tenant) -> None:
    """An apply leaves it, since the other manager still wants it; the names never stay both."""
    tenant.become_ready()
    _make_legacy(tenant, also_by="backup")
    _request_renewal(tenant)
    tenant.revision(2)
    eventually(lambda: _owners(tenant) == _expected(tenant))


def test_a_forged_old_annotation_changes_nothing(
    tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """Next to the current one it does not count, and the next write removes it."""
    tenant.become_ready()
    data = tenant.data()
    tenant.patch(
        tenant.secret_path(), {"metadata": {"annotations": {_LEGACY_OWNER: "other/grant 0000"}}}
    )
    barrier()
    assert tenant.ready()["revision"] == 1
    assert tenant.data() == data
    _request_renewal(tenant)
    tenant.revision(2)
    eventually(lambda: _owners(tenant) == _expected(tenant))


def test_a_forged_old_annotation_in_place_of_the_owner_is_repaired(tenant: Tenant) -> None:
    """A tenant who replaces the owner by the old name gets it back, without a new key."""
    tenant.become_ready()
    data = tenant.data()
    forged = {_OWNER: None, _LEGACY_OWNER: "other/grant 0000"}
    tenant.patch(tenant.secret_path(), {"metadata": {"annotations": forged}})
    eventually(lambda: _owners(tenant) == _expected(tenant))
    assert tenant.ready()["revision"] == 1
    assert tenant.data() == data


def test_a_former_secret_of_an_earlier_version_is_cleared(tenant: Tenant) -> None:
    """After a change of `spec.secret.name`, nothing of the grant stays under the old name."""
    tenant.become_ready()
    _make_legacy(tenant)
    tenant.edit_grant(secret={"name": "renamed"})
    tenant.ready(name=GRANT)
    eventually(lambda: not tenant.secret()["metadata"].get("annotations"))
    assert not tenant.secret().get("data")
    assert len(eventually(lambda: events(tenant, "FormerSecretCleared"))) == 1
