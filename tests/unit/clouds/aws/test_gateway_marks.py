"""Whose an API Gateway key is: tags decide, and a description only where there are none."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.grant import GrantIdentity
from keywright.clouds.aws.api_gateway.api_key import OwnerTags, import_of
from keywright.clouds.owner_tags import CLUSTER_TAG, GRANT_ID_TAG, RETAIN_TAG, TAG, UID_TAG

_UID = "0f6f5d4c-6f3e-4d0c-9d54-5b1f2f1f7a11"
_ID, _FORMER, _HERE = "the grant id", "a former grant id", "this cluster"
_MARK = OwnerTags(
    owner="chat/chat-key",
    uid=_UID,
    identity=GrantIdentity(grant_id=_ID, cluster_id=_HERE, former_ids=(_UID,)),
)
_TAGGED = {TAG: "chat/chat-key", GRANT_ID_TAG: _ID, CLUSTER_TAG: _HERE}


@pytest.mark.parametrize(
    ("description", "tags", "made", "covered"),
    [
        pytest.param("", {UID_TAG: _UID, TAG: "chat/chat-key"}, True, True, id="tagged"),
        pytest.param("", _TAGGED, True, True, id="with grant id and cluster id"),
        pytest.param(
            "", _TAGGED | {GRANT_ID_TAG: _FORMER}, False, True, id="of a former grant of the name"
        ),
        pytest.param("", _TAGGED | {CLUSTER_TAG: "another"}, False, False, id="of another cluster"),
        pytest.param(
            "",
            _TAGGED | {CLUSTER_TAG: "another", UID_TAG: _UID},
            False,
            False,
            id="of another cluster, with our uid",
        ),
        pytest.param(
            "", {UID_TAG: "older", TAG: "chat/chat-key"}, False, False, id="unknown, no cluster"
        ),
        pytest.param("", _TAGGED | {TAG: "chat/other"}, False, False, id="another's, with our id"),
        pytest.param(f"{UID_TAG}={_UID} import-x", {}, True, True, id="imported just now"),
        pytest.param(
            f"{UID_TAG}={_UID} import-x",
            {UID_TAG: "theirs", TAG: "other/grant"},
            False,
            False,
            id="another's key with our description",
        ),
        pytest.param(f"{UID_TAG}={_UID}0 import-x", {}, False, False, id="a longer uid"),
        pytest.param(f"by {UID_TAG}={_UID}", {}, False, False, id="in the middle"),
        pytest.param(
            "", {UID_TAG.upper(): _UID, TAG.upper(): "chat/chat-key"}, False, False, id="case"
        ),
    ],
)
def test_a_key_is_the_grants_by_its_mark(
    description: str, tags: dict[str, str], *, made: bool, covered: bool
) -> None:
    """Imitations of a mark are not believed."""
    key: dict[str, Any] = {"id": "k", "description": description, "tags": tags}
    assert (_MARK.made(key), _MARK.covers(key)) == (made, covered)


def test_an_imitated_description_names_no_import() -> None:
    """Nor is a key with another's tags counted to an import."""
    key = {"description": f"{UID_TAG}={_UID} import-x", "tags": {UID_TAG: "theirs"}}
    assert import_of(key, mark=_MARK) is None
    assert import_of(key | {"tags": {}}, mark=_MARK) == "import-x"


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        (_TAGGED, True),
        (_TAGGED | {GRANT_ID_TAG: _FORMER}, True),
        (_TAGGED | {GRANT_ID_TAG: _FORMER, RETAIN_TAG: "true"}, False),
        (_TAGGED | {RETAIN_TAG: "true"}, True),
        (_TAGGED | {CLUSTER_TAG: "another"}, False),
        ({TAG: "chat/chat-key", UID_TAG: "older"}, False),
    ],
)
def test_keys_that_a_restore_has_left_are_told_from_others(
    tags: dict[str, str], *, left: bool
) -> None:
    """A key that a deletion retained on purpose is not taken for one."""
    assert _MARK.left({"id": "k", "tags": tags}) == left


def test_a_take_over_makes_the_keys_of_that_cluster_ours() -> None:
    """Of that cluster alone."""
    taking = OwnerTags(
        owner=_MARK.owner,
        uid=_UID,
        identity=GrantIdentity(grant_id=_ID, cluster_id=_HERE, take_over="another"),
    )
    assert taking.made({"id": "k", "tags": _TAGGED | {CLUSTER_TAG: "another"}})
    assert not taking.covers({"id": "k", "tags": _TAGGED | {CLUSTER_TAG: "a third"}})
