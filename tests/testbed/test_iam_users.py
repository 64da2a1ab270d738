"""Users of IAM: made, given rights, deleted; and the caller's own rights, taken to the letter."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.testbed.world import ACCOUNT, Tenant, allow, refusal

SERVICE = "bedrock.amazonaws.com"
LIMITED = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
USERS = f"arn:aws:iam::{ACCOUNT}:user/keywright/*"
LEAST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:CreateUser",
                "iam:GetUser",
                "iam:DeleteUser",
                "iam:TagUser",
                "iam:PutUserPolicy",
                "iam:CreateServiceSpecificCredential",
                "iam:ListServiceSpecificCredentials",
                "iam:DeleteServiceSpecificCredential",
            ],
            "Resource": USERS,
        },
        {
            "Effect": "Allow",
            "Action": ["iam:AttachUserPolicy", "iam:DetachUserPolicy"],
            "Resource": USERS,
            "Condition": {"ArnEquals": {"iam:PolicyARN": LIMITED}},
        },
    ],
}


def _name() -> str:
    return f"user-{uuid.uuid4().hex[:8]}"


def test_a_user_has_path_tags_and_boundary(tenant: Tenant) -> None:
    """GetUser tells them all; its ARN has the path."""
    iam, name = tenant.admin(), _name()
    boundary = tenant.cloud.create_managed_policy(name=name, document=allow("*"))
    iam.create_user(
        UserName=name,
        Path="/keywright/",
        Tags=[{"Key": "team", "Value": "chat"}],
        PermissionsBoundary=boundary,
    )
    user = iam.get_user(UserName=name)["User"]
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/keywright/{name}"
    assert user["Tags"] == [{"Key": "team", "Value": "chat"}]
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    found = iam.list_users(PathPrefix="/keywright/")["Users"]
    assert name in {item["UserName"] for item in found}
    iam.tag_user(UserName=name, Tags=[{"Key": "team", "Value": "other"}])
    assert iam.list_user_tags(UserName=name)["Tags"] == [{"Key": "team", "Value": "other"}]


@pytest.mark.parametrize(
    ("requested", "code", "words"),
    [
        ({"UserName": "a b"}, "ValidationError", "userName is invalid"),
        ({"UserName": "a" * 65}, "ValidationError", "userName"),
        ({"Path": "keywright/"}, "ValidationError", "path is invalid"),
        (
            {"Tags": [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]},
            "InvalidInput",
            "case insensitive",
        ),
        (
            {"PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/none"},
            "NoSuchEntity",
            "Scope ARN",
        ),
    ],
)
def test_a_user_out_of_form_is_refused(
    tenant: Tenant, requested: dict[str, Any], code: str, words: str
) -> None:
    """In AWS's words, and nothing is made."""
    reported = refusal(tenant.admin().create_user, **{"UserName": _name(), **requested})
    assert reported[1] == code
    assert words in reported[2]


def test_a_name_is_taken_once(tenant: Tenant) -> None:
    """Also below another path."""
    iam, name = tenant.admin(), _name()
    iam.create_user(UserName=name)
    assert refusal(iam.create_user, UserName=name, Path="/keywright/") == (
        409,
        "EntityAlreadyExists",
        f"User with name {name} already exists.",
    )


def test_a_user_goes_last(tenant: Tenant) -> None:
    """Each thing that still hangs on it is a conflict of its own."""
    iam, name = tenant.admin(), _name()
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=LIMITED)
    iam.put_user_policy(
        UserName=name, PolicyName="p", PolicyDocument=json.dumps(allow("bedrock:*"))
    )
    access = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    credential = iam.create_service_specific_credential(UserName=name, ServiceName=SERVICE)
    steps = [
        ("must detach all policies first.", iam.detach_user_policy, {"PolicyArn": LIMITED}),
        ("must delete policies first.", iam.delete_user_policy, {"PolicyName": "p"}),
        ("must delete access keys first.", iam.delete_access_key, {"AccessKeyId": access}),
        (
            "must remove referenced objects first.",
            iam.delete_service_specific_credential,
            {
                "ServiceSpecificCredentialId": credential["ServiceSpecificCredential"][
                    "ServiceSpecificCredentialId"
                ]
            },
        ),
    ]
    for words, clear, named in steps:
        reported = refusal(iam.delete_user, UserName=name)
        assert reported == (409, "DeleteConflict", f"Cannot delete entity, {words}")
        clear(UserName=name, **named)
    iam.delete_user(UserName=name)
    assert refusal(iam.get_user, UserName=name) == (
        404,
        "NoSuchEntity",
        f"The user with name {name} cannot be found.",
    )


