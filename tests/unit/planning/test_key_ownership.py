"""Whose a key in the cloud is: what is left of an edited spec, proofs, and other clusters."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.bedrock_keys import BedrockLongTermKey
from keywright.api.errors import FailureClass
from keywright.api.grant import ApiKeyGrant, DeletionPolicy, GrantIdentity
from keywright.api.keys import KeyKind
from keywright.api.parsing import parse_grant
from keywright.api.status import GrantStatus
from keywright.api.user_key import IamUser
from keywright.planning.decide import decide
from keywright.planning.key_ownership import (
    checked_by_listing,
    grant_to_revoke,
    owned_by_another_cluster,
)
from keywright.planning.state import CloudKey, GrantState, SecretState
from keywright.planning.steps import Reject
from tests.unit.api.samples import grant, grant_body
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import secret, state, status
from tests.unit.replace import replace

A, B, C = (f"123456789012/bedrock-chat/ACCA{letter}" for letter in "ABC")
KIND = "bedrockLongTermKey"
HELD = status(kind=KIND, key_id=A, secret_name="chat-key")
KEY = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}


def _body(spec: dict[str, Any]) -> dict[str, Any]:
    """A grant with this spec, which has no key by default."""
    return grant_body(**{"bedrockShortTermKey": None} | spec)


def _revoked(spec: dict[str, Any], *, held: GrantStatus = HELD) -> ApiKeyGrant:
    """The grant to revoke by the status and this spec."""
    body = _body(spec)
    found = grant_to_revoke(body, held, parse_grant(body))
    assert isinstance(found, ApiKeyGrant), found
    return found


@pytest.mark.parametrize(
    "spec",
    [{}, {"bedrockShortTermKey": {}}, {"sessionCredentials": {}}, {KIND: {}}, {KIND: 7}],
    ids=["no key", "another kind", "a third kind", "an invalid key", "not even an object"],
)
def test_keys_are_revoked_by_the_kind_in_the_status(spec: dict[str, Any]) -> None:
    """And by the user in their IDs, whatever the spec has become."""
    found = _revoked(spec)
    assert found.kind is KeyKind.BEDROCK_LONG_TERM_KEY
    assert isinstance(found.key, BedrockLongTermKey)
    assert found.key.user == IamUser(name="bedrock-chat")
    assert not found.key.exclusive


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"name": "bedrock", "namespace": "platform"}, ("platform", "bedrock")),
        ({"name": "bedrock"}, ("chat", "bedrock")),
        ({"name": "bedrock", "namespace": "platform", "x": 1}, ("platform", "bedrock")),
    ],
)
def test_the_source_of_the_spec_revokes_the_keys(
    reference: dict[str, Any], expected: tuple[str, str]
) -> None:
    """Of its namespace; an unknown field does not prevent that."""
    assert _revoked({"sourceRef": reference}).source_key == expected


def test_secret_and_deletion_policy_are_kept() -> None:
    """The name of the Secret is that of the status; any other policy is the default."""
    renamed = replace(HELD, secret_name="former")
    assert _revoked({}, held=renamed).secret_name == "former"
    assert _revoked({"secret": {"name": "new"}}, held=renamed).secret_name == "former"
    assert _revoked({}, held=replace(HELD, secret_name=None)).secret_name == "chat-key"
    assert _revoked({"deletionPolicy": "Retain"}).spec.deletion_policy is DeletionPolicy.RETAIN
    assert _revoked({"deletionPolicy": "x"}).spec.deletion_policy is DeletionPolicy.REVOKE


@pytest.mark.parametrize(
    ("key", "user", "exclusive"),
    [
        ({"create": False}, {"create": False}, False),
        ({"create": True, "path": "/team/"}, {"path": "/team/"}, False),
        ({"path": 7}, {}, False),
        ({"create": "no"}, {"create": False}, False),
        ({"name": "another", "create": False, "path": "/team/"}, {}, False),
    ],
)
def test_a_spec_that_still_names_the_user_says_whether_it_exists_already(
    key: dict[str, Any], user: dict[str, Any], *, exclusive: bool
) -> None:
    """A user that the spec does not describe any more is known by its tags."""
    invalid = {"user": {"name": "bedrock-chat"} | key, "rotateEvery": 7}
    found = _revoked({KIND: invalid}).key
    assert isinstance(found, BedrockLongTermKey)
    assert found.user == IamUser(name="bedrock-chat", **user)
    assert found.exclusive is exclusive


@pytest.mark.parametrize("exclusive", [True, False, "yes", None])
def test_only_a_spec_that_says_so_is_exclusive(exclusive: object) -> None:
    """Keys of others are removed only then."""
    invalid = {"user": {"name": "bedrock-chat"}, "rotateEvery": 7, "exclusive": exclusive}
    found = _revoked({KIND: invalid}).key
    assert isinstance(found, BedrockLongTermKey)
    assert found.exclusive is (exclusive is True)


@pytest.mark.parametrize(
    ("held", "spec"),
    [
        (HELD, {KIND: KEY}),
        (replace(HELD, key_id=None), {"bedrockShortTermKey": {}}),
        (replace(HELD, kind="bedrockShortTermKey"), {"sessionCredentials": {}}),
        (replace(HELD, key_id="no user"), {"bedrockShortTermKey": {}}),
        (HELD, {"sourceRef": {"name": 7}}),
    ],
    ids=["the same kind", "no key", "no managed kind", "an unreadable ID", "an invalid source"],
)
def test_otherwise_the_spec_counts(held: GrantStatus, spec: dict[str, Any]) -> None:
    """As it was parsed, with its errors."""
    body = _body(spec)
    parsed = parse_grant(body)
    assert grant_to_revoke(body, held, parsed) is parsed


def _unproved(held: SecretState | None, *marked: str) -> GrantState:
    """Keys A and B are unproved, before a listing in which these keys are tagged."""
    listed = tuple(CloudKey(key_id, created_at=NOON, marked=True) for key_id in marked)
    unproved = frozenset({A, B})
    return state(secret=held, listed=(*listed, CloudKey(C, created_at=NOON)), unproved_ids=unproved)


@pytest.mark.parametrize(
    ("marked", "key_id", "replaces", "unproved"),
    [
        ((), None, None, {A, B}),
        ((A,), A, None, {B}),
        ((B,), None, B, {A}),
        ((A, B), A, B, set()),
    ],
)
def test_tags_prove_the_ids_in_a_secret(
    marked: tuple[str, ...], key_id: str | None, replaces: str | None, unproved: set[str]
) -> None:
    """An ID that is still unproved is ignored."""
    found = checked_by_listing(_unproved(secret(key_id=A, replaces=B), *marked))
    assert found.secret is not None
    assert (found.secret.key_id, found.secret.replaces) == (key_id, replaces)
    assert found.unproved_ids == unproved


def test_other_ids_need_no_tags() -> None:
    """If every ID of the Secret is proved, or there is no Secret, nothing is ignored."""
    held = secret(key_id=C)
    assert checked_by_listing(_unproved(held)).secret == held
    assert checked_by_listing(_unproved(None)).secret is None
    proved = state(secret=secret(key_id=A), listed=())
    assert checked_by_listing(proved) is proved


def _elsewhere(*, taken: bool = False, named: str | None = None) -> ApiKeyGrant:
    """A grant whose Secret or status names the cluster `there`; `named`: by the annotation."""
    identity = GrantIdentity(
        grant_id="id", cluster_id="here", elsewhere="there", take_over="there" if taken else ""
    )
    found = grant(bedrockShortTermKey=None, **{KIND: KEY})
    return replace(found, identity=identity, take_over=named)


@pytest.mark.parametrize(
    ("held", "in_secret", "named"),
    [
        (HELD, secret(key_id=B), f"the key {A} belongs"),
        (replace(HELD, key_id=None), secret(key_id=B), f"the key {B} belongs"),
        (replace(HELD, key_id=None), None, "the key belongs"),
    ],
    ids=["status", "Secret", "neither"],
)
def test_keys_of_another_cluster_are_left_alone(
    held: GrantStatus, in_secret: SecretState | None, named: str
) -> None:
    """The message names the key and the cluster, until the annotation takes the keys over."""
    known = state(grant=_elsewhere(), status=held, secret=in_secret, has_finalizer=True)
    step = decide(known, now=NOON)
    assert isinstance(step, Reject)
    assert (step.failure.reason, step.failure.kind) == (
        "OwnedByAnotherCluster",
        FailureClass.CONFIGURATION,
    )
    assert step.failure.message.startswith(f"{named} to this grant in another cluster there;")
    taken = decide(replace(known, grant=_elsewhere(taken=True)), now=NOON)
    assert not isinstance(taken, Reject)


_AGAIN = "The annotation has been carried out before: remove it first. Otherwise"


@pytest.mark.parametrize(
    ("found", "again"),
    [
        (_elsewhere(), False),
        (_elsewhere(named="there"), True),
        (_elsewhere(taken=True, named="there"), False),
    ],
    ids=["no annotation", "an annotation that counted before", "an annotation that counts"],
)
def test_the_failure_says_how_keys_are_taken_over(found: ApiKeyGrant, *, again: bool) -> None:
    """With the command, the field, and what prevents another use of the annotation."""
    failure = owned_by_another_cluster(found, what="the IAM user bedrock-chat")
    assert failure.field == "metadata.annotations[keywright.dev/take-over]"
    command = (
        "kubectl annotate --namespace=chat apikeygrant chat-key keywright.dev/take-over=there. "
    )
    assert command in failure.remedy
    assert (command + _AGAIN in failure.remedy) is again
    assert "CLUSTER_ID" not in failure.remedy


def test_the_id_of_an_unknown_cluster_is_not_told() -> None:
    """Knowing it is part of the authorization: neither Secret nor status name it."""
    found = replace(_elsewhere(), identity=GrantIdentity(grant_id="id", cluster_id="here"))
    failure = owned_by_another_cluster(found, what="the IAM user bedrock-chat")
    assert "in another cluster; " in failure.message
    assert "keywright.dev/take-over=CLUSTER_ID. CLUSTER_ID is what" in failure.remedy
