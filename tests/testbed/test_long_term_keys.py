"""Bedrock long-term keys: made by IAM, used as bearer tokens, until they are ended."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from testbed.readers import boto3_converse, http_converse, openai_chat
from tests.testbed.world import ACCOUNT, Tenant, allow, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.readers.answers import Answer

INVALID = "Authentication failed: Please make sure your API Key is valid."
READERS = [boto3_converse.call, openai_chat.call, http_converse.call]
SERVICE = "bedrock.amazonaws.com"
LIMITED = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"


class Owner:
    """A user that carries keys, and an administrator who manages it."""

    def __init__(self, tenant: Tenant, *, attach: str | None = LIMITED) -> None:
        self.tenant = tenant
        self.iam = tenant.admin()
        self.name = f"bedrock-{uuid.uuid4().hex[:8]}"
        self.arn = self.iam.create_user(UserName=self.name, Path="/keywright/")["User"]["Arn"]
        if attach is not None:
            self.iam.attach_user_policy(UserName=self.name, PolicyArn=attach)

    def key(self, **requested: Any) -> dict[str, Any]:
        """A new credential, its secret included."""
        made: dict[str, Any] = self.iam.create_service_specific_credential(
            UserName=self.name, ServiceName=SERVICE, **requested
        )["ServiceSpecificCredential"]
        return made

    def listed(self) -> dict[str, str]:
        """Id and status of each credential."""
        found = self.iam.list_service_specific_credentials(UserName=self.name)
        return {
            item["ServiceSpecificCredentialId"]: item["Status"]
            for item in found["ServiceSpecificCredentials"]
        }

    def ask(
        self, made: dict[str, Any], *, reader: Callable[..., Answer] = http_converse.call
    ) -> Answer:
        """Use the key as a pod does."""
        data = self.tenant.data(made["ServiceCredentialSecret"])
        return reader(data, cloud_environment=self.tenant.cloud.client_environment())

    def refused(self, made: dict[str, Any]) -> str:
        """The words in which the key is refused."""
        answer = self.ask(made)
        assert not answer.ok
        return answer.error or ""


@pytest.fixture
def owner(tenant: Tenant) -> Owner:
    """A user with AmazonBedrockLimitedAccess."""
    return Owner(tenant)


@pytest.mark.parametrize("reader", READERS)
def test_a_long_term_key_is_accepted(owner: Owner, reader: Callable[..., Answer]) -> None:
    """boto3, openai and plain HTTP get an answer; the journal tells user and credential."""
    made = owner.key()
    owner.tenant.cloud.forget_calls()
    assert owner.ask(made, reader=reader).error is None
    (call,) = owner.tenant.cloud.calls(service="bedrock-runtime")
    assert call.principal == owner.arn
    assert call.parameters["CredentialId"] == made["ServiceSpecificCredentialId"]
    assert made["ServiceCredentialSecret"] not in repr(call)


def test_the_answer_has_the_shape_of_the_model(owner: Owner) -> None:
    """The secret is in the answer of Create alone; List has all else."""
    made = owner.key(CredentialAgeDays=30)
    assert made["ServiceSpecificCredentialId"].startswith("ACCA")
    assert made["ServiceCredentialSecret"].startswith("ABSK")
    assert made["ServiceCredentialAlias"] == f"{owner.name}-at-{ACCOUNT}"
    assert (made["UserName"], made["ServiceName"]) == (owner.name, SERVICE)
    assert made["ExpirationDate"] - made["CreateDate"] == datetime.timedelta(days=30)
    (listed,) = owner.iam.list_service_specific_credentials(UserName=owner.name)[
        "ServiceSpecificCredentials"
    ]
    assert listed == {key: value for key, value in made.items() if key != "ServiceCredentialSecret"}
    assert "ExpirationDate" not in owner.key()


def test_a_user_has_two_at_most(owner: Owner) -> None:
    """Inactive ones count; a deleted one makes room."""
    first, _ = owner.key(), owner.key()
    credential_id = first["ServiceSpecificCredentialId"]
    owner.iam.update_service_specific_credential(
        UserName=owner.name, ServiceSpecificCredentialId=credential_id, Status="Inactive"
    )
    assert refusal(owner.key) == (
        409,
        "LimitExceeded",
        "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2",
    )
    owner.iam.delete_service_specific_credential(
        UserName=owner.name, ServiceSpecificCredentialId=credential_id
    )
    owner.key()
    assert sorted(owner.listed().values()) == ["Active", "Active"]


def test_an_inactive_key_is_refused_until_it_is_active_again(owner: Owner) -> None:
    """From the next call on."""
    made = owner.key()
    named = {
        "UserName": owner.name,
        "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"],
    }
    owner.iam.update_service_specific_credential(**named, Status="Inactive")
    assert INVALID in owner.refused(made)
    owner.iam.update_service_specific_credential(**named, Status="Active")
    assert owner.ask(made).ok


def test_a_key_ends_with_its_days(owner: Owner) -> None:
    """It is reported and listed as expired."""
    made = owner.key(CredentialAgeDays=1)
    owner.tenant.cloud.set_clock(offset_seconds=86390)
    assert owner.ask(made).ok
    owner.tenant.cloud.set_clock(offset_seconds=86401)
    assert "Bearer Token has expired" in owner.refused(made)
    owner.tenant.cloud.set_clock(offset_seconds=0)
    assert list(owner.listed().values()) == ["Active"]


def test_reset_gives_a_new_secret_under_the_same_id(owner: Owner) -> None:
    """The old secret is void at once."""
    made = owner.key()
    changed = owner.iam.reset_service_specific_credential(
        UserName=owner.name, ServiceSpecificCredentialId=made["ServiceSpecificCredentialId"]
    )["ServiceSpecificCredential"]
    assert changed["ServiceSpecificCredentialId"] == made["ServiceSpecificCredentialId"]
    assert owner.ask(changed).ok
    assert INVALID in owner.refused(made)


@pytest.mark.parametrize("days", [0, -1, 36601])
def test_the_age_has_bounds(owner: Owner, days: int) -> None:
    """1 to 36600 days."""
    status, code, reported = refusal(owner.key, CredentialAgeDays=days)
    assert (status, code) == (400, "ValidationError")
    assert "credentialAgeDays" in reported
    owner.key(CredentialAgeDays=36600)


def test_what_is_not_there_is_named(owner: Owner) -> None:
    """The user, the credential, and a service that has no such credentials."""
    iam, nobody = owner.iam, "ACCAAAAAAAAAAAAAAAAAA"
    assert refusal(
        iam.create_service_specific_credential, UserName="missing", ServiceName=SERVICE
    ) == (404, "NoSuchEntity", "The user with name missing cannot be found.")
    assert refusal(
        iam.delete_service_specific_credential,
        UserName=owner.name,
        ServiceSpecificCredentialId=nobody,
    ) == (404, "NoSuchEntity", f"No such credential {nobody} exists")
    assert refusal(
        iam.create_service_specific_credential, UserName=owner.name, ServiceName="s3.amazonaws.com"
    )[:2] == (404, "NoSuchEntity")


def test_another_users_credential_is_not_ones_own(owner: Owner) -> None:
    """An id holds together with its user only."""
    made, other = owner.key(), Owner(owner.tenant)
    assert (
        refusal(
            other.iam.delete_service_specific_credential,
            UserName=other.name,
            ServiceSpecificCredentialId=made["ServiceSpecificCredentialId"],
        )[1]
        == "NoSuchEntity"
    )


def test_lists_come_in_pages(owner: Owner) -> None:
    """MaxItems and Marker, as the paginators of botocore use them."""
    made = {owner.key()["ServiceSpecificCredentialId"] for _ in range(2)}
    first = owner.iam.list_service_specific_credentials(UserName=owner.name, MaxItems=1)
    assert first["IsTruncated"]
    second = owner.iam.list_service_specific_credentials(
        UserName=owner.name, MaxItems=1, Marker=first["Marker"]
    )
    assert not second["IsTruncated"]
    pages = first["ServiceSpecificCredentials"] + second["ServiceSpecificCredentials"]
    assert {item["ServiceSpecificCredentialId"] for item in pages} == made


def test_a_key_has_the_rights_of_its_user(tenant: Tenant) -> None:
    """Without a policy the bearer action is denied, with the reason."""
    owner = Owner(tenant, attach=None)
    reported = owner.refused(owner.key())
    assert (
        f"User: {owner.arn} is not authorized to perform: bedrock:CallWithBearerToken" in reported
    )
    assert "because no identity-based policy allows" in reported


@pytest.mark.parametrize(("kind", "works"), [("LONG_TERM", True), ("SHORT_TERM", False)])
def test_long_term_keys_can_be_told_by_their_type(
    tenant: Tenant, kind: str, *, works: bool
) -> None:
    """bedrock:bearerTokenType is LONG_TERM for these keys."""
    owner = Owner(tenant, attach=None)
    policy = allow("bedrock:CallWithBearerToken", StringEquals={"bedrock:bearerTokenType": kind})
    policy["Statement"] += allow("bedrock:InvokeModel")["Statement"]
    owner.iam.put_user_policy(
        UserName=owner.name, PolicyName="p", PolicyDocument=json.dumps(policy)
    )
    assert owner.ask(owner.key()).ok is works


def test_a_source_address_and_an_end_can_be_demanded(owner: Owner) -> None:
    """The inline policy of AWS's guide denies other networks and later times."""
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    for condition, works in (
        ({"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8"]}}, True),
        ({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
    ):
        document = {"Version": "2012-10-17", "Statement": [{**deny, "Condition": condition}]}
        owner.iam.put_user_policy(
            UserName=owner.name, PolicyName="limits", PolicyDocument=json.dumps(document)
        )
        made = owner.key()
        assert owner.ask(made).ok is works
        owner.iam.delete_service_specific_credential(
            UserName=owner.name, ServiceSpecificCredentialId=made["ServiceSpecificCredentialId"]
        )


def test_a_boundary_limits_a_user(owner: Owner) -> None:
    """Until it is taken away."""
    arn = owner.tenant.cloud.create_managed_policy(
        name=f"b-{owner.name}", document=allow("bedrock:CallWithBearerToken")
    )
    owner.iam.put_user_permissions_boundary(UserName=owner.name, PermissionsBoundary=arn)
    made = owner.key()
    reported = owner.refused(made)
    assert "because no permissions boundary allows the bedrock:InvokeModel action" in reported
    owner.iam.delete_user_permissions_boundary(UserName=owner.name)
    assert owner.ask(made).ok


def test_a_new_key_may_not_be_known_yet(owner: Owner) -> None:
    """For as long as a test wants; older keys go on."""
    old = owner.key()
    owner.tenant.cloud.new_keys_fail_for(10)
    new = owner.key()
    assert owner.ask(old).ok
    assert INVALID in owner.refused(new)
    assert new["ServiceSpecificCredentialId"] in owner.listed()
    owner.tenant.cloud.set_clock(offset_seconds=11)
    assert owner.ask(new).ok


def test_a_new_user_and_its_key_may_not_be_shown_yet(tenant: Tenant) -> None:
    """With `listed=False` IAM itself does not find what it just made."""
    iam, name = tenant.admin(), f"late-{uuid.uuid4().hex[:8]}"
    tenant.cloud.new_keys_fail_for(10, listed=False)
    iam.create_user(UserName=name)
    assert refusal(iam.get_user, UserName=name)[1] == "NoSuchEntity"
    assert refusal(iam.create_user, UserName=name)[1] == "EntityAlreadyExists"
    assert name not in {user["UserName"] for user in iam.list_users()["Users"]}
    tenant.cloud.set_clock(offset_seconds=11)
    iam.create_service_specific_credential(UserName=name, ServiceName=SERVICE)
    assert iam.list_service_specific_credentials(UserName=name)["ServiceSpecificCredentials"] == []


def test_long_term_keys_are_among_the_secrets(owner: Owner) -> None:
    """So that a test can look for them where none may be."""
    assert owner.key()["ServiceCredentialSecret"] in owner.tenant.cloud.secrets()


def test_a_deleted_key_may_count_and_work_for_a_while(owner: Owner) -> None:
    """Seconds in AWS: a third key is refused until then, and the deleted one still answers."""
    cloud = owner.tenant.cloud
    first, _ = owner.key(), owner.key()
    cloud.deleted_keys_count_for(60)
    owner.iam.delete_service_specific_credential(
        UserName=owner.name, ServiceSpecificCredentialId=first["ServiceSpecificCredentialId"]
    )
    assert len(owner.listed()) == 1
    assert refusal(owner.key)[:2] == (409, "LimitExceeded")
    assert owner.ask(first).ok
    cloud.set_clock(offset_seconds=61)
    owner.key()
    assert not owner.ask(first).ok
