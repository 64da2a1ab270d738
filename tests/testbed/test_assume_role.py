"""AssumeRole: who may assume what, for how long, and what is handed on along a chain."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.world import ACCOUNT, Temporary, Tenant, allow, refusal, trusts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.aws import AwsCloud

OTHER = "210987654321"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ASSUME = allow("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
ALL = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
CHAINED = (
    "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
    "chaining."
)


def _role(
    cloud: AwsCloud,
    trust: Mapping[str, Any],
    *policies: Mapping[str, Any],
    account: str = OTHER,
    **more: Any,
) -> str:
    """The ARN of a new role of another account."""
    return cloud.create_role(
        name=f"role-{uuid.uuid4().hex[:8]}",
        trust_policy=trust,
        policies={f"p{number}": policy for number, policy in enumerate(policies)},
        account=account,
        **more,
    )


def _assume(tenant: Tenant, caller: Temporary, role: str, **requested: Any) -> dict[str, Any]:
    answer: dict[str, Any] = tenant.client("sts", credentials=caller).assume_role(
        RoleArn=role, RoleSessionName="hop", **requested
    )
    return answer


def _refused(
    tenant: Tenant, caller: Temporary, role: str, **requested: Any
) -> tuple[int, str, str]:
    return refusal(lambda: _assume(tenant, caller, role, **requested))


def test_a_user_assumes_a_role_of_another_account(tenant: Tenant) -> None:
    """The session is the role's, in the role's account, and signs calls there."""
    role = _role(tenant.cloud, trusts(ROOT), allow("iam:ListRoles"))
    answer = _assume(tenant, tenant.user(ASSUME), role)
    name = role.rpartition("/")[2]
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/{name}/hop"
    session = Temporary.of(answer)
    reported = tenant.client("sts", credentials=session).get_caller_identity()
    assert (reported["Account"], reported["Arn"]) == (OTHER, answer["AssumedRoleUser"]["Arn"])
    tenant.client("iam", credentials=session).list_roles()


@pytest.mark.parametrize("named", ["account", "root", "role", "session", "any"])
def test_a_trust_policy_may_name_the_caller_in_five_ways(tenant: Tenant, named: str) -> None:
    """By account number, by the account's root, by role, by session, or anybody."""
    tenant.cloud.put_role_policy(role=tenant.role_name, name="assume", document=ASSUME)
    principal = {
        "account": ACCOUNT,
        "root": ROOT,
        "role": tenant.role_arn,
        "session": f"arn:aws:sts::{ACCOUNT}:assumed-role/{tenant.role_name}/keywright",
        "any": "*",
    }[named]
    _assume(tenant, tenant.session(), _role(tenant.cloud, trusts(principal)))


@pytest.mark.parametrize("missing", ["identity", "trust", "deny", "role"])
def test_both_sides_must_allow(tenant: Tenant, missing: str) -> None:
    """The words are the same whichever side does not, and name caller and role."""
    caller = tenant.user(*([] if missing == "identity" else [ASSUME]))
    principal = tenant.role_arn if missing == "trust" else ROOT
    effect = "Deny" if missing == "deny" else "Allow"
    role = _role(tenant.cloud, trusts(principal, effect=effect))
    if missing == "role":
        role += "-missing"
    arn = tenant.client("sts", credentials=caller).get_caller_identity()["Arn"]
    assert _refused(tenant, caller, role) == (
        403,
        "AccessDenied",
        f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role}",
    )


def test_the_identity_policy_is_taken_at_its_resource(tenant: Tenant) -> None:
    """A caller who may assume one role may not assume another."""
    one, other = (_role(tenant.cloud, trusts(ROOT)) for _ in range(2))
    caller = tenant.user(allow("sts:AssumeRole", resource=one))
    _assume(tenant, caller, one)
    assert _refused(tenant, caller, other)[1] == "AccessDenied"


def test_the_external_id_must_be_the_one_of_the_trust_policy(tenant: Tenant) -> None:
    """A wrong one and a missing one get the same message as any other refusal."""
    role = _role(
        tenant.cloud, trusts(ROOT, condition={"StringEquals": {"sts:ExternalId": "partner-7"}})
    )
    caller = tenant.user(ASSUME)
    _assume(tenant, caller, role, ExternalId="partner-7")
    assert _refused(tenant, caller, role, ExternalId="partner-8")[1] == "AccessDenied"
    assert _refused(tenant, caller, role)[1] == "AccessDenied"


