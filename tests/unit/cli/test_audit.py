"""Which resources of a cloud are findings of an audit; no I/O."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from keywright.cli.auditing.findings import Finding, Known
from keywright.cli.auditing.gateways import gateway_findings
from keywright.cli.auditing.grants import GrantFacts, facts_of
from keywright.cli.auditing.progress import Progress
from keywright.cli.auditing.removal import check_unattended
from keywright.cli.auditing.users import iam_findings
from keywright.cli.errors import CommandError
from keywright.clouds.aws.marked_resources import (
    GatewayListing,
    IamListing,
    ListedApiKey,
    ListedPlan,
    MarkedUser,
    Marks,
    UserCredential,
)

_NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
_ACCOUNT, _REGION = "123456789012", "us-west-2"
_OWN = {
    "keywright.dev/grant": "chat/gone",
    "keywright.dev/grant-id": "g",
    "keywright.dev/cluster-id": "here",
}


def known(*after: GrantFacts, before: tuple[GrantFacts, ...] | None = None) -> Known:
    """The grants before and after the listing; the same by default."""
    earlier = after if before is None else before
    return Known(
        cluster_id="here",
        before={grant.owner: grant for grant in earlier},
        grants={grant.owner: grant for grant in after},
        now=_NOW,
    )


def grant(name: str = "present", **status: Any) -> GrantFacts:
    """A grant of an API key that it has had for an hour, or with another status."""
    spec = {"apiGatewayKey": {"usagePlan": {"id": "gold"}}}
    issued = {"kind": "apiGatewayKey", "issuedAt": "2026-11-27T11:00:00Z", **status}
    return facts_of(
        {"metadata": {"namespace": "chat", "name": name}, "spec": spec, "status": issued}
    )


def key_id(name: str) -> str:
    """The ID of an API key as in a status."""
    return f"{_ACCOUNT}/{_REGION}/{name}"


def found_in(*keys: ListedApiKey, known: Known) -> list[Finding]:
    """The findings among API keys, which are in a plan of others."""
    plan = ListedPlan("gold", "gold", Marks({}), frozenset())
    return list(gateway_findings(_ACCOUNT, GatewayListing(_REGION, keys, (plan,)), known))


def api_key(**change: str | None) -> ListedApiKey:
    """A key with the tags of a grant that does not exist, or others."""
    tags = {f"keywright.dev/{key.replace('_', '-')}": text for key, text in change.items()}
    held = {key: text for key, text in {**_OWN, **tags}.items() if text is not None}
    return ListedApiKey(id="k", name="k", marks=Marks(held), enabled=True, in_plan=True)


@pytest.mark.parametrize(
    ("change", "orphan"),
    [
        ({}, True),
        ({"grant": "chat/present"}, False),
        ({"cluster_id": "elsewhere"}, False),
        ({"cluster_id": None}, False),
        ({"retain": "true"}, False),
    ],
)
def test_only_this_clusters_resources_without_a_grant(
    change: dict[str, str | None],
    orphan: bool,  # noqa: FBT001  a value
) -> None:
    """Tags from before cluster IDs prove nothing, so that no other cluster's are reported."""
    found = found_in(api_key(**change), known=known(grant(keyId=key_id("k"))))
    assert [finding.name for finding in found] == (["k"] if orphan else [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Issued between the listing of the cloud and that of the grants.
        ({"pending": {"startedAt": "2026-11-27T11:59:59Z"}}, {"keyId": key_id("k")}),
        ({"keyId": key_id("old")}, {"pending": {"startedAt": "2026-11-27T11:59:59Z"}}),
        # Replaced while the cloud was listed.
        ({"keyId": key_id("k")}, {"keyId": key_id("new")}),
        # In its overlap.
        (
            {"keyId": key_id("old")},
            {"keyId": key_id("old"), "retiring": [{"keyId": key_id("k")}]},
        ),
        # A grant without a key in its status: restored, or not reconciled yet.
        ({}, {}),
    ],
)
def test_a_key_that_a_grant_may_be_about_to_use_is_not_unknown(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """The grants are read before and after the cloud."""
    both = known(grant(**after), before=(grant(**before),))
    found = found_in(api_key(grant="chat/present"), known=both)
    assert [each for each in found if each.name == "k"] == []


def test_a_grant_that_was_deleted_meanwhile_has_no_orphans_yet() -> None:
    """The operator may be revoking its key."""
    both = known(before=(grant("gone", keyId=key_id("k")),))
    assert found_in(api_key(), known=both) == []


def test_a_new_key_is_not_missing() -> None:
    """IAM and API Gateway list a new key with delay."""
    young = grant(keyId=key_id("k"), issuedAt="2026-11-27T11:59:00Z")
    assert found_in(known=known(young)) == []
    old = grant(keyId=key_id("k"))
    assert [each.reason for each in found_in(known=known(old))] == ["audit-missing"]


def user(*credentials: str, issued: str = "", created: str = "true", **more: Any) -> MarkedUser:
    """A user of a grant that does not exist."""
    tags = {**_OWN, "keywright.dev/created": created, "keywright.dev/key-ids": issued}
    held = tuple(UserCredential(each, "bedrock.amazonaws.com") for each in credentials)
    options = {"access_keys": (), "credentials": held, **more}
    return MarkedUser(name="bedrock-chat", path="/keywright/", marks=Marks(tags), **options)


@pytest.mark.parametrize(
    ("marked", "actions"),
    [
        (user(), ["delete IAM user bedrock-chat and its policies"]),
        (
            user("A", issued="A"),
            [
                "delete key A of IAM user bedrock-chat",
                "delete IAM user bedrock-chat and its policies",
            ],
        ),
        (user("A"), ["", ""]),
        (user("A", "B", issued="B"), ["", "delete key B of IAM user bedrock-chat", ""]),
        (user(access_keys=("AKIA",)), ["", ""]),
        (user(access_keys=None), [""]),
        (user(credentials=None), [""]),
        (user(created="false", credentials=None), [""]),
        (user("A", created="false"), ["remove Keywright's tags from IAM user bedrock-chat"]),
    ],
    ids=[
        *("empty", "issued", "foreign", "both", "access key", "unlisted access keys", "unlisted"),
        *("existing, unlisted", "existing"),
    ],
)
def test_a_user_with_keys_of_others_is_not_removable(
    marked: MarkedUser, actions: list[str]
) -> None:
    """Nor is one whose keys may not be listed."""
    listing = IamListing(names=frozenset({marked.name}), marked=(marked,), others={})
    found = list(iam_findings(_ACCOUNT, listing, known()))
    assert [finding.action for finding in found] == actions


def test_progress_is_rewritten_on_a_terminal_only() -> None:
    """Elsewhere there is one line for each finished listing."""
    for terminal, expected in (
        (True, "\r\x1b[Kusers: 100\r\x1b[Kusers: 200\n"),
        (False, "users: 200\n"),
    ):
        stream = io.StringIO()
        progress = Progress(stream, terminal=terminal)
        progress.show("users: 100")
        progress.end("users: 200")
        assert stream.getvalue() == expected


def test_nothing_is_removed_unattended_from_a_cluster_without_grants() -> None:
    """A restore may bring back the sources before the grants."""
    with pytest.raises(CommandError, match="no ApiKeyGrant, so that all 7 resources"):
        check_unattended({}, number=7)
    present = grant()
    check_unattended({present.owner: present}, number=7)
