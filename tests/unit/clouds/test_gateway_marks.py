"""Whose an API Gateway key is: tags decide, and a description only where there are none."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.clouds.aws.keys.gateway_key import Mark, import_of
from keywright.clouds.aws.keys.tags import TAG, UID_TAG

_UID = "0f6f5d4c-6f3e-4d0c-9d54-5b1f2f1f7a11"
_MARK = Mark(owner="chat/chat-key", uid=_UID)


@pytest.mark.parametrize(
    ("description", "tags", "made", "covered"),
    [
        pytest.param("", {UID_TAG: _UID, TAG: "chat/chat-key"}, True, True, id="tagged"),
        pytest.param("", {UID_TAG: "older", TAG: "chat/chat-key"}, False, True, id="restored"),
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
