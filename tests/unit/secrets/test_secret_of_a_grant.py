"""The Secret as it is applied, whose it is, and whether anyone has touched it."""

import base64
import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from keywright.api.sensitive import Sensitive
from keywright.secrets.drift import altered_fields
from keywright.secrets.fingerprint import (
    data_hash,
    fingerprint,
    has_identity,
    imported_digest,
    key_identity,
    same_data,
    same_key,
    same_values,
)
from keywright.secrets.ownership import Ownership, classify, managed_secret_from
from keywright.secrets.rendering import data_keys, render
from tests.unit.api.samples import (
    grant,
    grant_body,
    parsed_grant,
    parsed_source,
    source,
    source_body,
)
from tests.unit.replace import replace
from tests.unit.secrets.samples import (
    HASH_KEY,
    TOKEN,
    credential,
    earlier_fingerprint,
    facts_of,
    fingerprint_of,
    manifest_of,
    metadata_after_apply,
)

UID = "0f6f5d4c-6f3e-4d0c-9d54-5b1f2f1f7a11"
_EXPIRY_FIELDS = (
    "metadata.annotations[keywright.dev/expires-at]",
    "metadata.annotations[keywright.dev/renew-at]",
)
GRANT = grant(secret={"labels": {"team": "chat"}, "annotations": {"a": "b"}})


def test_the_applied_secret_is_all_there_is_to_say() -> None:
    """Data, type, marks, the user's labels and annotations, and the owner, in one body."""
    body = manifest_of(GRANT)
    mark = fingerprint_of(GRANT, made=credential())
    data = {key: base64.b64decode(text).decode() for key, text in body.pop("data").items()}
    assert data == render(GRANT, credential=credential())
    assert body == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": "chat-key",
            "namespace": "chat",
            "labels": {
                "team": "chat",
                "app.kubernetes.io/managed-by": "keywright",
                "keywright.dev/managed": "true",
            },
            "annotations": {
                "a": "b",
                "keywright.dev/owner": f"chat/chat-key {UID}",
                "keywright.dev/issued-at": "2026-11-22T10:00:00Z",
                "keywright.dev/expires-at": "2026-11-22T22:00:00Z",
                "keywright.dev/renew-at": "2026-11-22T18:00:00Z",
                "keywright.dev/revision": "3",
                "keywright.dev/fingerprint": mark,
            },
            "ownerReferences": [
                {
                    "apiVersion": "keywright.dev/v1alpha1",
                    "kind": "ApiKeyGrant",
                    "name": "chat-key",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
    }


_REGISTRY: dict[str, Any] = {"bedrockShortTermKey": None, "ecrToken": {}}
_FOR_REGISTRIES = "kubernetes.io/dockerconfigjson"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "Opaque"),
        ({"secret": {"type": "example.com/key"}}, "example.com/key"),
        (_REGISTRY, _FOR_REGISTRIES),
        ({**_REGISTRY, "secret": {"formats": ["ApiKey", "DockerConfigJson"]}}, _FOR_REGISTRIES),
        ({**_REGISTRY, "secret": {"formats": ["ApiKey"]}}, "Opaque"),
        ({**_REGISTRY, "secret": {"formats": [], "data": {"a": "${apiKey}"}}}, "Opaque"),
        # As earlier CRDs stored it.
        ({**_REGISTRY, "secret": {"type": "Opaque"}}, "Opaque"),
    ],
)
def test_the_type_is_the_one_that_the_formats_need(spec: dict[str, Any], expected: str) -> None:
    """Unless the field says otherwise."""
    assert grant(**spec).secret_type == expected


def test_no_metadata_shows_the_key() -> None:
    """A reader of the Secret's metadata, without its data, learns nothing of the key."""
    assert TOKEN not in str(manifest_of(GRANT)["metadata"])


def test_what_moves_is_no_part_of_the_data() -> None:
    """A renewed key is the only reason for a reader to restart: data says nothing else new."""
    first = render(GRANT, credential=credential())
    second = render(GRANT, credential=credential(token="another", expires_at=None))
    changed = {key for key in first if first[key] != second[key]}
    assert changed == {"AWS_BEARER_TOKEN_BEDROCK", "OPENAI_API_KEY"}


def test_the_fingerprint_tells_what_changed() -> None:
    """Facts, data and values each by themselves; the keyed parts say nothing without the key."""
    made = credential()
    mark = fingerprint_of(GRANT, made=made)
    data = render(GRANT, credential=made)
    state = key_identity(GRANT, source=source())
    other = key_identity(grant(bedrockShortTermKey={"duration": "1h"}), source=source())
    assert [len(part) for part in mark.split(".")] == [16, 32, 32]
    assert has_identity(mark, state)
    assert not has_identity(mark, other)
    assert same_data(mark, data=dict(reversed(data.items())), key=HASH_KEY, namespace="chat")
    assert not same_data(mark, data=data | {"more": ""}, key=HASH_KEY, namespace="chat")
    assert not same_data(mark, data=data, key=b"another", namespace="chat")
    known = partial(same_key, mark, key=HASH_KEY, namespace="chat")
    facts = facts_of(GRANT, made=made)
    assert known(values=made.values, facts=facts)
    assert not known(values={"apiKey": Sensitive("x")}, facts=facts)
    assert not known(values=made.values, facts=replace(facts, key_id="another"))
    assert not same_values(mark, values=made.values, key=HASH_KEY, namespace="chat")


