"""Changes to the Secret by hand are repaired; fields of others stay."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, KEY, Document, Tenant, condition
from tests.cluster.tier import Record

_REPAIRED_SECONDS = 5.0
_FOREIGN: dict[str, Any] = {
    "metadata": {"labels": {"team": "chat"}, "annotations": {"example.com/note": "ours"}},
    "data": {"foreign": base64.b64encode(b"theirs").decode()},
}
_PLANTED = base64.b64encode(b"planted-by-hand").decode()
_BOTH_KEYS = {KEY: _PLANTED, "OPENAI_API_KEY": _PLANTED}


@dataclass(frozen=True)
class Edit:
    """A merge patch of the Secret; whether the key can still be read, so that none is minted."""

    name: str
    patch: Mapping[str, Any]
    key_is_lost: bool = False

    def __str__(self) -> str:
        return self.name


def _annotation(name: str, value: str | None) -> Mapping[str, Any]:
    return {"metadata": {"annotations": {f"keywright.dev/{name}": value}}}


EDITS = (
    Edit("data-value", {"data": {KEY: _PLANTED}}),
    Edit("every-data-value", {"data": _BOTH_KEYS}, key_is_lost=True),
    Edit("data-key-removed", {"data": {"AWS_REGION": None}}),
    Edit("every-copy-removed", {"data": dict.fromkeys(_BOTH_KEYS)}, key_is_lost=True),
    Edit("owner-mark-removed", _annotation("owner", None)),
    Edit("owner-mark-forged", _annotation("owner", "other/grant 0000")),
    Edit("revision-edited", _annotation("revision", "77")),
    Edit("expiry-edited", _annotation("expires-at", "2031-01-01T00:00:00Z")),
    Edit("renewal-edited", _annotation("renew-at", "2031-01-01T00:00:00Z")),
    Edit("fingerprint-edited", _annotation("fingerprint", "0.0.0"), key_is_lost=True),
    Edit("label-removed", {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}),
    Edit("label-changed", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}),
    Edit("watch-label-removed", {"metadata": {"labels": {"keywright.dev/managed": None}}}),
    Edit("watch-label-changed", {"metadata": {"labels": {"keywright.dev/managed": "no"}}}),
    Edit("owner-reference-removed", {"metadata": {"ownerReferences": None}}),
)


def ours(secret: Document) -> Document:
    """The parts of a Secret that are not the foreign ones, nor of the server."""
    metadata = secret["metadata"]
    return {
        "data": {k: v for k, v in secret.get("data", {}).items() if k != "foreign"},
        "labels": {k: v for k, v in metadata.get("labels", {}).items() if k != "team"},
        "annotations": {
            k: v for k, v in metadata.get("annotations", {}).items() if k != "example.com/note"
        },
        "ownerReferences": metadata.get("ownerReferences"),
        "type": secret["type"],
    }


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_an_edited_secret_is_repaired(tenant: Tenant, edit: Edit, record_property: Record) -> None:
    """Whatever of ours is edited stands as before within five seconds, mostly without a new key.

    Labels, annotations and data keys that others added are there still.
    """
    tenant.become_ready()
    tenant.patch(tenant.secret_path(), _FOREIGN)
    before = ours(tenant.secret())
    tenant.patch(tenant.secret_path(), edit.patch)
    edited = time.monotonic()
    if edit.key_is_lost:
        eventually(lambda: tenant.revision(2), seconds=_REPAIRED_SECONDS)
        eventually(lambda: ours(tenant.secret())["data"].keys() == before["data"].keys())
        assert tenant.data()[KEY].startswith("bedrock-api-key-")
    else:
        eventually(
            lambda: ours(tenant.secret()) == before,
            seconds=_REPAIRED_SECONDS,
            reported=lambda: _difference(before, ours(tenant.secret())),
        )
        assert tenant.ready()["revision"] == 1
    took = time.monotonic() - edited
    record_property("repair, seconds", round(took, 3))
    assert took < _REPAIRED_SECONDS
    secret = tenant.secret()
    assert secret["metadata"]["labels"]["team"] == "chat"
    assert secret["metadata"]["annotations"]["example.com/note"] == "ours"
    assert tenant.data()["foreign"] == "theirs"


def test_a_deleted_secret_is_written_anew(tenant: Tenant, record_property: Record) -> None:
    """A Secret that was deleted is back within five seconds, with a key that works."""
    tenant.become_ready()
    old = tenant.secret()["metadata"]["uid"]
    tenant.world.api.delete(tenant.secret_path())
    deleted = time.monotonic()
    eventually(
        lambda: tenant.has_secret() and tenant.secret()["metadata"]["uid"] != old,
        seconds=_REPAIRED_SECONDS,
    )
    record_property("deleted secret back, seconds", round(time.monotonic() - deleted, 3))
    assert tenant.revision(2)["revision"] == 2
    assert tenant.data()[KEY].startswith("bedrock-api-key-")


def test_two_edits_at_once_are_both_repaired(tenant: Tenant) -> None:
    """Edits that come while a repair is under way are not lost."""
    tenant.become_ready()
    before = ours(tenant.secret())
    for edit in EDITS:
        if not edit.key_is_lost:
            tenant.patch(tenant.secret_path(), edit.patch)
    eventually(
        lambda: ours(tenant.secret()) == before,
        seconds=_REPAIRED_SECONDS,
        reported=lambda: _difference(before, ours(tenant.secret())),
    )


def test_deleting_the_grant_removes_the_secret(tenant: Tenant) -> None:
    """The Secret goes with its grant, by its owner reference."""
    tenant.become_ready()
    tenant.world.api.delete(tenant.grant_path())
    eventually(lambda: not tenant.has_secret(), seconds=40)


def test_a_grant_made_again_without_its_status_mints_nothing(
    tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """A restore from a backup, with another uid and no status, takes the good Secret as it is."""
    before = tenant.become_ready()
    data = tenant.data()
    requested = tenant.session_calls()
    tenant.world.api.request("DELETE", tenant.grant_path(), query={"propagationPolicy": "Orphan"})
    eventually(lambda: not tenant.world.api.exists(tenant.grant_path()))
    tenant.patch(tenant.secret_path(), {"metadata": {"ownerReferences": None}})
    tenant.apply_grant()
    status = tenant.ready()
    barrier()
    assert tenant.data() == data
    assert tenant.session_calls() == requested
    # renewAt may differ: the spread among the grants depends on the uid
    kept = ("revision", "expiresAt", "issuedAt", "fingerprint", "secretName")
    assert {name: status[name] for name in kept} == {name: before[name] for name in kept}
    (owner,) = tenant.secret()["metadata"]["ownerReferences"]
    assert owner["uid"] == tenant.grant()["metadata"]["uid"]
    assert owner["name"] == GRANT


def _difference(before: Document, after: Document) -> Document:
    return {
        name: "differs" if name == "data" else (before[name], after[name])
        for name in before
        if before[name] != after[name]
    }


def test_a_secret_that_is_held_back_by_a_finalizer_is_waited_for(tenant: Tenant) -> None:
    """Deleted, but not gone: the grant says so, writes nothing, and goes on when it is gone."""
    tenant.become_ready()
    held = {"metadata": {"finalizers": ["example.test/hold"]}}
    tenant.patch(tenant.secret_path(), held)
    uid = tenant.secret()["metadata"]["uid"]
    tenant.world.api.delete(tenant.secret_path())
    reported = tenant.reported("Ready", status="False", reason="SecretTerminating")
    assert "finalizer" in condition(reported, "Ready")["message"]
    tenant.patch(tenant.secret_path(), {"metadata": {"finalizers": None}})
    tenant.ready()
    assert tenant.secret()["metadata"]["uid"] != uid
