"""Which keys of Model Studio are findings of an audit; no I/O."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.grant import GrantIdentity
from keywright.cli.auditing.findings import Finding
from keywright.cli.auditing.grants import GrantFacts, facts_of
from keywright.cli.auditing.model_studio import model_studio_findings
from keywright.clouds.alibaba.modelstudio import marks
from keywright.clouds.alibaba.modelstudio.marked_keys import MarkedKey, ModelStudioListing
from keywright.clouds.owner_tags import OwnerMark
from tests.unit.cli.test_audit import known

_ACCOUNT, _REGION = "1234567890123456", "cn-beijing"
_LONG = "g" * 120


def _grant(name: str = "present", **status: Any) -> GrantFacts:
    """A grant that has had its key for an hour, or with another status."""
    issued = {"kind": "modelStudioKey", "issuedAt": "2026-11-27T11:00:00Z", **status}
    return facts_of(
        {
            "metadata": {"namespace": "chat", "name": name},
            "spec": {"modelStudioKey": {"rotateEvery": "30d", "workspaceId": "llm-1"}},
            "status": issued,
        }
    )


def _id(name: str, region: str = _REGION) -> str:
    return f"{_ACCOUNT}/{region}/{name}"


def _key(name: str = "7", *, owner: str = "chat/gone", cluster: str = "here", **mark: Any) -> Any:
    identity = GrantIdentity(grant_id="g", cluster_id=cluster)
    text = marks.description(
        OwnerMark(owner=owner, uid="u", identity=identity, **mark), intent="20270101T120000Z.1"
    )
    found = marks.parse(text)
    assert found is not None
    return MarkedKey(name, found)


def _found(*keys: MarkedKey, others: tuple[str, ...] = (), **given: Any) -> list[Finding]:
    ids = frozenset({*(key.id for key in keys), *others})
    listing = ModelStudioListing(_REGION, ids, keys)
    return list(model_studio_findings(_ACCOUNT, listing, given.get("known") or known()))


@pytest.mark.parametrize(
    ("key", "reasons"),
    [
        (_key(), ["audit-no-grant"]),
        (_key(owner=f"chat/{_LONG}"), ["audit-no-grant"]),
        (_key(owner="chat/present"), ["audit-unknown-key"]),
        (_key("1", owner="chat/present"), []),
        (_key(cluster="elsewhere"), []),
        (_key(retain=True), []),
        (_key(owner="chat/present", cluster="elsewhere"), []),
    ],
)
def test_only_this_clusters_keys_that_no_grant_uses(key: MarkedKey, reasons: list[str]) -> None:
    """Each of them is removable, because its description proves whose it is."""
    found = _found(key, others=("1",), known=known(_grant(keyId=_id("1"))))
    assert [each.reason for each in found] == reasons
    assert all(each.action == f"delete Model Studio key {key.id} in {_REGION}" for each in found)
    assert all(each.description == key.description for each in found)


def test_a_name_that_is_cut_off_says_so() -> None:
    """A description has 42 characters of it; its hash is that of the whole name."""
    (whole,) = _found(_key())
    assert whole.grant == "chat/gone"
    (cut,) = _found(_key(owner=f"chat/{_LONG}"))
    assert cut.grant == f"chat/{'g' * 37}..."
    claimed = _key(owner=f"chat/{_LONG}")
    kept = known(_grant(_LONG, keyId=_id("7")))
    assert _found(claimed, known=kept) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Issued between the listing of the cloud and that of the grants.
        ({"pending": {"startedAt": "2026-11-27T11:59:59Z"}}, {"keyId": _id("7")}),
        ({"keyId": _id("1")}, {"pending": {"startedAt": "2026-11-27T11:59:59Z"}}),
        # Replaced while the cloud was listed, or in its overlap.
        ({"keyId": _id("7")}, {"keyId": _id("1")}),
        ({"keyId": _id("1")}, {"keyId": _id("1"), "retiring": [{"keyId": _id("7")}]}),
        # A grant without a key in its status: restored, or not reconciled yet.
        ({}, {}),
    ],
)
def test_a_key_that_a_grant_may_be_about_to_use_is_not_unknown(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """The grants are read before and after the cloud."""
    both = known(_grant(**after), before=(_grant(**before),))
    found = _found(_key(owner="chat/present"), others=("1",), known=both)
    assert found == []


def test_a_grant_that_was_deleted_meanwhile_has_no_orphans_yet() -> None:
    """The operator may be revoking its key."""
    assert _found(_key(), known=known(before=(_grant("gone", keyId=_id("7")),))) == []


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        ({"keyId": _id("1")}, True),
        ({"keyId": _id("1"), "issuedAt": "2026-11-27T11:59:00Z"}, False),
        ({"keyId": _id("1", "ap-southeast-1")}, False),
        ({"keyId": "999/cn-beijing/1"}, False),
        ({"kind": "bedrockLongTermKey", "keyId": _id("1")}, False),
    ],
)
def test_a_key_that_is_gone_is_missing(
    status: dict[str, Any],
    missing: bool,  # noqa: FBT001  a value
) -> None:
    """A new one may not be listed yet; one of another place is not of this listing."""
    found = _found(known=known(_grant(**status)))
    assert [(each.reason, each.name, each.action) for each in found] == (
        [("audit-missing", "1", "")] if missing else []
    )


@pytest.mark.parametrize(
    ("key_id", "regions"),
    [
        (_id("1"), {"cn-beijing"}),
        (_id("1", "cn-hongkong"), {"cn-hongkong"}),
        (_id("1", "evil.example"), set()),
        (_id("1", "x/../.."), set()),
        ("nonsense", set()),
    ],
)
def test_a_status_names_no_host(key_id: str, regions: set[str]) -> None:
    """A Region becomes part of a host name."""
    assert _grant(keyId=key_id).regions == regions