@pytest.mark.parametrize("mark", [None, "", "x", "a.b", "é.é.é", "..", "a.b.c.d"])
def test_a_fingerprint_that_is_none_matches_nothing(mark: str | None) -> None:
    """Missing or forged, it means that there is no telling."""
    assert not has_identity(mark, key_identity(GRANT, source=source()))
    assert not same_data(mark, data={}, key=HASH_KEY, namespace="chat")
    facts = facts_of(GRANT, made=credential())
    assert not same_key(mark, values={}, facts=facts, key=HASH_KEY, namespace="chat")
    assert not same_values(mark, values={}, key=HASH_KEY, namespace="chat")


def test_a_secret_is_known_by_its_metadata() -> None:
    """Marks and ownership are read back as they were written."""
    state = managed_secret_from(metadata_after_apply(manifest_of(GRANT)))
    assert state.owner_annotation is not None
    assert (state.owner_annotation.namespace, state.owner_annotation.name) == ("chat", "chat-key")
    assert state.owner_annotation.uid == state.owner_uid == UID
    assert state.revision == 3
    assert state.expires_at == credential().expires_at
    assert state.owned_keys == data_keys(GRANT)


def test_secrets_of_one_layout_share_memory() -> None:
    """Ten thousand Secrets of the same layout hold their key names once."""
    first, second = (managed_secret_from(metadata_after_apply(manifest_of(GRANT))) for _ in "ab")
    assert first.owned_keys is second.owned_keys
    assert first.owned_annotations is second.owned_annotations


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"keywright.dev/owner": f"chat/chat-key {UID}"}, Ownership.OWNED),
        ({"keywright.dev/owner": "chat/chat-key of-a-backup"}, Ownership.OWNED),
        ({"keywright.dev/owner": f"chat/other {UID}"}, Ownership.OWNED_BY_OTHER),
        ({"keywright.dev/owner": f"other/chat-key {UID}"}, Ownership.OWNED_BY_OTHER),
        ({"keywright.dev/owner": "nonsense"}, Ownership.UNOWNED),
        ({}, Ownership.UNOWNED),
    ],
)
def test_the_mark_says_whose_a_secret_is(annotations: dict[str, str], expected: Ownership) -> None:
    """Namespace and name count; the uid may be another after a restore, a label is no mark."""
    meta = {
        "namespace": "chat",
        "name": "chat-key",
        "annotations": annotations,
        "labels": {"app.kubernetes.io/managed-by": "keywright"},
    }
    assert classify(GRANT, managed_secret_from(meta)) is expected


@pytest.mark.parametrize("mark", [None, "chat/other uid"])
def test_a_mark_that_was_edited_by_hand_does_not_take_the_secret_away(mark: str | None) -> None:
    """The owner reference that we still own tells whose it is, so that the mark is repaired."""
    meta = copy.deepcopy(metadata_after_apply(manifest_of(GRANT)))
    _remove("f:metadata", "f:annotations", "f:keywright.dev/owner")(meta)
    meta["annotations"]["keywright.dev/owner"] = mark
    state = managed_secret_from(meta)
    assert classify(GRANT, state) is Ownership.OWNED
    assert altered_fields(state, data_keys(GRANT), grant=GRANT, source=None)


def _remove(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(meta: dict[str, Any]) -> None:
        place = meta["managedFields"][0]["fieldsV1"]
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def _nothing(meta: dict[str, Any]) -> None:
    """Leaves the Secret as it was applied."""


def _drop_owner(meta: dict[str, Any]) -> None:
    meta["ownerReferences"] = []


def _by_update(meta: dict[str, Any]) -> None:
    meta["managedFields"][0]["operation"] = "Update"


def _by_another(meta: dict[str, Any]) -> None:
    meta["managedFields"][0]["manager"] = "kubectl-edit"


def _without(meta: dict[str, Any]) -> None:
    del meta["managedFields"]


def _additional(meta: dict[str, Any]) -> None:
    fields = {"f:data": {"f:FOREIGN": {}}, "f:metadata": {"f:labels": {"f:theirs": {}}}}
    meta["managedFields"].insert(
        0, {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields}
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_nothing, True),
        (_additional, True),
        (_remove("f:data", "f:AWS_REGION"), False),
        (_remove("f:data"), False),
        (_remove("f:metadata", "f:annotations", "f:keywright.dev/expires-at"), False),
        (_remove("f:metadata", "f:annotations", "f:keywright.dev/owner"), False),
        (_remove("f:metadata", "f:annotations", "f:a"), False),
        (_remove("f:metadata", "f:labels", "f:team"), False),
        (_remove("f:metadata", "f:labels", "f:app.kubernetes.io/managed-by"), False),
        (_remove("f:metadata", "f:labels", "f:keywright.dev/managed"), False),
        (_remove("f:metadata", "f:ownerReferences"), False),
        (_drop_owner, False),
        (_by_update, False),
        (_by_another, False),
        (_without, False),
    ],
)
def test_a_change_by_others_is_seen_without_reading_the_secret(
    *, change: Callable[[dict[str, Any]], None], expected: bool
) -> None:
    """What is ours and was touched is found; what others added beside it is theirs."""
    meta = copy.deepcopy(metadata_after_apply(manifest_of(GRANT)))
    change(meta)
    altered = altered_fields(managed_secret_from(meta), data_keys(GRANT), grant=GRANT, source=None)
    assert (not altered) is expected


