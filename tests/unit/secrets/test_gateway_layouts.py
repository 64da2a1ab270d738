"""The Secrets of API Gateway keys, of one and of many, and what is read back from them."""

from typing import Any

import pytest

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.sensitive import Sensitive
from keywright.secrets.credential import Credential
from keywright.secrets.drift import altered_fields, names_digest
from keywright.secrets.manifest import ManagedKeyId, manifest
from keywright.secrets.ownership import managed_secret_from
from keywright.secrets.proofs import derive_value
from keywright.secrets.recovery import recover
from keywright.secrets.rendering import data_keys, render
from tests.unit.api.samples import grant
from tests.unit.replace import replace
from tests.unit.secrets.samples import (
    HASH_KEY,
    ISSUED,
    credential,
    metadata_after_apply,
    record_of,
)

VALUE = "0123456789abcdef0123456789abcdef"
MANY = {"partner-a": Sensitive(VALUE), "partner-b": Sensitive(VALUE[::-1])}


def gateway(*, secret: dict[str, Any] | None = None, **key: Any) -> ApiKeyGrant:
    """A grant of an API Gateway key."""
    requested = {"usagePlan": {"id": "abc123"}, **key}
    return grant(bedrockShortTermKey=None, apiGatewayKey=requested, secret=secret or {})


def many() -> ApiKeyGrant:
    """A grant of a whole file of keys."""
    return gateway(csvFrom={"secretKeyRef": {"name": "partners", "key": "keys.csv"}})


def made(values: dict[str, Sensitive] | None = None) -> Credential:
    """A key of one value, or many."""
    found = replace(credential(token=VALUE), expires_at=None, key_id="1/us-west-2/k1")
    return replace(found, values=values) if values else found


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (None, {"X_API_KEY": VALUE, "curl.conf": f'header = "x-api-key: {VALUE}"\n'}),
        (["ApiKey"], {"apiKey": VALUE}),
        (["HeaderCredential"], {"credential": VALUE}),
        (["DotEnv"], {".env": f"X_API_KEY={VALUE}\n"}),
    ],
)
def test_a_format_is_what_its_readers_take(
    formats: list[str] | None, expected: dict[str, str]
) -> None:
    """The bare value wherever a gateway puts it into a header; read back from each of them."""
    requested = gateway(secret={"formats": formats} if formats else None)
    data = render(requested, credential=made())
    assert data == expected
    assert data_keys(requested) == expected.keys()
    record = record_of(requested, made=made())
    found = recover(
        KeyKind.API_GATEWAY_KEY, data=data, record=record, key=HASH_KEY, namespace="chat"
    )
    assert found == {"apiKey": Sensitive(VALUE)}


def test_many_keys_have_an_entry_each() -> None:
    """By their names and nothing beside them; they are read back as they are."""
    data = render(many(), credential=made(MANY))
    assert data == {"partner-a": VALUE, "partner-b": VALUE[::-1]}
    record = record_of(many(), made=made(MANY))
    found = recover(
        KeyKind.API_GATEWAY_KEY, data=data, record=record, key=HASH_KEY, namespace="chat"
    )
    assert found == MANY
    forged = data | {"partner-a": VALUE.upper()}
    assert (
        recover(KeyKind.API_GATEWAY_KEY, data=forged, record=record, key=HASH_KEY, namespace="chat")
        is None
    )


def _applied(names: set[str]) -> dict[str, Any]:
    body = manifest(
        many(),
        data=dict.fromkeys(sorted(names), VALUE),
        issued_at=ISSUED,
        expires_at=None,
        renew_at=None,
        revision=1,
        fingerprint="a.b.c",
        key_id=ManagedKeyId("1/us-west-2/import-1", proof=None),
        warning="1 of 3 rows were left out: row 2 (c): no.",
    )
    return metadata_after_apply(body)


def test_a_lost_entry_of_many_is_drift() -> None:
    """The names that were written are known by a digest in the Secret's own annotations."""
    whole = managed_secret_from(_applied({"partner-a", "partner-b"}))
    assert not altered_fields(whole, frozenset(), grant=many(), source=None)
    assert whole.warning == "1 of 3 rows were left out: row 2 (c): no."
    lost = replace(whole, owned_keys=frozenset({"partner-a"}))
    assert altered_fields(lost, frozenset(), grant=many(), source=None)
    forged = replace(lost, entries=names_digest({"partner-a"}), owned_annotations=frozenset())
    assert altered_fields(forged, frozenset(), grant=many(), source=None)


def test_the_same_intent_has_the_same_value() -> None:
    """And no other intent, grant or operator has it; API Gateway takes it as it is."""
    value = derive_value(b"operator's own", uid="u", intent="2026-11-22T12:00:00Z.1")
    assert value == derive_value(b"operator's own", uid="u", intent="2026-11-22T12:00:00Z.1")
    others = (
        derive_value(b"operator's own", uid="u", intent="2026-11-22T12:00:00Z.2"),
        derive_value(b"operator's own", uid="v", intent="2026-11-22T12:00:00Z.1"),
        derive_value(b"another's", uid="u", intent="2026-11-22T12:00:00Z.1"),
    )
    assert all(value != other for other in others)
    assert value.reveal().isalnum()
    assert len(value.reveal()) == 64
