"""Secrets whose owner and warning have the annotation names of earlier versions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from keywright.secrets.drift import altered_fields
from keywright.secrets.extraction import legacy_annotations, with_watch_label
from keywright.secrets.ownership import ManagedSecret, Ownership, classify, managed_secret_from
from keywright.secrets.references import shareable_keys
from keywright.secrets.rendering import data_keys
from tests.unit.api.samples import grant
from tests.unit.replace import replace
from tests.unit.secrets.samples import manifest_of, metadata_after_apply

_GRANT = grant()
_OWNER, _LEGACY_OWNER = "keywright.dev/owner", "keywright.dev/granted-by"
_RENAMED = {_OWNER: _LEGACY_OWNER, "keywright.dev/warning": "keywright.dev/remark"}


def _current(**annotations: str) -> dict[str, Any]:
    """The metadata of the grant's Secret as it is applied now; `owner=""` removes the owner."""
    body = copy.deepcopy(manifest_of(_GRANT))
    for name, value in annotations.items():
        body["metadata"]["annotations"][f"keywright.dev/{name}"] = value
    return metadata_after_apply(body)


def _legacy(meta: dict[str, Any]) -> dict[str, Any]:
    """The same metadata as an earlier version wrote it."""
    found = copy.deepcopy(meta)
    fields = [entry["fieldsV1"]["f:metadata"]["f:annotations"] for entry in found["managedFields"]]
    for name, legacy in _RENAMED.items():
        if name in found["annotations"]:
            found["annotations"][legacy] = found["annotations"].pop(name)
        for owned in fields:
            if f"f:{name}" in owned:
                owned[f"f:{legacy}"] = owned.pop(f"f:{name}")
    return found


def _parsed(meta: dict[str, Any]) -> ManagedSecret:
    """The parsed metadata without the names of the annotations, in which the two differ."""
    return replace(managed_secret_from(meta), owned_annotations=frozenset(), others=())


def _altered(meta: dict[str, Any]) -> tuple[str, ...]:
    secret = managed_secret_from(meta)
    return altered_fields(secret, data_keys(_GRANT), grant=_GRANT, source=None)


def test_a_secret_of_an_earlier_version_is_owned_and_unchanged() -> None:
    """The upgrade itself writes no Secret: nothing counts as changed by others."""
    meta = _legacy(_current())
    secret = managed_secret_from(meta)
    assert classify(_GRANT, secret) is Ownership.OWNED
    assert secret.owner_annotation is not None
    assert secret.owner_annotation.uid == _GRANT.uid
    assert _altered(meta) == ()


@pytest.mark.parametrize(
    "owner",
    ["chat/chat-key of-a-backup", "chat/other 1", "other/chat-key 1", "other/x", "nonsense", ""],
)
@pytest.mark.parametrize("applied", [True, False])
def test_a_forged_legacy_owner_gives_no_more_than_a_forged_owner(
    owner: str, *, applied: bool
) -> None:
    """Everything parsed is equal, so nothing that follows from it can differ."""
    meta = _current(owner=owner, warning="w")
    if not applied:
        meta["managedFields"][0]["manager"] = "kubectl-edit"
    assert _parsed(_legacy(meta)) == _parsed(meta)
    keys = meta["managedFields"][0]["fieldsV1"]["f:data"]
    names = [name[2:] for name in keys if name.startswith("f:")]
    assert shareable_keys(_legacy(meta), names) == shareable_keys(meta, names)


@pytest.mark.parametrize("forged", ["other/grant 0000", "nonsense", ""])
def test_a_legacy_owner_next_to_the_current_one_counts_for_nothing(forged: str) -> None:
    """A tenant who adds the old name changes nothing."""
    meta = _current()
    meta["annotations"][_LEGACY_OWNER] = forged
    assert managed_secret_from(meta) == managed_secret_from(_current())
    assert _altered(meta) == ()


def test_an_owner_that_a_tenant_adds_to_a_legacy_secret_is_repaired() -> None:
    """The owner reference decides, and the owner annotation counts as changed."""
    meta = _legacy(_current())
    meta["annotations"][_OWNER] = "other/grant 0000"
    secret = managed_secret_from(meta)
    assert classify(_GRANT, secret) is Ownership.OWNED
    assert _altered(meta) == (f"metadata.annotations[{_OWNER}]",)
    assert shareable_keys(meta, secret.owned_keys) == frozenset()


def test_an_owner_that_a_tenant_replaces_by_the_legacy_name_is_repaired() -> None:
    """A legacy owner counts as applied only if this field manager has applied it."""
    meta = _current()
    del meta["annotations"][_OWNER]
    del meta["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"][f"f:{_OWNER}"]
    meta["annotations"][_LEGACY_OWNER] = "other/grant 0000"
    assert classify(_GRANT, managed_secret_from(meta)) is Ownership.OWNED
    assert _altered(meta) == (f"metadata.annotations[{_OWNER}]",)


def test_a_legacy_warning_is_read_until_there_is_a_current_one() -> None:
    """A rewrite of a bulk import repeats the warning under its current name."""
    meta = _legacy(_current(warning="1 of 3 rows were left out."))
    assert managed_secret_from(meta).warning == "1 of 3 rows were left out."
    meta["annotations"]["keywright.dev/warning"] = "2 of 3 rows were left out."
    assert managed_secret_from(meta).warning == "2 of 3 rows were left out."


def test_the_apply_that_adds_the_watch_label_renames_the_annotations() -> None:
    """An apply removes the fields that it omits, so the old names are gone after it."""
    meta = _legacy(_current(warning="w")) | {"resourceVersion": "7"}
    body = with_watch_label({"metadata": meta, "data": {}})
    assert body["metadata"]["annotations"] == _current(warning="w")["annotations"]


def test_legacy_annotations_that_an_apply_left_are_removed() -> None:
    """Others own them too: only a patch of exactly this version removes them."""
    meta = _current()
    assert legacy_annotations(meta) is None
    meta["annotations"] |= {_LEGACY_OWNER: "x/y 1", "keywright.dev/remark": "w", "theirs": "x"}
    assert legacy_annotations(meta) == {
        "metadata": {
            "uid": "secret-uid",
            "resourceVersion": "9",
            "annotations": {_LEGACY_OWNER: None, "keywright.dev/remark": None},
        }
    }
