"""An existing IAM user keeps its policies and stays, whatever tags it has; a created one goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from typing_extensions import override

from keywright.api.bedrock_keys import BedrockLongTermKey
from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant, GrantIdentity
from keywright.api.parsing import parse_grant
from keywright.api.status import GrantStatus
from keywright.clouds.aws.iam.user_keys import UserKeys
from keywright.clouds.interfaces import Evidence, HolderInUseError
from keywright.clouds.owner_tags import CLUSTER_TAG, CREATED_TAG, GRANT_ID_TAG, KEYS_TAG, TAG
from keywright.planning.key_ownership import grant_to_revoke
from tests.unit.api.samples import grant_body, source
from tests.unit.clouds.aws.contexts import USER, ScriptedSts, bare, context
from tests.unit.fakes.clock import NOON
from tests.unit.replace import replace

_CREDENTIAL = "ACCAEXAMPLE1EXAMPLE"
_KEY_ID = f"123456789012/ci-bot/{_CREDENTIAL}"
_TAGS = {TAG: "chat/chat-key", CLUSTER_TAG: "here", GRANT_ID_TAG: "id", KEYS_TAG: _CREDENTIAL}
_DESTRUCTIVE = {"detach_user_policy", "delete_user_policy", "delete_user"}
_CREATED, _EXISTING = {CREATED_TAG: "true"}, {CREATED_TAG: "false"}


@dataclass(slots=True)
class _Iam:
    """One user with a key, a managed policy, and the grant's tags; notes what is changed."""

    path: str = "/"
    tags: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=lambda: [_CREDENTIAL])
    of_other_services: tuple[str, ...] = ()
    calls: list[str] = field(default_factory=list)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(ClientError=LookupError))

    def get_user(self, **request: Any) -> dict[str, Any]:
        """Every name is there."""
        held = [{"Key": key, "Value": value} for key, value in (_TAGS | self.tags).items()]
        return {"User": {"UserName": request["UserName"], "Path": self.path, "Tags": held}}

    def list_service_specific_credentials(self, **request: Any) -> dict[str, Any]:
        """Those of ci-bot."""
        ids = self.ids if request["UserName"] == "ci-bot" else []
        if "ServiceName" not in request:
            ids = [*ids, *self.of_other_services]
        items = [{"ServiceSpecificCredentialId": each, "CreateDate": NOON} for each in ids]
        return {"ServiceSpecificCredentials": items}

    def delete_service_specific_credential(self, **request: Any) -> None:
        """It is not listed any more."""
        self.ids.remove(request["ServiceSpecificCredentialId"])

    def get_paginator(self, _: str) -> Any:
        """One page, with a policy of the user's owner."""
        page = {"AttachedPolicies": [{"PolicyArn": "arn:deploy"}], "PolicyNames": []}
        return SimpleNamespace(paginate=lambda **_: [page])

    def tag_user(self, **request: Any) -> None:
        """Keep them."""
        self.tags = self.tags | {tag["Key"]: tag["Value"] for tag in request["Tags"]}

    def __getattr__(self, name: str) -> Any:
        return lambda **_: self.calls.append(name)


class _Calls(ScriptedSts):
    def __init__(self, iam: _Iam) -> None:
        super().__init__()
        self.iam = iam

    @override
    async def run(self, service: str, call: Any, **_: Any) -> Any:
        return call(self.iam)


def _body(**user: Any) -> dict[str, Any]:
    key = {
        "user": {"name": "ci-bot", "create": False} | user,
        "exclusive": True,
        "rotateEvery": "7d",
    }
    return grant_body(bedrockShortTermKey=None, bedrockLongTermKey=key)


