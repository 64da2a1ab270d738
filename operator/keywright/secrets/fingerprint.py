"""A short text that tells, without any secret, whether a Secret is still what it should be.

`<16 hex>.<32 hex>.<32 hex>`: the hash of the facts that decide what the key IS, a keyed hash of
the Secret's data, and a keyed hash of the key's canonical values. Keyed, because it is written
where people without access to the Secret can read it, and a low-entropy value could be guessed.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

from keywright.api.grant import ApiKeyGrant
from keywright.api.schema import Facts
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource

_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode
_PARTS: Final = 3
_MARK_LENGTH: Final = 16


def mint_facts(grant: ApiKeyGrant, *, source: CredentialSource, imported: str = "") -> Facts:
    """What decides what a key IS: of the grant and of its source, no uid and no name of either.

    `imported` is the digest of the value that the grant imports, where it does.
    """
    facts = {"key": grant.mint_facts(source), "source": source.mint_facts()}
    return facts | {"imported": imported} if imported else facts


def imported_digest(value: Sensitive, *, key: bytes) -> str:
    """A keyed digest of an imported value; `key` is the operator's own secret."""
    return hmac.digest(key, b"imported\n" + value.reveal().encode(), "sha256").hex()[:32]


def fingerprint(
    *, mint_facts: Facts, data: Mapping[str, str], values: Mapping[str, Sensitive], key: bytes
) -> str:
    """The fingerprint of a Secret; `key` is the operator's own secret."""
    return f"{_facts_hash(mint_facts)}.{_data_hash(data, key)}.{_values_hash(values, key)}"


def same_mint_facts(fingerprint: str | None, *, facts: Facts) -> bool:
    """Whether the Secret holds the key that these facts ask for; False if there is no telling."""
    parts = _split(fingerprint)
    return parts is not None and parts[0] == _facts_hash(facts)


def same_data(fingerprint: str | None, *, data: Mapping[str, str], key: bytes) -> bool:
    """Whether the fingerprint was made of exactly this data."""
    parts = _split(fingerprint)
    return parts is not None and hmac.compare_digest(parts[1], _data_hash(data, key))


def same_values(fingerprint: str | None, *, values: Mapping[str, Sensitive], key: bytes) -> bool:
    """Whether the fingerprint was made of exactly these canonical values."""
    parts = _split(fingerprint)
    return parts is not None and hmac.compare_digest(parts[2], _values_hash(values, key))


def data_mark(fingerprint: str | None) -> str:
    """Of the data alone: the same for the same data; empty where there is no telling."""
    parts = _split(fingerprint)
    return parts[1][:_MARK_LENGTH] if parts is not None else ""


def _split(text: str | None) -> list[str] | None:
    parts = text.split(".") if text and text.isascii() else []
    return parts if len(parts) == _PARTS else None


def _facts_hash(facts: Facts) -> str:
    return hashlib.sha256(_ENCODE(facts)).hexdigest()[:16]


def _data_hash(data: Mapping[str, str], key: bytes) -> str:
    return hmac.digest(key, b"data\n" + _ENCODE(data), "sha256").hex()[:32]


def _values_hash(values: Mapping[str, Sensitive], key: bytes) -> str:
    opened = {name: value.reveal() for name, value in values.items()}
    return hmac.digest(key, b"values\n" + _ENCODE(opened), "sha256").hex()[:32]
