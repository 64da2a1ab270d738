"""The mark in the description of a key of Model Studio: who it belongs to, in 128 characters."""

from __future__ import annotations

import pytest

from keywright.api.grant import GrantIdentity
from keywright.clouds.alibaba.modelstudio.marks import MAX_LENGTH, description, parse, tags_of
from keywright.clouds.owner_tags import Owned, OwnerMark

_CLUSTER = "4f6f4b0e-54a1-4b7e-9d53-000000000001"
_GRANT = "b5b3f4f2-8f1c-4c73-8d0e-000000000002"
_INTENT = "2027-01-01T12:00:00Z.3"


def _mark(
    owner: str = "chat/key", *, grant: str = _GRANT, cluster: str = _CLUSTER, retain: bool = False
) -> OwnerMark:
    identity = GrantIdentity(grant_id=grant, cluster_id=cluster)
    return OwnerMark(owner=owner, uid=grant, identity=identity, retain=retain)


def _owned(text: str, mark: OwnerMark) -> Owned:
    return mark.owned(tags_of(parse(text), mark=mark))


def test_a_description_says_whose_a_key_is() -> None:
    """This grant's, a former one's of the name, another cluster's, or another grant's."""
    text = description(_mark(), intent=_INTENT)
    assert text.startswith("keywright chat/key ")
    assert text.endswith(" 20270101T120000Z.3")
    assert _owned(text, _mark()) is Owned.OWNED
    assert _owned(text, _mark(grant="another")) is Owned.FORMER
    assert _owned(text, _mark(cluster="another")) is Owned.ELSEWHERE
    assert _owned(text, _mark("chat/other")) is Owned.OTHERS


def test_the_longest_names_fit() -> None:
    """In what ROS documents for a description; the hashes still distinguish them."""
    names = [f"{'n' * 63}/{'g' * 252}{last}" for last in "ab"]
    texts = [description(_mark(name, retain=True), intent=f"{_INTENT}99") for name in names]
    assert max(map(len, texts)) <= MAX_LENGTH
    assert _owned(texts[0], _mark(names[0])) is Owned.OWNED
    assert _owned(texts[0], _mark(names[1])) is Owned.OTHERS


def test_a_retained_key_says_so() -> None:
    """A later grant of the name leaves it alone."""
    found = parse(description(_mark(retain=True), intent=_INTENT))
    assert found is not None
    assert found.retain


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "made by hand",
        "keywright chat/key",
        "keywright chat/key 0.1.2",
        f"{description(_mark(), intent=_INTENT)} and more",
        f"x{description(_mark(), intent=_INTENT)}",
    ],
)
def test_any_other_text_is_no_mark(text: str | None) -> None:
    """A person's description never becomes a grant's."""
    assert parse(text) is None
    assert tags_of(parse(text), mark=_mark()) == {}


@pytest.mark.parametrize("claimed", ["other", "unknown", ""])
def test_no_word_claims_the_key_of_another_cluster(claimed: str) -> None:
    """Annotations and status are a tenant's: only the cluster's ID takes its keys over."""
    text = description(_mark(), intent=_INTENT)
    identity = GrantIdentity(
        grant_id="mine", cluster_id="another", claimed_id=claimed, take_over=claimed
    )
    mark = OwnerMark(owner="chat/key", uid="mine", identity=identity, retain=False)
    assert _owned(text, mark) is Owned.ELSEWHERE
