"""The previous value of a key, which a Secret can contain until the old key is retired.

The value is kept in the Secret only. An annotation records which key it belongs to, and a keyed
hash of both, by which the value is recognized when the Secret is written again.
"""

from __future__ import annotations

from dataclasses import dataclass

from keywright.api.formats import Variable
from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.secrets.fingerprint import value_hash
from keywright.secrets.templates import TemplateError, parse_template


@dataclass(frozen=True, slots=True)
class PreviousKey:
    """An old key that is still valid: its ID in the cloud, and its value."""

    key_id: str
    value: Sensitive


def uses_previous(grant: ApiKeyGrant) -> bool:
    """Whether the layout of the Secret has the previous value."""
    return not grant.is_bulk_import and any(map(_uses_it, grant.own_data.values()))


def _uses_it(text: str) -> bool:
    if Variable.PREVIOUS_API_KEY.value not in text:
        # Nearly every template: it need not be parsed.
        return False
    try:
        return Variable.PREVIOUS_API_KEY in parse_template(text).variables
    except TemplateError:
        return False


def format_previous(previous: PreviousKey | None, *, key: bytes, namespace: str) -> str:
    """The annotation: the ID of the key and a keyed hash of its value; empty without one."""
    if previous is None:
        return ""
    digest = value_hash(previous.value, key_id=previous.key_id, key=key, namespace=namespace)
    return f"{previous.key_id} {digest}"