def _keys(iam: _Iam, body: dict[str, Any], *, deleting: bool = False) -> UserKeys:
    """The keys of the grant, of which the one of ci-bot is proved."""
    found = parse_grant(body)
    if deleting:
        status = {"kind": "bedrockLongTermKey", "keyId": _KEY_ID, "revision": 1}
        found = grant_to_revoke(body, GrantStatus.parse(status), found)
    assert isinstance(found, ApiKeyGrant)
    assert isinstance(found.key, BedrockLongTermKey)
    identity = GrantIdentity(grant_id="id", cluster_id="here")
    return UserKeys(
        found.key,
        replace(found, identity=identity, deleting=deleting),
        source(),
        replace(bare(), identity=USER),
        context(_Calls(iam)),
        Evidence(frozenset({_KEY_ID})),
    )


_OTHER_KIND = grant_body(bedrockShortTermKey=None, apiGatewayKey={"usagePlan": {"id": "abc123"}})
_INVALID = {"tags": 7}


@pytest.mark.parametrize("tags", [{}, _EXISTING])
@pytest.mark.parametrize(
    "body",
    [
        _body(),
        _body(**_INVALID),
        _body(**_INVALID, create="no"),
        _body(**_INVALID, path="/team/"),
        _OTHER_KIND,
        grant_body(bedrockShortTermKey=None),
    ],
)
async def test_a_deletion_leaves_an_existing_user(
    body: dict[str, Any], tags: dict[str, str]
) -> None:
    """Also if the spec does not say any more that it is one; our tags are removed."""
    iam = _Iam(tags=tags)
    assert await _keys(iam, body, deleting=True).remove((_KEY_ID,), and_holder=True) == ()
    assert iam.ids == []
    assert not _DESTRUCTIVE & set(iam.calls)
    assert "untag_user" in iam.calls


@pytest.mark.parametrize(
    ("user", "path", "tags"),
    [
        ({"name": "other-bot"}, "/", {}),
        ({"name": "other-bot"}, "/keywright/", {}),
        ({"name": "other-bot"}, "/keywright/", _EXISTING),
        ({"name": "other-bot", "create": True}, "/", {}),
        ({"name": "other-bot", "create": True}, "/keywright/", _EXISTING),
    ],
)
async def test_an_existing_user_that_the_grant_has_left_stays(
    user: dict[str, Any], path: str, tags: dict[str, str]
) -> None:
    """The old key is deleted after the name was edited."""
    iam = _Iam(path, tags)
    assert await _keys(iam, _body(**user)).remove((_KEY_ID,)) == ()
    assert iam.ids == []
    assert not _DESTRUCTIVE & set(iam.calls)


@pytest.mark.parametrize(
    ("path", "tags", "user"),
    [
        ("/", _CREATED, {}),
        ("/keywright/", {}, {}),
        ("/keywright/", {}, {"path": "/team/"}),
        ("/team/", {}, {"path": "/team/"}),
        ("/team/", {}, {"path": "/team/"} | _INVALID),
    ],
)
async def test_a_deletion_takes_a_created_user(
    path: str, tags: dict[str, str], user: dict[str, Any]
) -> None:
    """By the tag, or by the path of a user that an earlier version created."""
    iam = _Iam(path, tags)
    await _keys(iam, _body(create=True, **user), deleting=True).remove((_KEY_ID,), and_holder=True)
    assert iam.calls == ["detach_user_policy", "delete_user"]


@pytest.mark.parametrize("tags", [{}, _CREATED])
async def test_a_deletion_takes_a_created_user_that_the_spec_does_not_name(
    tags: dict[str, str],
) -> None:
    """The kind was edited."""
    iam = _Iam("/keywright/", tags)
    await _keys(iam, _OTHER_KIND, deleting=True).remove((_KEY_ID,), and_holder=True)
    assert iam.calls == ["detach_user_policy", "delete_user"]


async def test_a_created_user_that_the_grant_has_left_goes() -> None:
    """Also for an existing user: the tag says who created the old one."""
    iam = _Iam(tags=_CREATED)
    await _keys(iam, _body(name="other-bot")).remove((_KEY_ID,))
    assert iam.calls == ["detach_user_policy", "delete_user"]


async def test_a_listing_tags_an_existing_user_as_one() -> None:
    """The path alone cannot tell: the permissions of the example cover `/keywright/` only."""
    iam = _Iam("/keywright/")
    await _keys(iam, _body()).list_keys(frozenset({_KEY_ID}))
    assert iam.tags == _EXISTING


