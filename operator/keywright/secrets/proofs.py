"""Proofs of whose a key in the cloud is: an HMAC that only the operator can make.

Ids of keys are kept in annotations of a Secret and in a status, where a tenant may write. An id
counts only with the proof beside it: `key` is the operator's own secret, and the text names the
grant, the account and the key, so that a proof is worth nothing beside another id or in another
grant. The uid is part of it: a restored grant has a new one, and is known by the old one that its
Secret names.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from keywright.api.times import format_time

_ENCODE: Final = msgspec.json.Encoder().encode
_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Prover:
    """Makes and verifies proofs for one grant.

    `uids` are those that the grant has or had, its own first.
    """

    key: bytes
    namespace: str
    name: str
    uids: tuple[str, ...]

    def of_key(self, key_id: str) -> str:
        """The proof that the key of this id was made for the grant."""
        return self._of_key(key_id, uid=self.uids[0])

    def proves_key(self, key_id: str, proof: str | None) -> bool:
        """Whether the proof is one of that key and this grant."""
        return any(_same(proof, self._of_key(key_id, uid=uid)) for uid in self.uids)

    def of_intent(self, started_at: datetime, *, holder: str, baseline: Iterable[str]) -> str:
        """The proof that the operator meant to create a key of that holder at that time."""
        return self._of_intent(started_at, holder=holder, baseline=baseline, uid=self.uids[0])

    def proves_intent(
        self, proof: str | None, started_at: datetime, *, holder: str, baseline: Iterable[str]
    ) -> bool:
        """Whether the proof is one of that intent and this grant."""
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
        # JSON keeps the words apart, whatever characters they have.
        text = _ENCODE(["proof", kind, self.namespace, self.name, *words])
        return hmac.digest(self.key, text, "sha256").hex()[:_LENGTH]


def _same(proof: str | None, expected: str) -> bool:
    return proof is not None and proof.isascii() and hmac.compare_digest(proof, expected)
