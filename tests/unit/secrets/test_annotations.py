"""The annotations of a Secret: what is written to them is read back."""

from __future__ import annotations

import pytest

from keywright.api.grant import is_handled
from keywright.secrets.manifest import ManagedKeyId, manifest
from keywright.secrets.ownership import managed_secret_from
from tests.unit.api.samples import grant
from tests.unit.replace import replace
from tests.unit.secrets.samples import credential, manifest_of, metadata_after_apply

GRANT = grant()


@pytest.mark.parametrize(
    ("annotation", "field", "value"),
    [
        ("key-id", "key_id", "ACCA1"),
        ("replaces-key-id", "replaces", "ACCA1"),
        ("key-proof", "key_proof", "proof"),
        ("replaces-key-proof", "replaces_proof", "proof"),
        ("grant-proof", "grant_proof", "proof"),
        ("grant-id", "grant_id", "id"),
        ("cluster-id", "cluster_id", "id"),
        ("entries", "entries", "digest"),
        ("warning", "warning", "It is short."),
    ],
)
def test_each_annotation_is_read(annotation: str, field: str, value: str) -> None:
    """The values are read unchanged; without the annotation they are absent."""
    meta = metadata_after_apply(manifest_of(GRANT))
    assert not getattr(managed_secret_from(meta), field)
    meta["annotations"] = meta["annotations"] | {f"keywright.dev/{annotation}": value}
    assert getattr(managed_secret_from(meta), field) == value


def test_handled_requests_are_read() -> None:
    """A restored annotation of the grant is compared with them."""
    requested = replace(GRANT, renew_requested_at="2026-11-22T11:00:00Z")
    state = managed_secret_from(metadata_after_apply(manifest_of(requested)))
    assert is_handled("2026-11-22T11:00:00Z", state.handled_requests)
    assert not is_handled("2026-11-22T12:00:00Z", state.handled_requests)


@pytest.mark.parametrize("proof", ["proof", None])
def test_the_ids_of_managed_keys_are_applied_with_their_proofs(proof: str | None) -> None:
    """A restored Secret restores the status; an ID without a proof is recorded as well."""
    body = manifest(
        GRANT,
        data={},
        issued_at=credential().issued_at,
        expires_at=None,
        renew_at=None,
        revision=1,
        fingerprint="a.b.c",
        key_id=ManagedKeyId("ACCA1", proof),
        replaces=ManagedKeyId("ACCA0", proof and f"old {proof}"),
    )
    state = managed_secret_from(metadata_after_apply(body))
    assert (state.key_id, state.key_proof) == ("ACCA1", proof)
    assert (state.replaces, state.replaces_proof) == ("ACCA0", proof and f"old {proof}")
