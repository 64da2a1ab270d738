"""Grant id and cluster id: what Secret and status say counts as far as the operator proves it."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.grant import GrantIdentity
from keywright.api.status import GrantStatus
from keywright.controller.grants.identities import identity_of
from keywright.secrets.ownership import ManagedSecret, managed_secret_from
from keywright.secrets.proofs import IdentityRecord, Prover
from tests.unit.api.samples import grant
from tests.unit.replace import replace

_HERE, _THERE = "cluster-here", "cluster-there"
_GRANT = grant(bedrockShortTermKey=None, apiGatewayKey={"usagePlan": {"id": "p"}})
_UID = _GRANT.uid
_OWN = Prover(b"the operator's own", _GRANT.namespace, _GRANT.name, uids=(_UID,))


def _record(
    grant_id: str, cluster: str, *, uid: str = "uid-before", prover: Prover = _OWN
) -> IdentityRecord:
    return prover.of_identity(grant_id=grant_id, cluster_id=cluster, uid=uid)


def _status(record: IdentityRecord, **more: Any) -> GrantStatus:
    return GrantStatus(
        grant_id=record.grant_id,
        cluster_id=record.cluster_id,
        object_uid=record.uid,
        grant_proof=record.proof,
        **more,
    )


def _secret(record: IdentityRecord) -> ManagedSecret:
    annotations = {
        "owner": f"{_GRANT.namespace}/{_GRANT.name} {record.uid}",
        "grant-id": record.grant_id,
        "cluster-id": record.cluster_id,
        "grant-proof": record.proof,
    }
    return managed_secret_from(
        {
            "namespace": _GRANT.namespace,
            "name": _GRANT.name,
            "annotations": {f"keywright.dev/{name}": text for name, text in annotations.items()},
        }
    )


def _identity(
    *,
    status: GrantStatus | None = None,
    secret: ManagedSecret | None = None,
    take_over: str | None = None,
) -> GrantIdentity:
    return identity_of(
        replace(_GRANT, take_over=take_over),
        status=status or GrantStatus(),
        secret=secret,
        prover=_OWN,
        cluster_id=_HERE,
    )


def test_a_new_grant_is_known_by_its_uid() -> None:
    """Nothing is recorded, and nothing of another cluster is claimed."""
    found = _identity()
    assert (found.grant_id, found.cluster_id, found.recorded) == (_UID, _HERE, False)
    assert not found.owned_by_another_cluster


@pytest.mark.parametrize("place", ["status", "secret"])
def test_a_restored_grant_keeps_its_id(place: str) -> None:
    """By Secret or status alone, under another uid."""
    record = _record("first", _HERE)
    found = (
        _identity(status=_status(record))
        if place == "status"
        else _identity(secret=_secret(record))
    )
    assert found.grant_id == "first"
    assert found.ids == {"first", _UID}
    assert found.recorded == (place == "status")


def test_an_id_that_a_tenant_wrote_is_not_believed() -> None:
    """Neither with a proof of another grant, nor with a copied proof beside another id."""
    other = Prover(b"the operator's own", "victim", "victim-key", uids=("u",))
    forged = (
        _record("victims", _HERE, prover=other),
        IdentityRecord("victims", _HERE, "uid-before", _record("first", _HERE).proof),
        IdentityRecord("victims", _HERE, "uid-before", ""),
    )
    for record in forged:
        for found in (_identity(status=_status(record)), _identity(secret=_secret(record))):
            assert found.grant_id == _UID
            assert "victims" not in found.ids
            assert not found.recorded


@pytest.mark.parametrize("proved", [True, False])
def test_what_names_another_cluster_is_left_to_it(*, proved: bool) -> None:
    """Until the annotation names that cluster, and no other."""
    record = _record("first", _THERE)
    if not proved:
        record = IdentityRecord("first", _THERE, record.uid, "no proof")
    assert _identity(secret=_secret(record)).owned_by_another_cluster
    assert _identity(status=_status(record)).owned_by_another_cluster
    assert _identity(status=_status(record), take_over="a third").owned_by_another_cluster
    taken = _identity(status=_status(record), take_over=_THERE)
    assert not taken.owned_by_another_cluster
    assert taken.clusters == {_HERE, _THERE}
    assert taken.grant_id == ("first" if proved else _UID)


def test_a_copy_of_another_clusters_secret_changes_nothing() -> None:
    """Where the status says that the keys are this cluster's."""
    found = _identity(
        status=_status(_record("first", _HERE)), secret=_secret(_record("first", _THERE))
    )
    assert found.recorded
    assert not found.owned_by_another_cluster


def test_a_take_over_counts_once() -> None:
    """Two clusters whose annotations name each other do not take the keys in turns."""
    done = _status(_record("first", _HERE), handled_take_over=_THERE)
    assert _identity(status=done, take_over=_THERE).clusters == {_HERE}