_STATIC = {"regionId": "cn-hangzhou", "accessKey": {"secretRef": {"name": "ram"}}}
_ROLE = {"roleArn": "acs:ram::1234567890123456:role/chat", "roleSessionName": "chat"}


@pytest.mark.parametrize(
    ("spec", "expires", "altered"),
    [
        (_STATIC, False, ()),
        (_STATIC, True, _EXPIRY_FIELDS),
        (_STATIC | {"assumeRoles": [_ROLE]}, False, _EXPIRY_FIELDS),
    ],
    ids=["no expiry", "the Secret says that it expires", "a role always expires"],
)
def test_a_static_credential_needs_no_expiry(
    spec: dict[str, Any], *, expires: bool, altered: tuple[str, ...]
) -> None:
    """A credential that is copied unchanged expires only if the Secret says so."""
    made = grant(bedrockShortTermKey=None, sessionCredentials={})
    body = source_body()
    copied = parsed_source(body | {"spec": {"alibabaCloud": spec}})
    meta = copy.deepcopy(metadata_after_apply(manifest_of(GRANT)))
    for name in ("expires-at", "renew-at"):
        _remove("f:metadata", "f:annotations", f"f:keywright.dev/{name}")(meta)
    state = managed_secret_from(meta)
    state = state if expires else replace(state, expires_at=None)
    assert altered_fields(state, state.owned_keys, grant=made, source=copied) == altered


def test_a_restored_grant_takes_its_secret_back() -> None:
    """Its new uid is not yet the owner, so that the Secret is written again, and not minted."""
    body = grant_body()
    restored = parsed_grant(body | {"metadata": body["metadata"] | {"uid": "new"}})
    state = managed_secret_from(metadata_after_apply(manifest_of(grant())))
    assert classify(restored, state) is Ownership.OWNED
    assert altered_fields(state, data_keys(restored), grant=restored, source=None)
    assert has_identity(state.fingerprint, key_identity(restored, source=source()))


def test_equal_data_is_not_seen_to_be_equal_in_two_namespaces() -> None:
    """Nor are equal values, or equal imported ones: each hash is salted with the namespace."""
    made = credential()
    data = render(GRANT, credential=made)

    def mark(namespace: str) -> list[str]:
        return fingerprint(
            key_identity=key_identity(GRANT, source=source()),
            data=data,
            values=made.values,
            facts=facts_of(GRANT, made=made),
            key=HASH_KEY,
            namespace=namespace,
        ).split(".")

    here, there = mark("chat"), mark("other")
    assert here[0] == there[0]
    assert here[1] != there[1]
    assert here[2] != there[2]
    value = Sensitive("imported")
    assert imported_digest(value, key=HASH_KEY, namespace="chat") != imported_digest(
        value, key=HASH_KEY, namespace="other"
    )


def test_a_hash_of_before_the_salt_counts_until_the_data_changes() -> None:
    """So that an upgrade restarts nothing: the mark of a rollout is that hash."""
    made = credential()
    data = render(GRANT, credential=made)
    state = key_identity(GRANT, source=source())

    def mark(data: Mapping[str, str], *, namespace: str, before: str | None = None) -> str:
        return fingerprint(
            key_identity=state,
            data=data,
            values=made.values,
            facts=facts_of(GRANT, made=made),
            key=HASH_KEY,
            namespace=namespace,
            before=(None, before),
        )

    old = earlier_fingerprint(state, data=data, values=made.values)
    assert same_data(old, data=data, key=HASH_KEY, namespace="chat")
    assert same_values(old, values=made.values, key=HASH_KEY, namespace="chat")
    written_again = mark(data, namespace="chat", before=old)
    assert data_hash(written_again) == data_hash(old)
    changed = data | {"more": "x"}
    fresh = mark(changed, namespace="chat")
    assert mark(changed, namespace="chat", before=written_again) == fresh
    assert not same_data(fresh, data=changed, key=HASH_KEY, namespace="other")