def test_policies_of_aws_are_known_by_name(tenant: Tenant) -> None:
    """One that is not there is not attachable; ten may be attached."""
    iam, name = tenant.admin(), _name()
    iam.create_user(UserName=name)
    for policy in ("AmazonBedrockLimitedAccess", "AmazonBedrockMantleInferenceAccess"):
        iam.attach_user_policy(UserName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    attached = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
    assert {item["PolicyName"] for item in attached} == {
        "AmazonBedrockLimitedAccess",
        "AmazonBedrockMantleInferenceAccess",
    }
    missing = "arn:aws:iam::aws:policy/AmazonBedrockEverything"
    assert refusal(iam.attach_user_policy, UserName=name, PolicyArn=missing) == (
        404,
        "NoSuchEntity",
        "Policy ARN does not exist or is not attachable.",
    )
    service_role = "arn:aws:iam::aws:policy/aws-service-role/AmazonBedrockLimitedAccess"
    assert refusal(iam.attach_user_policy, UserName=name, PolicyArn=service_role)[1] in {
        "PolicyNotAttachable",
        "NoSuchEntity",
    }
    assert refusal(iam.detach_user_policy, UserName=name, PolicyArn=missing)[1] == "NoSuchEntity"


def test_inline_policies_are_parsed_and_have_a_size(tenant: Tenant) -> None:
    """A document that is none is refused when it is stored; so are more than 2048 characters."""
    iam, name = tenant.admin(), _name()
    iam.create_user(UserName=name)
    named = {"UserName": name, "PolicyName": "p"}
    assert refusal(iam.put_user_policy, **named, PolicyDocument="{}")[1] == (
        "MalformedPolicyDocument"
    )
    long = json.dumps(allow(*(f"bedrock:Action{number}" for number in range(120))))
    assert refusal(iam.put_user_policy, **named, PolicyDocument=long) == (
        409,
        "LimitExceeded",
        f"Maximum policy size of 2048 bytes exceeded for user {name}",
    )


def test_the_callers_policy_is_taken_to_the_letter(tenant: Tenant) -> None:
    """A policy for users below a path suffices for all that is done to them."""
    tenant.cloud.put_role_policy(role=tenant.role_name, name="least", document=LEAST)
    iam, name = tenant.client("iam", credentials=tenant.session()), _name()
    tags = [{"Key": "team", "Value": "chat"}]
    iam.create_user(UserName=name, Path="/keywright/", Tags=tags)
    iam.get_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=LIMITED)
    made = iam.create_service_specific_credential(UserName=name, ServiceName=SERVICE)
    iam.list_service_specific_credentials(UserName=name)
    iam.delete_service_specific_credential(
        UserName=name,
        ServiceSpecificCredentialId=made["ServiceSpecificCredential"][
            "ServiceSpecificCredentialId"
        ],
    )
    iam.detach_user_policy(UserName=name, PolicyArn=LIMITED)
    iam.delete_user(UserName=name)


@pytest.mark.parametrize(
    ("action", "requested", "resource"),
    [
        ("create_user", {}, "user/{name}"),
        ("create_user", {"Path": "/other/"}, "user/other/{name}"),
        ("get_user", {}, "user/{name}"),
        ("update_user", {}, "user/{name}"),
        (
            "attach_user_policy",
            {"PolicyArn": "arn:aws:iam::aws:policy/AmazonBedrockFullAccess"},
            "user/{name}",
        ),
    ],
)
def test_what_the_policy_does_not_name_is_denied(
    tenant: Tenant, action: str, requested: dict[str, Any], resource: str
) -> None:
    """Another path, another action, another policy; a user that is not there has no path."""
    tenant.cloud.put_role_policy(role=tenant.role_name, name="least", document=LEAST)
    iam, name = tenant.client("iam", credentials=tenant.session()), _name()
    status, code, reported = refusal(getattr(iam, action), UserName=name, **requested)
    assert (status, code) == (403, "AccessDenied")
    assert f"on resource: arn:aws:iam::{ACCOUNT}:{resource.format(name=name)} " in reported


def test_tags_on_creation_take_a_permission_of_their_own(tenant: Tenant) -> None:
    """CreateUser with tags asks for iam:TagUser as well."""
    tenant.cloud.put_role_policy(
        role=tenant.role_name, name="create", document=allow("iam:CreateUser")
    )
    iam = tenant.client("iam", credentials=tenant.session())
    reported = refusal(iam.create_user, UserName=_name(), Tags=[{"Key": "a", "Value": "b"}])
    assert "is not authorized to perform: iam:TagUser" in reported[2]
    iam.create_user(UserName=_name())


def test_the_age_of_a_key_can_be_limited_by_policy(tenant: Tenant) -> None:
    """iam:ServiceSpecificCredentialAgeDays and the service's name are condition keys."""
    policy = allow(
        "iam:CreateServiceSpecificCredential",
        NumericLessThanEquals={"iam:ServiceSpecificCredentialAgeDays": "90"},
        StringEquals={"iam:ServiceSpecificCredentialServiceName": SERVICE},
    )
    tenant.cloud.put_role_policy(role=tenant.role_name, name="age", document=policy)
    name = _name()
    tenant.admin().create_user(UserName=name)
    create = tenant.client("iam", credentials=tenant.session()).create_service_specific_credential
    create(UserName=name, ServiceName=SERVICE, CredentialAgeDays=90)
    for days in ({"CredentialAgeDays": 91}, {}):
        assert refusal(create, UserName=name, ServiceName=SERVICE, **days)[1] == "AccessDenied"


def test_calls_can_be_paced(tenant: Tenant) -> None:
    """A bucket for each account, filled by the clock; other accounts are not held up."""
    one = tenant.admin()
    other = tenant.client("iam", credentials=tenant.user(allow("*"), account="210987654321"))
    tenant.cloud.limit_rate("iam", 0.1)
    one.list_users()
    assert refusal(one.list_users) == (400, "Throttling", "Rate exceeded")
    other.list_users()
    tenant.cloud.set_clock(offset_seconds=11)
    one.list_users()
    tenant.cloud.limit_rate("iam", None)
    for _ in range(5):
        one.list_users()