def test_a_trust_policy_may_ask_for_the_callers_role(tenant: Tenant) -> None:
    """aws:PrincipalArn is the role's ARN for whatever session of it."""
    tenant.cloud.put_role_policy(role=tenant.role_name, name="assume", document=ASSUME)
    good = trusts(
        ROOT, condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/tenant-*"}}
    )
    bad = trusts(
        ROOT, condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/other-*"}}
    )
    _assume(tenant, tenant.session(), _role(tenant.cloud, good))
    assert _refused(tenant, tenant.session(), _role(tenant.cloud, bad))[1] == "AccessDenied"


def test_a_chained_session_ends_within_the_hour(tenant: Tenant) -> None:
    """A session that asks for more is refused, however long the role would allow."""
    tenant.cloud.put_role_policy(role=tenant.role_name, name="assume", document=ASSUME)
    role = _role(tenant.cloud, trusts(ROOT), max_session_seconds=43200)
    assert _refused(tenant, tenant.session(), role, DurationSeconds=3601) == (
        400,
        "ValidationError",
        CHAINED,
    )
    _assume(tenant, tenant.session(), role, DurationSeconds=3600)


def test_a_long_term_key_is_not_chaining(tenant: Tenant) -> None:
    """It may ask for as long as the role allows, and no longer."""
    caller = tenant.user(ASSUME)
    role = _role(tenant.cloud, trusts(ROOT), max_session_seconds=14400)
    ends = _assume(tenant, caller, role, DurationSeconds=14400)["Credentials"]["Expiration"]
    left = ends - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(hours=3, minutes=59) < left <= datetime.timedelta(hours=4, seconds=1)
    assert _refused(tenant, caller, role, DurationSeconds=14401) == (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


def test_a_session_limit_of_the_test_holds_here_too(tenant: Tenant) -> None:
    """limit_sessions makes short sessions of whatever kind."""
    role = _role(tenant.cloud, trusts(ROOT))
    tenant.cloud.limit_sessions(seconds=30)
    session = Temporary.of(_assume(tenant, tenant.user(ASSUME), role))
    tenant.cloud.set_clock(offset_seconds=32)
    reported = refusal(tenant.client("sts", credentials=session).get_caller_identity)
    assert reported[1] == "ExpiredToken"


def test_tags_and_source_identity_are_handed_on(tenant: Tenant) -> None:
    """Transitive tags and the source identity arrive at the end of the chain; other tags do not."""
    arn = f"arn:aws:iam::{OTHER}:root"
    first = _role(tenant.cloud, trusts(ROOT, *ALL), ASSUME)
    second = _role(tenant.cloud, trusts(arn, *ALL))
    hop = _assume(
        tenant,
        tenant.user(ASSUME),
        first,
        Tags=[{"Key": "team", "Value": "chat"}, {"Key": "cost", "Value": "7"}],
        TransitiveTagKeys=["team"],
        SourceIdentity="keywright",
    )
    assert hop["SourceIdentity"] == "keywright"
    tenant.cloud.forget_calls()
    last = _assume(tenant, Temporary.of(hop), second, Tags=[{"Key": "hop", "Value": "2"}])
    assert last["SourceIdentity"] == "keywright"
    (call,) = tenant.cloud.calls(service="sts", action="AssumeRole")
    session = tenant.cloud.session(call)
    assert session.tags == {"team": "chat", "hop": "2"}
    assert session.transitive_tag_keys == ["team"]
    assert session.source_identity == "keywright"


@pytest.mark.parametrize(
    ("requested", "action"),
    [
        ({"Tags": [{"Key": "team", "Value": "chat"}]}, "sts:TagSession"),
        ({"SourceIdentity": "keywright"}, "sts:SetSourceIdentity"),
    ],
)
def test_tags_and_source_identity_take_permissions_of_their_own(
    tenant: Tenant, requested: dict[str, Any], action: str
) -> None:
    """In the caller's policy and in the trust policy, and the refusal names the action."""
    narrow = tenant.user(allow("sts:AssumeRole"))
    both = _role(tenant.cloud, trusts(ROOT, *ALL))
    plain = _role(tenant.cloud, trusts(ROOT))
    for caller, role in ((narrow, both), (tenant.user(ASSUME), plain)):
        status, code, reported = _refused(tenant, caller, role, **requested)
        assert (status, code) == (403, "AccessDenied")
        assert reported.endswith(f"is not authorized to perform: {action} on resource: {role}")


def test_what_is_handed_on_takes_the_permission_again(tenant: Tenant) -> None:
    """A second hop whose role does not allow sts:TagSession fails: a common surprise."""
    first = _role(tenant.cloud, trusts(ROOT, *ALL), ASSUME)
    second = _role(tenant.cloud, trusts(f"arn:aws:iam::{OTHER}:root"))
    tags = [{"Key": "team", "Value": "chat"}]
    hop = _assume(tenant, tenant.user(ASSUME), first, Tags=tags, TransitiveTagKeys=["team"])
    assert "sts:TagSession" in _refused(tenant, Temporary.of(hop), second)[2]


def test_what_is_handed_on_cannot_be_changed(tenant: Tenant) -> None:
    """Neither a transitive tag nor the source identity."""
    first = _role(tenant.cloud, trusts(ROOT, *ALL), ASSUME)
    second = _role(tenant.cloud, trusts(f"arn:aws:iam::{OTHER}:root", *ALL))
    hop = _assume(
        tenant,
        tenant.user(ASSUME),
        first,
        Tags=[{"Key": "team", "Value": "chat"}],
        TransitiveTagKeys=["team"],
        SourceIdentity="keywright",
    )
    caller = Temporary.of(hop)
    tagged = _refused(tenant, caller, second, Tags=[{"Key": "Team", "Value": "other"}])
    assert tagged[1] == "InvalidParameterValue"
    assert _refused(tenant, caller, second, SourceIdentity="another")[1] == "AccessDenied"
    _assume(tenant, caller, second, SourceIdentity="keywright")


def test_tags_can_be_demanded_by_the_trust_policy(tenant: Tenant) -> None:
    """aws:RequestTag and aws:TagKeys are known, and a tag is a principal tag afterwards."""
    trust = trusts(
        ROOT,
        *ALL,
        condition={
            "StringEquals": {"aws:RequestTag/team": "chat"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
        },
    )
    may = allow("iam:ListRoles", StringEquals={"aws:PrincipalTag/team": "chat"})
    role, caller = _role(tenant.cloud, trust, may), tenant.user(ASSUME)
    session = Temporary.of(_assume(tenant, caller, role, Tags=[{"Key": "team", "Value": "chat"}]))
    tenant.client("iam", credentials=session).list_roles()
    more = [{"Key": "team", "Value": "chat"}, {"Key": "cost", "Value": "7"}]
    assert _refused(tenant, caller, role, Tags=more)[1] == "AccessDenied"
    assert _refused(tenant, caller, role)[1] == "AccessDenied"


def test_a_session_policy_narrows_the_role(tenant: Tenant) -> None:
    """As for any other session, and its packed size is reported."""
    role = _role(tenant.cloud, trusts(ROOT), allow("iam:*"))
    narrow = json.dumps(allow("iam:GetRole"))
    answer = _assume(tenant, tenant.user(ASSUME), role, Policy=narrow)
    assert 0 < answer["PackedPolicySize"] < 100
    iam = tenant.client("iam", credentials=Temporary.of(answer))
    assert refusal(iam.list_roles)[2].endswith(
        "because no session policy allows the iam:ListRoles action"
    )


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"DurationSeconds": 899}, "durationSeconds"),
        ({"ExternalId": "a b"}, "externalId"),
        ({"SourceIdentity": "x"}, "sourceIdentity"),
        ({"Tags": [{"Key": "a" * 129, "Value": ""}]}, "tags.1.member.key"),
        ({"Tags": [{"Key": "a", "Value": "!"}]}, "tags.1.member.value"),
        ({"Tags": [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]}, "case insensitive"),
        ({"TransitiveTagKeys": ["a"]}, "must be included"),
    ],
)
def test_a_parameter_out_of_form_is_named(
    tenant: Tenant, requested: dict[str, Any], words: str
) -> None:
    """Before any policy is looked at."""
    status, _, reported = _refused(tenant, tenant.user(), tenant.role_arn, **requested)
    assert status == 400
    assert words in reported


def test_a_permissions_boundary_limits_a_role(tenant: Tenant) -> None:
    """Whatever the role's policies allow, the boundary must allow too."""
    boundary = tenant.cloud.create_managed_policy(
        name=f"boundary-{uuid.uuid4().hex[:8]}", document=allow("iam:GetRole")
    )
    role = _role(
        tenant.cloud,
        trusts(ROOT),
        allow("iam:*"),
        account=ACCOUNT,
        permissions_boundary=boundary,
    )
    session = Temporary.of(_assume(tenant, tenant.user(ASSUME), role))
    iam = tenant.client("iam", credentials=session)
    iam.get_role(RoleName=tenant.role_name)
    assert refusal(iam.list_roles)[2].endswith(
        "because no permissions boundary allows the iam:ListRoles action"
    )
