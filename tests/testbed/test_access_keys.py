"""Users' access keys: good until they are made inactive or deleted, and perhaps not known yet."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.world import Temporary, Tenant, allow, refusal

if TYPE_CHECKING:
    from testbed.clouds.aws import AwsCloud

INVALID = (403, "InvalidClientTokenId", "The security token included in the request is invalid.")


class Owner:
    """A user, and an administrator of its account who manages its access keys."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.iam = tenant.cloud.administrator("iam")
        self.name = f"user-{uuid.uuid4().hex[:8]}"
        self.iam.create_user(UserName=self.name)

    def key(self) -> Temporary:
        """A new access key."""
        made = self.iam.create_access_key(UserName=self.name)["AccessKey"]
        return Temporary.of({"Credentials": {**made, "SessionToken": "", "Expiration": None}})

    def identity(self, key: Temporary) -> Any:
        """Who the key says it is."""
        return self.tenant.client("sts", credentials=key).get_caller_identity


@pytest.fixture
def owner(tenant: Tenant) -> Owner:
    """A user without a key."""
    return Owner(tenant)


def test_a_key_is_its_users(owner: Owner) -> None:
    """GetCallerIdentity gives the user's ARN and id."""
    reported = owner.identity(owner.key())()
    assert reported["Arn"] == f"arn:aws:iam::123456789012:user/{owner.name}"
    assert reported["UserId"] == owner.iam.get_user(UserName=owner.name)["User"]["UserId"]


def test_an_inactive_key_is_unknown(owner: Owner) -> None:
    """Until it is active again."""
    key = owner.key()
    named = {"UserName": owner.name, "AccessKeyId": key.access_key_id}
    owner.iam.update_access_key(**named, Status="Inactive")
    assert refusal(owner.identity(key)) == INVALID
    owner.iam.update_access_key(**named, Status="Active")
    owner.identity(key)()


def test_a_deleted_key_is_unknown(owner: Owner) -> None:
    """From the next call on."""
    key = owner.key()
    owner.iam.delete_access_key(UserName=owner.name, AccessKeyId=key.access_key_id)
    assert refusal(owner.identity(key)) == INVALID


def test_a_new_key_may_not_be_known_yet(owner: Owner) -> None:
    """For as long as a test wants, as IAM takes its time to tell the regions."""
    owner.tenant.cloud.new_keys_fail_for(10)
    key = owner.key()
    assert refusal(owner.identity(key)) == INVALID
    owner.tenant.cloud.set_clock(offset_seconds=11)
    owner.identity(key)()


def test_an_administrator_sees_one_account(cloud: AwsCloud) -> None:
    """Each account has its own users, keys and plans."""
    here, there = cloud.administrator("iam"), cloud.administrator("iam", account="210987654321")
    name = f"user-{uuid.uuid4().hex[:8]}"
    here.create_user(UserName=name)
    assert refusal(there.get_user, UserName=name)[1] == "NoSuchEntity"
    key = cloud.administrator("apigateway").create_api_key(name="here")
    elsewhere = cloud.administrator("apigateway", region="eu-west-1")
    assert refusal(elsewhere.get_api_key, apiKey=key["id"])[1] == "NotFoundException"


def test_a_users_policy_counts(tenant: Tenant) -> None:
    """A key may do what its user may."""
    iam = tenant.client("iam", credentials=tenant.user(allow("iam:ListUsers")))
    iam.list_users()
    assert refusal(iam.list_roles)[1] == "AccessDenied"
