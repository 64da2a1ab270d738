"""Proofs of ownership of keys in the cloud: an HMAC that only the operator can create.

Key IDs are stored in annotations of a Secret and in a status, where tenants may write. An ID counts
only with the proof beside it: `key` is the operator's own secret, and the text names the grant, the
account and the key, so that a proof is invalid for another ID or in another grant. Grant ID and
cluster ID are part of it, and have a proof of their own. Proofs from before grant IDs contain the
uid instead: a restored grant has a new uid, and is recognized by the old one in its Secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time

_ENCODE: Final = msgspec.json.Encoder().encode
_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """Grant ID and cluster ID as recorded in Secret or status, for the object with that uid."""

    grant_id: str
    cluster_id: str
    uid: str
    proof: str


@dataclass(frozen=True, slots=True)
class Prover:
    """Creates and verifies proofs for one grant.

    `uids` are the IDs of the grant in proofs, now and before; the first is used for new proofs.
    """

    key: bytes
    namespace: str
    name: str
    uids: tuple[str, ...]

    def of_key(self, key_id: str) -> str:
        """The proof that the key with this ID was created for the grant."""
        return self._of_key(key_id, uid=self.uids[0])

    def proves_key(self, key_id: str, proof: str | None) -> bool:
        """Whether the proof is valid for that key and this grant."""
        return any(_same(proof, self._of_key(key_id, uid=uid)) for uid in self.uids)

    def of_identity(self, *, grant_id: str, cluster_id: str, uid: str) -> IdentityRecord:
        """The record that the grant with that uid has these IDs."""
        proof = self._digest("identity", grant_id, cluster_id, uid)
        return IdentityRecord(grant_id, cluster_id, uid, proof)

    def proves_identity(self, record: IdentityRecord) -> bool:
        """Whether the operator wrote the record, for a grant of this name."""
        expected = self._digest("identity", record.grant_id, record.cluster_id, record.uid)
        return _same(record.proof, expected)

    def of_intent(self, started_at: datetime, *, holder: str, baseline: Iterable[str]) -> str:
        """The proof of an intent to create a key of that user at that time."""
        return self._of_intent(started_at, holder=holder, baseline=baseline, uid=self.uids[0])

    def proves_intent(
        self, proof: str | None, started_at: datetime, *, holder: str, baseline: Iterable[str]
    ) -> bool:
        """Whether the proof is valid for that intent and this grant."""
        listed = tuple(baseline)
        return any(
            _same(proof, self._of_intent(started_at, holder=holder, baseline=listed, uid=uid))
            for uid in self.uids
        )

    def _of_key(self, key_id: str, *, uid: str) -> str:
        account = key_id.partition("/")[0]
        return self._digest("key", uid, account, key_id)

    def _of_intent(
        self, started_at: datetime, *, holder: str, baseline: Iterable[str], uid: str
    ) -> str:
        return self._digest("intent", uid, format_time(started_at), holder, *sorted(baseline))

    def _digest(self, kind: str, *words: str) -> str:
        # JSON separates the values, regardless of their characters.
        text = _ENCODE(["proof", kind, self.namespace, self.name, *words])
        return hmac.digest(self.key, text, "sha256").hex()[:_LENGTH]


def _same(proof: str | None, expected: str) -> bool:
    return proof is not None and proof.isascii() and hmac.compare_digest(proof, expected)


def derive_value(key: bytes, *, uid: str, intent: str) -> Sensitive:
    """Derive 64 hexadecimal digits for the grant with that uid and the named intent.

    `key` is the operator's own secret; no other use of it hashes a text of this form.
    """
    text = f"generated\n{uid}\n{intent}"
    return Sensitive(hmac.digest(key, text.encode(), "sha256").hex())
