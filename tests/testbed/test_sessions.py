"""Signed calls: who is calling, until when, and what it may do."""

from __future__ import annotations

import dataclasses
import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.world import Temporary, Tenant, allow, refusal

if TYPE_CHECKING:
    from testbed.clouds.aws import AwsCloud

INVALID = (403, "InvalidClientTokenId", "The security token included in the request is invalid.")
EXPIRED = (403, "ExpiredToken", "The security token included in the request is expired")


def _identity(tenant: Tenant, credentials: Temporary) -> Any:
    return tenant.client("sts", credentials=credentials).get_caller_identity


def test_a_session_knows_who_it_is(tenant: Tenant) -> None:
    """GetCallerIdentity gives account, ARN and unique id of the role's session."""
    reported = _identity(tenant, tenant.session(RoleSessionName="chat@team-a"))()
    assert reported["Account"] == "123456789012"
    assert reported["Arn"].endswith(f":assumed-role/{tenant.role_name}/chat@team-a")
    assert reported["UserId"].startswith("AROA")
    assert reported["UserId"].endswith(":chat@team-a")


def test_a_session_ends_on_time(tenant: Tenant) -> None:
    """Good while it lasts; from its expiration on, every call is refused."""
    credentials = tenant.session()
    tenant.cloud.set_clock(offset_seconds=250)
    _identity(tenant, credentials)()
    tenant.cloud.set_clock(offset_seconds=3601)
    assert refusal(_identity(tenant, credentials)) == EXPIRED


def test_a_revoked_session_is_over(tenant: Tenant) -> None:
    """From the next call on, it is reported as expired."""
    credentials = tenant.session()
    tenant.cloud.revoke_session(credentials.access_key_id)
    assert refusal(_identity(tenant, credentials)) == EXPIRED


def test_a_call_without_a_signature_is_told(cloud: AwsCloud) -> None:
    """GetCallerIdentity needs no permission, but it needs a signature."""
    trust = ssl.create_default_context(cafile=str(cloud.ca_file))
    connection = http.client.HTTPSConnection(
        "127.0.0.1", cloud.proxy_port, context=trust, timeout=5
    )
    connection.set_tunnel("sts.amazonaws.com", 443)
    connection.request("POST", "/", body="Action=GetCallerIdentity&Version=2011-06-15")
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in answer.read()
    connection.close()


def test_an_unknown_access_key_is_told(tenant: Tenant) -> None:
    """Only sessions that this AWS gave out are known."""
    made_up = dataclasses.replace(tenant.session(), access_key_id="ASIAAAAAAAAAAAAAAAAA")
    assert refusal(_identity(tenant, made_up)) == INVALID


def test_a_session_token_belongs_to_its_access_key(tenant: Tenant) -> None:
    """The token of another session is no token."""
    mixed = dataclasses.replace(tenant.session(), token=tenant.session().token)
    assert refusal(_identity(tenant, mixed)) == INVALID


def test_a_wrong_secret_is_told_by_the_signature(tenant: Tenant) -> None:
    """The signature is computed again for every call."""
    wrong = dataclasses.replace(tenant.session(), secret_key="w" * 40)
    status, code, reported = refusal(_identity(tenant, wrong))
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert reported.startswith("The request signature we calculated does not match")


@pytest.mark.parametrize(("offset", "words"), [(960, "expired"), (-960, "not yet current")])
def test_a_clock_that_is_off_by_more_than_fifteen_minutes_is_told(
    tenant: Tenant, offset: int, words: str
) -> None:
    """Both times are in the message, so that the node's clock can be found out."""
    credentials = tenant.session()
    tenant.cloud.set_clock(offset_seconds=offset)
    status, code, reported = refusal(_identity(tenant, credentials))
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert reported.startswith(f"Signature {words}: ")
    assert "15 min.)" in reported


@pytest.mark.parametrize("offset", [840, -840])
def test_sts_takes_a_clock_that_is_off_by_fourteen_minutes(tenant: Tenant, offset: int) -> None:
    """Other services are less patient: five minutes."""
    credentials = tenant.session()
    tenant.cloud.set_clock(offset_seconds=offset)
    assert _identity(tenant, credentials)()["Arn"]


