"""A fingerprint that shows, without any secret, whether a Secret is up to date.

`<16 hex>.<32 hex>.<32 hex>`: the hash of the facts that identify the key, a keyed hash of the
Secret's data, and a keyed hash of the key's canonical values, ID, times and revision. Keyed, since
it is written where people without access to the Secret can read it, and a low-entropy value could
be guessed. Salted with the namespace, so that equal data in two namespaces is not visibly equal.
Hashes from before the salt are still accepted, and that of the data is kept until the data changes:
rollouts use it as the data hash.

ID, times and revision are part of the last hash: an earlier value with its own fingerprint is not
taken for the key in use, a postponed expiry is detected, and so is an old copy of the Secret. The
hash of the values alone, as of before, counts only if the status has the same fingerprint.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.api.times import format_time

_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode
_PARTS: Final = 3
_MARK_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What the annotations of a Secret say about the key in it.

    `key_id` is the ID of a managed key; the IDs of other keys are not recorded in the Secret.
    """

    key_id: str | None
    issued_at: datetime
    expires_at: datetime | None
    revision: int

    def texts(self) -> tuple[str, str, str, str]:
        """The facts as the annotations have them."""
        ends = "" if self.expires_at is None else format_time(self.expires_at)
        return self.key_id or "", format_time(self.issued_at), ends, str(self.revision)


def key_identity(grant: ApiKeyGrant, *, source: CredentialSource, imported: str = "") -> str:
    """The hash of the facts that identify a key, without uid or name of grant and source.

    `imported` is the digest of the value that the grant imports, if it does.
    """
    facts: dict[str, object] = {"key": grant.key_identity(source), "source": source.key_identity()}
    if imported:
        facts["imported"] = imported
    return hashlib.sha256(_ENCODE(facts)).hexdigest()[:_MARK_LENGTH]


def imported_digest(value: Sensitive, *, key: bytes, namespace: str = "") -> str:
    """A keyed digest of an imported value; `key` is the operator's own secret.

    Without a namespace, the digest from before the salt.
    """
    return _digest("imported", value.reveal().encode(), key=key, namespace=namespace)


def fingerprint(
    *,
    key_identity: str,
    data: Mapping[str, str],
    values: Mapping[str, Sensitive],
    facts: KeyFacts,
    key: bytes,
    namespace: str,
    before: Iterable[str | None] = (),
) -> str:
    """The fingerprint of a Secret; `key` is the operator's own secret.

    If a fingerprint in `before` was computed from the same data, its hash of the data is kept.
    """
    content = _ENCODE(data)
    of_data = _digest("data", content, key=key, namespace=namespace)
    unsalted = _digest("data", content, key=key, namespace="")
    for parts in filter(None, map(_split, before)):
        if hmac.compare_digest(parts[1], of_data):
            break
        if hmac.compare_digest(parts[1], unsalted):
            of_data = unsalted
            break
    of_key = _key_digest(_opened(values), facts, key=key, namespace=namespace)
    return f"{key_identity}.{of_data}.{of_key}"


def has_identity(fingerprint: str | None, identity: str) -> bool:
    """Whether the Secret holds the key of this identity; False if the fingerprint is unreadable."""
    parts = _split(fingerprint)
    return parts is not None and parts[0] == identity


def same_data(
    fingerprint: str | None, *, data: Mapping[str, str], key: bytes, namespace: str
) -> bool:
    """Whether the fingerprint was computed from exactly this data, with or without the salt."""
    parts = _split(fingerprint)
    return parts is not None and any(
        hmac.compare_digest(parts[1], _digest("data", _ENCODE(data), key=key, namespace=salt))
        for salt in (namespace, "")
    )


def same_key(
    fingerprint: str | None,
    *,
    values: Mapping[str, Sensitive],
    facts: KeyFacts,
    key: bytes,
    namespace: str,
) -> bool:
    """Whether the fingerprint was computed from exactly these canonical values and facts."""
    parts = _split(fingerprint)
    return parts is not None and hmac.compare_digest(
        parts[2], _key_digest(_opened(values), facts, key=key, namespace=namespace)
    )


def same_values(
    fingerprint: str | None, *, values: Mapping[str, Sensitive], key: bytes, namespace: str
) -> bool:
    """Whether a fingerprint of an earlier version was computed from exactly these values."""
    parts = _split(fingerprint)
    return parts is not None and any(
        hmac.compare_digest(parts[2], _digest("values", _opened(values), key=key, namespace=salt))
        for salt in (namespace, "")
    )


def value_hash(value: Sensitive, *, key_id: str, key: bytes, namespace: str) -> str:
    """A keyed hash of a previous value: it is recognized in the Secret, and reveals nothing.

    The ID is part of it, so that the hash of a retired key, or of another grant's, cannot be
    recorded for a key that is still valid.
    """
    content = _ENCODE([key_id, value.reveal()])
    return _digest("previous", content, key=key, namespace=namespace)


def data_hash(fingerprint: str | None) -> str:
    """The hash of the data alone; empty if the fingerprint is unreadable."""
    parts = _split(fingerprint)
    return parts[1][:_MARK_LENGTH] if parts is not None else ""


def _split(text: str | None) -> list[str] | None:
    parts = text.split(".") if text and text.isascii() else []
    return parts if len(parts) == _PARTS else None


def _opened(values: Mapping[str, Sensitive]) -> bytes:
    return _ENCODE({name: value.reveal() for name, value in values.items()})


def _key_digest(opened: bytes, facts: KeyFacts, *, key: bytes, namespace: str) -> str:
    content = _ENCODE(facts.texts()) + b"\n" + opened
    return _digest("key", content, key=key, namespace=namespace)


def _digest(of: str, content: bytes, *, key: bytes, namespace: str) -> str:
    """A keyed hash; a namespace has no line break, so the salt cannot be part of the content."""
    salt = f"{of} in {namespace}\n" if namespace else f"{of}\n"
    return hmac.digest(key, salt.encode() + content, "sha256").hex()[:32]
