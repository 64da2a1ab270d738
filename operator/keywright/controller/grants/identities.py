"""Grant ID and cluster ID of a grant, from proved records in Secret and status."""

from __future__ import annotations

from keywright.api.grant import ApiKeyGrant, GrantIdentity
from keywright.api.status import GrantStatus
from keywright.secrets.ownership import ManagedSecret
from keywright.secrets.proofs import IdentityRecord, Prover


def identity_of(
    grant: ApiKeyGrant,
    *,
    status: GrantStatus,
    secret: ManagedSecret | None,
    prover: Prover,
    cluster_id: str,
) -> GrantIdentity:
    """The identity: a proved ID, otherwise the uid of the object.

    Tenants may write to both places. A record without proof gives no access to any key; one that
    names another cluster prevents the grant from changing the keys of that cluster.
    """
    in_status, in_secret = _of_status(status), _of_secret(secret)
    own = own_records(status, secret, prover=prover, cluster_id=cluster_id)
    recorded = in_status is not None and in_status in own
    named_elsewhere = [
        each
        for each in (in_status, in_secret)
        if each is not None and each.cluster_id != cluster_id and not recorded
    ]
    elsewhere = next(iter(named_elsewhere), None)
    handled = grant.take_over is not None and grant.take_over == status.handled_take_over
    take_over = "" if handled else grant.take_over or ""
    taken = [
        each
        for each in named_elsewhere
        if each.cluster_id == take_over and prover.proves_identity(each)
    ]
    ids = [each.grant_id for each in (*own, *taken)]
    ids += [uid for uid in _former_uids(status, secret, prover=prover) if uid not in ids]
    grant_id = ids[0] if ids else grant.uid
    former = dict.fromkeys(each for each in (*ids, grant.uid) if each != grant_id)
    return GrantIdentity(
        grant_id=grant_id,
        cluster_id=cluster_id,
        former_ids=tuple(former),
        recorded=recorded,
        elsewhere=elsewhere.cluster_id if elsewhere is not None and not own else "",
        claimed_id=elsewhere.grant_id if elsewhere is not None else "",
        take_over=take_over if take_over != cluster_id else "",
    )


def own_records(
    status: GrantStatus, secret: ManagedSecret | None, *, prover: Prover, cluster_id: str
) -> list[IdentityRecord]:
    """The records of this cluster that the operator wrote; that of the status first."""
    return [
        each
        for each in (_of_status(status), _of_secret(secret))
        if each is not None and each.cluster_id == cluster_id and prover.proves_identity(each)
    ]


def _of_status(status: GrantStatus) -> IdentityRecord | None:
    if not status.grant_id or not status.cluster_id:
        return None
    return IdentityRecord(
        status.grant_id, status.cluster_id, status.object_uid or "", status.grant_proof or ""
    )


def _of_secret(secret: ManagedSecret | None) -> IdentityRecord | None:
    if secret is None or not secret.grant_id or not secret.cluster_id:
        return None
    owner = secret.owner_annotation
    return IdentityRecord(
        secret.grant_id,
        secret.cluster_id,
        owner.uid if owner is not None else "",
        secret.grant_proof or "",
    )


def _former_uids(status: GrantStatus, secret: ManagedSecret | None, *, prover: Prover) -> list[str]:
    """The uid in proofs from before grant IDs, if one of the proofs is valid."""
    owner = secret.owner_annotation if secret is not None else None
    if secret is None or owner is None or not owner.uid:
        return []
    former = Prover(prover.key, prover.namespace, prover.name, uids=(owner.uid,))
    pairs = (
        (secret.key_id, secret.key_proof),
        (secret.replaces, secret.replaces_proof),
        (status.key_id, status.key_proof),
    )
    proved = any(key_id is not None and former.proves_key(key_id, proof) for key_id, proof in pairs)
    return [owner.uid] if proved else []