async def test_keys_of_an_existing_user_that_are_not_ours_are_not_counted() -> None:
    """Its tags name the key that was issued; another key is its owner's."""
    iam = _Iam(tags=_EXISTING, ids=[_CREDENTIAL, "ACCABYHAND"])
    found = await _keys(iam, _body(name="other-bot")).list_keys(frozenset({_KEY_ID}))
    assert [(key.issued, key.marked) for key in found] == [(True, True), (False, False)]


@pytest.mark.parametrize(("path", "tags"), [("/", {}), ("/keywright/", _EXISTING)])
async def test_an_existing_user_is_not_changed_once_the_grant_would_create_it(
    path: str, tags: dict[str, str]
) -> None:
    """Its tags are the grant's, its policies are not."""
    iam = _Iam(path, tags)
    with pytest.raises(Failure, match="was not made by Keywright") as refused:
        await _keys(iam, _body(create=True)).prepare(frozenset())
    assert refused.value.reason == "UserNotOurs"
    assert iam.calls == []


async def test_a_user_of_an_earlier_version_gets_the_tag() -> None:
    """Its path shows that it was created."""
    iam = _Iam("/keywright/")
    await _keys(iam, _body(create=True)).prepare(frozenset())
    assert iam.tags[CREATED_TAG] == "true"


_IN_USE = (
    "the IAM user ci-bot was created for this grant and stays with its policies, because it has"
    " keys of others. Delete the grants that use it, and keys that were created by hand;"
    " `keywright audit --fix` then deletes a user whose grant is deleted."
)


@pytest.mark.parametrize(
    "others",
    [{"of_other_services": ("ACCAOTHEREXAMPLE1",)}, {"ids": [_CREDENTIAL, "ACCABYHANDEXAMPLE"]}],
    ids=["of another service", "of the same service"],
)
async def test_a_created_user_stays_while_it_has_keys_of_others(others: dict[str, Any]) -> None:
    """Other grants can use it with `create: false`; the failure names it, the keys are deleted."""
    iam = _Iam(tags=_CREATED, path="/keywright/", **others)
    keys = _keys(iam, _body(create=True), deleting=True)
    with pytest.raises(HolderInUseError) as raised:
        await keys.remove((_KEY_ID,), and_holder=True)
    assert _CREDENTIAL not in iam.ids
    assert not _DESTRUCTIVE & set(iam.calls)
    assert raised.value.message_with_remedy() == _IN_USE
    assert raised.value.kind is FailureClass.TRANSIENT


async def test_a_created_user_goes_although_iam_still_lists_its_key() -> None:
    """The key was deleted just now: if IAM refuses, the deletion is tried again."""
    iam = _Iam(tags=_CREATED, path="/keywright/", of_other_services=(_CREDENTIAL,))
    keys = _keys(iam, _body(create=True), deleting=True)
    assert await keys.remove((_KEY_ID,), and_holder=True) == ()
    assert "delete_user" in iam.calls


async def test_a_created_user_that_the_grant_has_left_stays_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Keys of others do not keep the old key from its end."""
    iam = _Iam(tags=_CREATED, of_other_services=("ACCAOTHEREXAMPLE1",))
    assert await _keys(iam, _body(name="other-bot")).remove((_KEY_ID,)) == ()
    assert iam.ids == []
    assert not _DESTRUCTIVE & set(iam.calls)
    assert [each.getMessage() for each in caplog.records] == [_IN_USE]


async def test_ids_out_of_reach_are_returned_also_if_the_user_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are listed, so that they are revoked later."""
    iam = _Iam(tags=_CREATED, path="/keywright/", of_other_services=("ACCAOTHEREXAMPLE1",))
    keys, far = _keys(iam, _body(create=True), deleting=True), "999999999999/ci-bot/ACCAFAR"
    assert await keys.remove((_KEY_ID, far), and_holder=True) == (far,)
    assert [each.getMessage() for each in caplog.records] == [_IN_USE]
