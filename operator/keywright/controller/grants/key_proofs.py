"""Which key IDs are proved to be a grant's: verified on read, signed on write.

IDs without a proof were written by another client with write access to Secrets or statuses, or by a
version of the operator without proofs; the cloud's own tags may still show their owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from keywright.api.grant import ApiKeyGrant, GrantIdentity, proof_id
from keywright.api.keys import MANAGED_KINDS
from keywright.api.status import GrantStatus, RetiringKey
from keywright.api.user_key import UserKey
from keywright.controller.grants.identities import identity_of, own_records
from keywright.controller.records import GrantRecord, ProvedKeys
from keywright.controller.store import Store
from keywright.planning.key_ownership import owned_key_ids, recorded_key_ids, unknown_keys
from keywright.planning.state import GrantState, ObjectRef
from keywright.planning.steps import Fail, Outcome, RecordIntent, Reject, Written
from keywright.secrets.manifest import ManagedKeyId
from keywright.secrets.ownership import ManagedSecret
from keywright.secrets.proofs import IdentityRecord, Prover

_MAX_RETIRING: Final = 16


@dataclass(frozen=True, slots=True)
class Others:
    """What other grants of the same user have proved: their keys, and a create in progress.

    Only a create for the same service: a key of another one cannot be mistaken for it.
    """

    ids: frozenset[str] = frozenset()
    creating: bool = False


class KeyProofs:
    """Verifies and creates the proofs of all grants."""

    def __init__(
        self,
        *,
        store: Store,
        fingerprint_key: Callable[[], bytes],
        cluster_id: Callable[[], str] = lambda: "",
    ) -> None:
        self._store = store
        self._key = fingerprint_key
        self._cluster_id = cluster_id

    def identified(
        self, grant: ApiKeyGrant, status: GrantStatus, secret: ManagedSecret | None
    ) -> ApiKeyGrant:
        """The grant with its identity in the clouds; `secret` is its own Secret."""
        if grant.managed is None:
            return grant
        prover = self._prover(grant.object_key, (grant.uid,))
        found = identity_of(
            grant, status=status, secret=secret, prover=prover, cluster_id=self._cluster_id()
        )
        return replace(grant, identity=found)

    def verified(self, state: GrantState, secret: ManagedSecret | None) -> GrantState:
        """The state with its unproved IDs; `secret` has the current annotations."""
        subject, status, grant = state.subject, state.status, state.grant
        named = recorded_key_ids(state)
        if not named and status.pending is None:
            return state
        name, words = (subject.namespace, subject.name), _words(subject.uid, grant, secret)
        if grant is None:
            # Its spec does not parse: what the operator wrote still gives the IDs.
            words = (*self._recorded_words(self._prover(name, words), status, secret), *words)
        prover = self._prover(name, words)
        proved = frozenset(_proved(prover, status, secret))
        view = state.secret
        if view is not None and secret is not None and secret.key_id in proved:
            # An edited status must not hide what the Secret proves.
            view = msgspec.structs.replace(view, key_id=secret.key_id)
        proved_intent = self._is_proved_intent(prover, status, holder=_holder(grant))
        return msgspec.structs.replace(
            state,
            secret=view,
            unproved_ids=named - proved,
            unproved_intent=status.pending is not None and not proved_intent,
        )

    def signed(
        self, status: GrantStatus, state: GrantState, outcome: Outcome | None
    ) -> GrantStatus:
        """The status with proofs of the IDs that are known to be the grant's, and of a new intent.

        An ID that nothing proves keeps its recorded proof.
        """
        if status.kind not in MANAGED_KINDS:
            return status
        identified = self._identified(status, state, outcome)
        prover = self._prover_of(state)
        if identified.grant_id is None:
            # Until the cloud has the tags, the status is proved as before grant IDs.
            prover = replace(prover, uids=(state.subject.uid,))
        known = owned_key_ids(state) | frozenset(unknown_keys(state))
        if isinstance(outcome, Written) and outcome.renewed and outcome.key_id is not None:
            known |= {outcome.key_id}
        pending = status.pending
        if (
            isinstance(outcome, RecordIntent)
            and pending is not None
            and pending.started_at is not None
        ):
            intent_proof = prover.of_intent(
                pending.started_at, holder=_holder(state.grant), baseline=pending.baseline
            )
            pending = msgspec.structs.replace(pending, proof=intent_proof)
        same = status.key_id == state.status.key_id
        proof = state.status.key_proof if same else None
        if status.key_id is not None and status.key_id in known:
            proof = prover.of_key(status.key_id)
        return msgspec.structs.replace(
            identified,
            pending=pending,
            key_proof=proof,
            retiring=tuple(
                _signed(key, prover) if key.key_id in known else key for key in status.retiring
            ),
        )

    def _identified(
        self, status: GrantStatus, state: GrantState, outcome: Outcome | None
    ) -> GrantStatus:
        """The status with the identity, once the cloud has its tags."""
        grant = state.grant
        tagged = isinstance(outcome, RecordIntent) or (
            isinstance(outcome, Written) and outcome.renewed
        )
        listed = state.listed is not None and not isinstance(outcome, Fail | Reject)
        if grant is None or grant.managed is None or not (tagged or listed):
            return status
        found = self.identity_record(state)
        if found is None:
            return status
        return msgspec.structs.replace(
            status,
            grant_id=found.grant_id,
            cluster_id=found.cluster_id,
            object_uid=found.uid,
            grant_proof=found.proof,
            handled_take_over=grant.take_over,
        )

    def identity_record(self, state: GrantState) -> IdentityRecord | None:
        """The record of the identity in the Secret; None for keys that are not managed."""
        grant = state.grant
        if grant is None or grant.managed is None or not grant.known_as.cluster_id:
            return None
        return self._prover_of(state).of_identity(
            grant_id=grant.known_as.grant_id, cluster_id=grant.known_as.cluster_id, uid=grant.uid
        )

    def is_of_this_object(
        self, subject: ObjectRef, status: GrantStatus, grant: ApiKeyGrant
    ) -> bool:
        """Whether a status was written for the current object, not for a former one."""
        if status.key_id is None:
            return False
        if status.object_uid is not None and grant.known_as.recorded:
            return status.object_uid == subject.uid
        if status.key_proof is not None:
            prover = self._prover((subject.namespace, subject.name), (subject.uid,))
            return prover.proves_key(status.key_id, status.key_proof)
        # From before proofs existed.
        secret = self._store.secrets.get((grant.namespace, grant.secret_name))
        owner = secret.owner_annotation if secret is not None else None
        return owner is not None and owner.uid == subject.uid

    def kept(
        self, key_id: str | None, state: GrantState, *, new: bool = False
    ) -> ManagedKeyId | None:
        """An ID for the Secret; proved if it is `new` from the cloud, or known."""
        if key_id is None:
            return None
        proved = new or key_id in owned_key_ids(state)
        return ManagedKeyId(key_id, self._prover_of(state).of_key(key_id) if proved else None)

    def of_others(self, grant: ApiKeyGrant) -> Others:
        """What the other grants of the same IAM user have proved to be theirs."""
        ids: set[str] = set()
        creating, service = False, _service(grant)
        for record in self._store.grants_of_holder(_holder(grant)):
            if record.uid != grant.uid:
                proved = self._proved_by(record)
                ids |= proved.ids
                # A spec that names no service can have created a key of any.
                same = record.service in {"", service}
                creating = creating or (same and proved.creating)
        return Others(frozenset(ids), creating=creating)

    def _proved_by(self, record: GrantRecord) -> ProvedKeys:
        """What a grant has proved; verified once for each version of its status and Secret."""
        secret = self._store.secrets.get(record.secret)
        proved = record.proved
        if proved is None or not proved.is_of(record, secret):
            found: dict[str, Any] = record.parsed()["status"]
            # IAM allows two keys per user: more entries were written by another client.
            retiring = found.get("retiring")
            if isinstance(retiring, list):
                found["retiring"] = retiring[:_MAX_RETIRING]
            status = GrantStatus.parse(found)
            words = self._words_of_record(record, status, secret)
            prover = self._prover((record.namespace, record.name), words)
            proved = record.proved = ProvedKeys(
                packed=record.packed,
                secret=secret,
                ids=frozenset(_proved(prover, status, secret)),
                creating=self._is_proved_intent(prover, status, holder=record.holder),
            )
        return proved

    @staticmethod
    def _is_proved_intent(prover: Prover, status: GrantStatus, *, holder: str) -> bool:
        """Whether a key of the user is being created, by a proved intent."""
        pending = status.pending
        return (
            pending is not None
            and pending.started_at is not None
            and prover.proves_intent(
                pending.proof, pending.started_at, holder=holder, baseline=pending.baseline
            )
        )

    def _words_of_record(
        self, record: GrantRecord, status: GrantStatus, secret: ManagedSecret | None
    ) -> tuple[str, ...]:
        """The IDs in proofs of another grant, without parsing it."""
        prover = self._prover((record.namespace, record.name), (record.uid,))
        words = self._recorded_words(prover, status, secret)
        return (*words, *_words(record.uid, None, secret))

    def _recorded_words(
        self, prover: Prover, status: GrantStatus, secret: ManagedSecret | None
    ) -> tuple[str, ...]:
        """The IDs of this cluster that Secret and status prove."""
        claims = own_records(status, secret, prover=prover, cluster_id=self._cluster_id())
        return tuple(proof_id(each.grant_id, each.cluster_id) for each in claims)

    def _prover_of(self, state: GrantState) -> Prover:
        subject = state.subject
        name = (subject.namespace, subject.name)
        return self._prover(name, _words(subject.uid, state.grant, None))

    def _prover(self, name: tuple[str, str], words: tuple[str, ...]) -> Prover:
        return Prover(self._key(), *name, uids=words)


def _words(uid: str, grant: ApiKeyGrant | None, secret: ManagedSecret | None) -> tuple[str, ...]:
    """The IDs of the grant in proofs, now and before; that of new proofs first.

    Proofs from before grant IDs contain a uid: also the one from before a restore, which the Secret
    still names. It proves nothing for another grant, whose name is part of each proof.
    """
    owner = secret.owner_annotation if secret is not None else None
    former = (owner.uid,) if owner is not None else ()
    if grant is None:
        return (uid, *former)
    identity = grant.known_as
    ids = [identity.grant_id, *identity.former_ids]
    words = [proof_id(each, cluster) for each in ids for cluster in _clusters(identity)]
    return (identity.proof_id, *words, uid, *former)


def _clusters(identity: GrantIdentity) -> tuple[str, ...]:
    return tuple(sorted(identity.clusters))


def _proved(prover: Prover, status: GrantStatus, secret: ManagedSecret | None) -> Iterator[str]:
    pairs = [(status.key_id, status.key_proof)]
    pairs += [(key.key_id, key.key_proof) for key in status.retiring]
    if secret is not None:
        pairs += [(secret.key_id, secret.key_proof), (secret.replaces, secret.replaces_proof)]
    for key_id, proof in pairs:
        if key_id is not None and prover.proves_key(key_id, proof):
            yield key_id


def _signed(key: RetiringKey, prover: Prover) -> RetiringKey:
    return msgspec.structs.replace(key, key_proof=prover.of_key(key.key_id))


def _holder(grant: ApiKeyGrant | None) -> str:
    return grant.managed.holder if grant is not None and grant.managed is not None else ""


def _service(grant: ApiKeyGrant) -> str:
    return grant.key.key_service.name if isinstance(grant.key, UserKey) else ""
