"""The register of keys that are left in a cloud: its entries, and how a key is revoked later."""

from __future__ import annotations

import pytest

from keywright.api.bedrock_keys import BedrockLongTermKey
from keywright.api.grant import ApiKeyGrant, GrantIdentity
from keywright.api.keys import KeyKind
from keywright.api.user_key import IamUser
from keywright.planning.orphans import Orphan, Ref, orphan, unparsed_orphan
from keywright.planning.state import ObjectRef
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import UID
from tests.unit.replace import replace

_KEY_ID = "123456789012/bedrock-chat/ACCAA"
_SOURCE = Ref("platform", "bedrock", uid="s")


def _entry(*, grant_id: str = UID) -> Orphan:
    user = {"name": "bedrock-chat", "create": False, "path": "/team/"}
    spec = {"user": user, "rotateEvery": "7d", "exclusive": True}
    removed = replace(
        grant(bedrockShortTermKey=None, bedrockLongTermKey=spec),
        identity=GrantIdentity(grant_id=grant_id, cluster_id="here"),
    )
    return orphan(removed, _SOURCE, _KEY_ID, why="no answer.", now=NOON)


def _grant_of(entry: Orphan, *, cluster_id: str = "here") -> ApiKeyGrant:
    found = entry.as_grant(cluster_id=cluster_id)
    assert found is not None
    return found


def test_an_entry_describes_the_grant_that_its_key_is_revoked_for() -> None:
    """Name, source and user, without what only a new key needs; it counts as being deleted."""
    found = _grant_of(_entry())
    assert found.object_key == ("chat", "chat-key")
    assert found.source_key == ("platform", "bedrock")
    assert found.kind is KeyKind.BEDROCK_LONG_TERM_KEY
    assert found.deleting
    assert isinstance(found.key, BedrockLongTermKey)
    assert found.key.user == IamUser(name="bedrock-chat", create=False, path="/team/")
    assert not found.key.exclusive


@pytest.mark.parametrize("cluster_id", ["", "here"])
def test_the_tags_of_the_key_are_recognized(cluster_id: str) -> None:
    """By the grant ID and the uid of the removed grant; earlier versions recorded no grant ID."""
    known = _grant_of(_entry(grant_id="first"), cluster_id=cluster_id).known_as
    assert known == GrantIdentity(grant_id="first", cluster_id=cluster_id, former_ids=(UID,))
    legacy = _grant_of(replace(_entry(), grant_id=""), cluster_id=cluster_id).known_as
    assert legacy == GrantIdentity(grant_id=UID, cluster_id=cluster_id, former_ids=(UID,))


def test_an_entry_without_a_kind_is_for_people() -> None:
    """The spec of its grant did not say how its key is revoked."""
    subject = ObjectRef("chat", "chat-key", UID, generation=1, resource_version="7")
    for kind in ("bedrockLongTermKey", "bedrockShortTermKey", None):
        entry = unparsed_orphan(subject, _KEY_ID, kind=kind, why="its spec is invalid", now=NOON)
        assert entry.as_grant(cluster_id="") is None
