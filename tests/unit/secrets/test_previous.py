"""The previous value in the layouts of a Secret, and how it is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.names import ANNOTATION_PREVIOUS_KEY
from keywright.api.sensitive import Sensitive
from keywright.secrets.drift import altered_fields
from keywright.secrets.fingerprint import value_hash
from keywright.secrets.manifest import manifest
from keywright.secrets.ownership import managed_secret_from
from keywright.secrets.previous import PreviousKey, format_previous, uses_previous
from keywright.secrets.recovery import recover, recover_previous
from keywright.secrets.rendering import data_keys, render
from tests.unit.api.samples import grant, source
from tests.unit.replace import replace
from tests.unit.secrets.samples import (
    HASH_KEY,
    ISSUED,
    credential,
    metadata_after_apply,
    record_of,
)

VALUE = "0123456789abcdef0123456789abcdef"
OLD = Sensitive("fedcba9876543210fedcba9876543210")
MADE = replace(credential(token=VALUE), expires_at=None, key_id="1/us-west-2/k2")
PREVIOUS = PreviousKey("1/us-west-2/k1", OLD)


def gateway(**secret: Any) -> ApiKeyGrant:
    """A grant of an API Gateway key."""
    key = {"usagePlan": {"id": "abc123"}}
    return grant(bedrockShortTermKey=None, apiGatewayKey=key, secret=secret)


def annotation(previous: PreviousKey | None) -> str:
    """The annotation with the key of these tests."""
    return format_previous(previous, key=HASH_KEY, namespace="chat")


LAYOUTS: list[dict[str, Any]] = [
    {"includePrevious": True},
    {"formats": ["ApiKey"], "data": {"old": "${previous.apiKey}"}},
    {"formats": [], "data": {"both.json": '["${apiKey}", ${previous.apiKey|json}]'}},
    {"formats": ["DotEnv"], "data": {"old.conf": "old=${previous.apiKey}"}},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=["format", "entry", "one text", "a line"])
@pytest.mark.parametrize("previous", [None, OLD], ids=["none", "one"])
def test_both_values_are_read_back_from_every_layout(
    layout: dict[str, Any], previous: Sensitive | None
) -> None:
    """Without a previous value, its entries are there and empty: none comes and goes."""
    requested = gateway(**layout)
    data = render(requested, credential=MADE, previous=previous)
    assert data_keys(requested) == data.keys()
    assert uses_previous(requested)
    found = recover(
        KeyKind.API_GATEWAY_KEY,
        data=data,
        record=record_of(requested, made=MADE),
        key=HASH_KEY,
        namespace="chat",
    )
    assert found == {"apiKey": Sensitive(VALUE)}
    mark = value_hash(OLD, key_id=PREVIOUS.key_id, key=HASH_KEY, namespace="chat")
    read = recover_previous(
        data=data,
        key_id=PREVIOUS.key_id,
        recorded_hash=mark,
        key=HASH_KEY,
        namespace="chat",
    )
    assert read == previous


def test_the_format_has_it_by_choice() -> None:
    """`includePrevious` adds one entry; a template can name it otherwise."""
    assert "previousApiKey" not in render(gateway(), credential=MADE, previous=OLD)
    data = render(gateway(includePrevious=True), credential=MADE, previous=OLD)
    assert (data["X_API_KEY"], data["previousApiKey"]) == (VALUE, OLD.reveal())
    assert render(gateway(includePrevious=True), credential=MADE)["previousApiKey"] == ""


def test_values_that_no_entry_has_alone_are_in_the_file_of_the_operator() -> None:
    """Both values stay readable when the layout is changed."""
    requested = gateway(formats=[], data={"both": "${apiKey} ${previous.apiKey}"})
    data = render(requested, credential=MADE, previous=OLD)
    assert json.loads(data["keywright.json"]) == {
        "apiKey": VALUE,
        "previous.apiKey": OLD.reveal(),
    }


@pytest.mark.parametrize("forged", ["", "x", "1/us-west-2/k1", "1/us-west-2/k1 not-a-hash", " "])
def test_a_malformed_annotation_counts_as_none(forged: str) -> None:
    """Other clients can write it."""
    meta = {"namespace": "chat", "name": "x", "annotations": {ANNOTATION_PREVIOUS_KEY: forged}}
    assert managed_secret_from(meta).previous_id is None


def test_the_annotation_names_the_key_and_hides_its_value() -> None:
    """A keyed hash, salted with the namespace; it is required by layouts with the value."""
    text = annotation(PREVIOUS)
    key_id, digest = text.split(" ")
    assert key_id == PREVIOUS.key_id
    assert digest != value_hash(OLD, key_id=key_id, key=HASH_KEY, namespace="other")
    assert OLD.reveal() not in text
    requested = gateway(includePrevious=True)
    body = manifest(
        requested,
        data=render(requested, credential=MADE, previous=OLD),
        issued_at=ISSUED,
        expires_at=None,
        renew_at=None,
        revision=2,
        fingerprint="a.b.c",
        previous=text,
    )
    secret = managed_secret_from(metadata_after_apply(body))
    assert (secret.previous_id, secret.previous_hash) == (key_id, digest)
    del body["metadata"]["annotations"][ANNOTATION_PREVIOUS_KEY]
    edited = managed_secret_from(metadata_after_apply(body))
    fields = altered_fields(edited, data_keys(requested), grant=requested, source=source())
    assert f"metadata.annotations[{ANNOTATION_PREVIOUS_KEY}]" in fields


def test_another_value_is_not_taken_for_the_previous_one() -> None:
    """Whatever another client has written into the entry."""
    data = {"previousApiKey": "something else", "X_API_KEY": VALUE}
    mark = value_hash(OLD, key_id=PREVIOUS.key_id, key=HASH_KEY, namespace="chat")
    found = recover_previous(
        data=data,
        key_id=PREVIOUS.key_id,
        recorded_hash=mark,
        key=HASH_KEY,
        namespace="chat",
    )
    assert found is None


def test_the_hash_of_one_key_is_not_that_of_another() -> None:
    """The annotation of a retired key, or of another grant, cannot be relabeled."""
    data = {"previousApiKey": OLD.reveal()}
    mark = value_hash(OLD, key_id=PREVIOUS.key_id, key=HASH_KEY, namespace="chat")
    found = recover_previous(
        data=data, key_id="1/us-west-2/k9", recorded_hash=mark, key=HASH_KEY, namespace="chat"
    )
    assert found is None
