"""Whose an IAM user is: its tags decide, and proofs where tags are from before cluster ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from keywright.api.bedrock_keys import BEDROCK
from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant, GrantIdentity
from keywright.clouds.aws.iam import user as iam_user
from keywright.clouds.aws.iam.ownership import UserOwnership
from keywright.clouds.interfaces import Evidence
from keywright.clouds.owner_tags import CLUSTER_TAG, GRANT_ID_TAG, KEYS_TAG, RETAIN_TAG, TAG
from tests.unit.api.samples import grant
from tests.unit.replace import replace

_ACCOUNT, _USER = "123456789012", "bedrock-chat"
_KEY = "ACCAEXAMPLE1EXAMPLE"
_SPEC = {"user": {"name": _USER}, "rotateEvery": "7d"}


@dataclass(slots=True)
class _Iam:
    """The keys of the user, and the tags that were set."""

    ids: tuple[str, ...] = (_KEY,)
    set_tags: dict[str, str] = field(default_factory=dict)

    def list_service_specific_credentials(self, **_: Any) -> dict[str, Any]:
        """All of them."""
        return {"ServiceSpecificCredentials": self.items}

    @property
    def items(self) -> list[dict[str, Any]]:
        """As listed."""
        return [{"UserName": _USER, "ServiceSpecificCredentialId": each} for each in self.ids]

    def tag_user(self, **request: Any) -> None:
        """Note them."""
        self.set_tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}


def _grant(*, deleting: bool = False, take_over: str = "") -> ApiKeyGrant:
    identity = GrantIdentity(grant_id="id", cluster_id="here", take_over=take_over)
    found = grant(bedrockShortTermKey=None, bedrockLongTermKey=_SPEC)
    return replace(found, identity=identity, deleting=deleting)


def _user(**tags: str) -> dict[str, Any]:
    held = {TAG: "chat/chat-key", **tags}
    return {"UserName": _USER, "Tags": [{"Key": k, "Value": v} for k, v in held.items()]}


def _users(made: ApiKeyGrant, *proven: str) -> UserOwnership:
    ids = frozenset(f"{_ACCOUNT}/{_USER}/{each}" for each in proven)
    return UserOwnership(made, _ACCOUNT, Evidence(ids), BEDROCK)


_HERE = {CLUSTER_TAG: "here", GRANT_ID_TAG: "id"}


@pytest.mark.parametrize(
    ("tags", "proven", "keys", "ours"),
    [
        (_HERE, (), (_KEY,), True),
        (_HERE | {GRANT_ID_TAG: "a former one"}, (), (_KEY,), True),
        (_HERE | {TAG: "other/grant"}, (_KEY,), (_KEY,), False),
        # Of before there were cluster ids: another cluster's user looks the same.
        ({}, (), (_KEY,), False),
        ({}, (_KEY,), (_KEY,), True),
        ({}, (), (), True),
    ],
)
def test_a_user_is_the_grants_by_tags_or_by_proof(
    tags: dict[str, str], proven: tuple[str, ...], keys: tuple[str, ...], *, ours: bool
) -> None:
    """A user without keys has nothing that could be taken."""
    assert _users(_grant(), *proven).is_ours(_Iam(keys), _user(**tags)) == ours


def test_the_user_of_another_cluster_is_left_alone() -> None:
    """Whatever is proved; a deletion passes it by, and the annotation takes it over."""
    theirs = _user(**_HERE | {CLUSTER_TAG: "their-id"})
    with pytest.raises(Failure) as refused:
        _users(_grant(), _KEY).is_ours(_Iam(), theirs)
    assert refused.value.reason == "OwnedByAnotherCluster"
    assert "their-id" not in refused.value.message_with_remedy()
    assert not _users(_grant(deleting=True), _KEY).is_ours(_Iam(), theirs)
    assert _users(_grant(take_over="their-id")).is_ours(_Iam(), theirs)


def test_the_tags_name_the_keys_that_were_issued() -> None:
    """Those that the tag has and IAM lists, and those that are proved; not made by hand."""
    iam = _Iam(ids=("ACCAISSUED", "ACCABYHAND", "ACCAPROVED"))
    user = _user(**_HERE | {KEYS_TAG: "ACCAISSUED ACCAGONE"})
    found = _users(_grant(), "ACCAPROVED").tagged(iam, user, _USER, iam.items, needed=True)
    assert found == {"ACCAISSUED", "ACCAPROVED"}
    assert iam.set_tags == {KEYS_TAG: "ACCAISSUED ACCAPROVED"}


def test_a_key_that_was_retained_is_not_counted() -> None:
    """The user is taken into use again, its key stays its owner's."""
    iam = _Iam()
    user = _user(**_HERE | {GRANT_ID_TAG: "former", RETAIN_TAG: "true", KEYS_TAG: _KEY})
    assert _users(_grant()).tagged(iam, user, _USER, iam.items, needed=True) == frozenset()
    assert iam.set_tags == {GRANT_ID_TAG: "id", KEYS_TAG: ""}


@pytest.mark.parametrize(("policy", "tagged"), [("Retain", True), ("Revoke", False)])
def test_a_deletion_that_retains_says_so_in_the_tags(policy: str, *, tagged: bool) -> None:
    """The edit that set the policy may not have been carried out: the grant was suspended."""
    iam, user = _Iam(), _user(**_HERE | {KEYS_TAG: _KEY})
    found = grant(bedrockShortTermKey=None, bedrockLongTermKey=_SPEC, deletionPolicy=policy)
    goes = replace(found, identity=_grant().identity, deleting=True)
    assert _users(goes).tagged(iam, user, _USER, iam.items, needed=True) == {_KEY}
    assert iam.set_tags == ({RETAIN_TAG: "true"} if tagged else {})


def test_a_tag_holds_as_many_ids_as_it_can() -> None:
    """The newest of them: a value has 256 characters at most."""
    iam, ids = _Iam(), [f"ACCA{number:030}" for number in range(20)]
    iam_user.note_keys(iam, _user(), ids, tags={})
    assert len(iam.set_tags[KEYS_TAG]) <= 256
    assert iam.set_tags[KEYS_TAG].split()[-1] == ids[-1]