def test_a_signature_holds_in_one_region_only(tenant: Tenant) -> None:
    """The region in the scope must be that of the host."""
    client = tenant.client("sts", credentials=tenant.session(), host="sts.eu-west-1.amazonaws.com")
    assert refusal(client.get_caller_identity) == (
        403,
        "SignatureDoesNotMatch",
        "Credential should be scoped to a valid region.",
    )


def test_a_call_without_permission_is_denied_with_its_reason(tenant: Tenant) -> None:
    """The words tell principal, action and resource, and which kind of policy is missing."""
    iam = tenant.client("iam", credentials=tenant.session())
    status, code, reported = refusal(iam.get_role, RoleName=tenant.role_name)
    assert (status, code) == (403, "AccessDenied")
    assert reported == (
        f"User: arn:aws:sts::123456789012:assumed-role/{tenant.role_name}/keywright is not "
        f"authorized to perform: iam:GetRole on resource: {tenant.role_arn} because no "
        "identity-based policy allows the iam:GetRole action"
    )


def test_a_session_policy_narrows_the_role(tenant: Tenant) -> None:
    """What the role may do and the session policy does not allow, the session may not do."""
    tenant.cloud.put_role_policy(
        role=tenant.role_name, name="iam", document=allow("iam:ListRoles", "iam:GetRole")
    )
    narrow = tenant.session(Policy=json.dumps(allow("iam:GetRole")))
    iam = tenant.client("iam", credentials=narrow)
    assert iam.get_role(RoleName=tenant.role_name)["Role"]["Arn"] == tenant.role_arn
    _, code, reported = refusal(iam.list_roles)
    assert code == "AccessDenied"
    assert reported.endswith("because no session policy allows the iam:ListRoles action")


def test_a_managed_policy_can_be_a_session_policy(tenant: Tenant) -> None:
    """PolicyArns narrows as a document does."""
    arn = tenant.cloud.create_managed_policy(
        name=f"read-{tenant.role_name}", document=allow("iam:GetRole")
    )
    tenant.cloud.put_role_policy(role=tenant.role_name, name="iam", document=allow("iam:*"))
    iam = tenant.client("iam", credentials=tenant.session(PolicyArns=[{"arn": arn}]))
    iam.get_role(RoleName=tenant.role_name)
    assert refusal(iam.list_roles)[1] == "AccessDenied"


def test_a_session_outlives_its_role_without_any_permission(tenant: Tenant) -> None:
    """A deleted role takes the permissions along, also from keys already made."""
    session = tenant.session()
    runtime = tenant.client("bedrock", credentials=session)
    runtime.list_foundation_models()
    tenant.cloud.delete_role(name=tenant.role_name)
    assert _identity(tenant, session)()["Account"] == "123456789012"
    assert refusal(runtime.list_foundation_models)[1] == "AccessDeniedException"


def test_a_role_may_have_managed_policies_of_aws(cloud: AwsCloud, tenant: Tenant) -> None:
    """A policy of the account "aws" is attached like one of one's own."""
    name = f"Amazon{tenant.role_name}"
    arn = cloud.create_managed_policy(name=name, document=allow("iam:ListRoles"), account="aws")
    assert arn == f"arn:aws:iam::aws:policy/{name}"
    role = cloud.create_role(
        name=f"{tenant.role_name}-managed", trust_policy=tenant.trust(), managed_policy_arns=[arn]
    )
    tenant.client("iam", credentials=tenant.session(RoleArn=role)).list_roles()


def test_iam_sees_what_a_test_prepared_and_the_other_way_round(
    cloud: AwsCloud, tenant: Tenant
) -> None:
    """Roles are kept in moto's IAM, so an administrator with boto3 works on the same ones."""
    admin = cloud.create_user(name=tenant.role_name, policies={"all": allow("iam:*", "sts:*")})
    iam = tenant.client(
        "iam",
        credentials=dataclasses.replace(
            tenant.session(),
            access_key_id=admin.access_key_id,
            secret_key=admin.secret_key,
            token="",
        ),
    )
    pages = iam.get_paginator("list_roles").paginate()
    names = {role["RoleName"] for page in pages for role in page["Roles"]}
    assert tenant.role_name in names
    iam.update_assume_role_policy(
        RoleName=tenant.role_name, PolicyDocument=json.dumps(tenant.trust(subject="another"))
    )
    assert refusal(tenant.assume)[1] == "AccessDenied"
