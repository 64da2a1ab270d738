"""AssumeRoleWithWebIdentity, and how it refuses a token, a role or a parameter."""

from __future__ import annotations

import datetime
import json
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import RSAKey

from tests.testbed.issuer import AUDIENCE, SUBJECT, Issuer
from tests.testbed.world import BEDROCK_POLICY, Tenant, allow, refusal

if TYPE_CHECKING:
    from testbed.clouds.aws import AwsCloud

DENIED = (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)


def test_a_good_token_gives_a_session_that_says_who_it_is(tenant: Tenant) -> None:
    """The answer names subject, audience, provider and session, and the session is usable."""
    answer = tenant.assume(Policy=json.dumps(BEDROCK_POLICY), DurationSeconds=900)
    role = f"arn:aws:sts::123456789012:assumed-role/{tenant.role_name}/keywright"
    host = tenant.issuer.url.removeprefix("https://")
    assert answer["SubjectFromWebIdentityToken"] == SUBJECT
    assert answer["Audience"] == AUDIENCE
    assert answer["Provider"] == f"arn:aws:iam::123456789012:oidc-provider/{host}"
    assert answer["AssumedRoleUser"]["Arn"] == role
    assert 0 < answer["PackedPolicySize"] < 100
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    ends = answer["Credentials"]["Expiration"] - datetime.datetime.now(datetime.UTC)
    assert 890 < ends.total_seconds() <= 901


@pytest.mark.parametrize("operator", ["StringEquals", "StringLike"])
def test_a_trust_policy_decides_by_subject(tenant: Tenant, operator: str) -> None:
    """StringEquals compares, StringLike takes wildcards; another subject is denied."""
    subject = SUBJECT if operator == "StringEquals" else "system:serviceaccount:team-a:*"
    tenant.cloud.put_trust_policy(
        name=tenant.role_name, trust_policy=tenant.trust(subject=subject, operator=operator)
    )
    assert tenant.assume()["SubjectFromWebIdentityToken"] == SUBJECT
    token = tenant.issuer.token(sub="system:serviceaccount:team-b:chat")
    assert refusal(tenant.assume, WebIdentityToken=token) == DENIED


def test_a_trust_policy_may_list_several_subjects(tenant: Tenant) -> None:
    """Any of the values of a condition is enough."""
    policy = tenant.trust()
    condition = policy["Statement"][0]["Condition"]["StringEquals"]
    for key in condition:
        condition[key] = ["another", condition[key]]
    tenant.cloud.put_trust_policy(name=tenant.role_name, trust_policy=policy)
    assert tenant.assume()["Audience"] == AUDIENCE


def test_a_role_that_trusts_another_provider_denies(tenant: Tenant) -> None:
    """The statement's Principal must be the provider that vouches for the token."""
    policy = tenant.trust()
    policy["Statement"][0]["Principal"] = {
        "Federated": "arn:aws:iam::123456789012:oidc-provider/elsewhere.example"
    }
    tenant.cloud.put_trust_policy(name=tenant.role_name, trust_policy=policy)
    assert refusal(tenant.assume) == DENIED


def test_a_missing_role_is_told_like_a_trust_policy_that_does_not_match(tenant: Tenant) -> None:
    """AWS does not tell which roles exist."""
    tenant.cloud.delete_role(name=tenant.role_name)
    assert refusal(tenant.assume) == DENIED


def _claims(name: str, now: int) -> dict[str, Any]:
    claims: dict[str, dict[str, Any]] = {
        "audience": {"aud": ["another"]},
        "issuer": {"iss": "https://elsewhere.example/id"},
        "no audience": {"without": "aud"},
        "no subject": {"without": "sub"},
        "no expiry": {"without": "exp"},
        "not yet": {"nbf": now + 3600},
    }
    return claims[name]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("audience", "Incorrect token audience"),
        (
            "issuer",
            "No OpenIDConnect provider found in your account for https://elsewhere.example/id",
        ),
        ("no audience", "Missing a required claim: aud"),
        ("no subject", "Missing a required claim: sub"),
        ("no expiry", "Missing a required claim: exp"),
        ("not yet", "could not be validated"),
    ],
)
def test_a_token_with_a_wrong_claim_is_invalid(tenant: Tenant, wrong: str, message: str) -> None:
    """Audience, issuer and required claims are checked, in AWS's words."""
    token = tenant.issuer.token(**_claims(wrong, int(time.time())))
    status, code, reported = refusal(tenant.assume, WebIdentityToken=token)
    assert (status, code) == (400, "InvalidIdentityToken")
    assert message in reported


def test_a_token_signed_by_another_key_is_invalid(tenant: Tenant) -> None:
    """The signature counts, not the key id."""
    token = tenant.issuer.token(key=RSAKey.generate_key(2048))
    status, code, reported = refusal(tenant.assume, WebIdentityToken=token)
    assert (status, code) == (400, "InvalidIdentityToken")
    assert "could not be validated" in reported


def test_a_text_that_is_no_token_is_invalid(tenant: Tenant) -> None:
    """What moto accepts, AWS does not."""
    _, code, reported = refusal(tenant.assume, WebIdentityToken="not-a-jwt")
    assert code == "InvalidIdentityToken"
    assert reported.startswith("The ID Token provided is not a valid JWT.")


def test_an_expired_token_is_told_with_both_times(tenant: Tenant) -> None:
    """Ten minutes later by the emulator's clock the token is over."""
    token = tenant.issuer.token()
    tenant.cloud.set_clock(offset_seconds=601)
    status, code, reported = refusal(tenant.assume, WebIdentityToken=token)
    assert (status, code) == (400, "ExpiredTokenException")
    assert reported.startswith("Token expired: current date/time ")
    assert re.search(r"must be before the expiration date/time[0-9]+$", reported)


def test_a_rotated_signing_key_is_fetched_when_a_token_names_it(tenant: Tenant) -> None:
    """Known keys are cached; an unknown key id makes the emulator look again."""
    tenant.assume()
    fetches = tenant.issuer.fetches
    tenant.assume()
    assert tenant.issuer.fetches == fetches
    tenant.issuer.rotate(f"rotated-{fetches}")
    tenant.assume()
    assert tenant.issuer.fetches == fetches + 2


def test_an_issuer_that_cannot_be_reached_is_told(cloud: AwsCloud, tenant: Tenant) -> None:
    """No answer and no JWKS read the same."""
    unreachable = "https://127.0.0.1:1"
    cloud.create_identity_provider(issuer=unreachable, client_ids=[AUDIENCE])
    token = tenant.issuer.token(iss=unreachable)
    assert refusal(tenant.assume, WebIdentityToken=token) == (400, "InvalidIdentityToken", NO_KEY)


def test_an_issuer_behind_an_unknown_ca_is_told(cloud: AwsCloud, issuer: Issuer) -> None:
    """The emulator trusts the CA that the provider was created with, and no other."""
    account = "210987654321"
    cloud.create_identity_provider(issuer=issuer.url, client_ids=[AUDIENCE], account=account)
    tenant = Tenant(cloud, issuer)
    arn = cloud.create_role(name="far", trust_policy=tenant.trust(), account=account)
    assert refusal(tenant.assume, RoleArn=arn) == (
        400,
        "InvalidIdentityToken",
        "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
    )


def test_a_token_that_was_issued_long_ago_is_told(tenant: Tenant) -> None:
    """However long it says that it lasts."""
    issued = int(time.time()) - 100_000
    token = tenant.issuer.token(iat=issued, exp=int(time.time()) + 600)
    assert refusal(tenant.assume, WebIdentityToken=token) == (
        400,
        "ExpiredTokenException",
        f"Token too old: {issued}",
    )


def test_the_provider_must_be_in_the_account_of_the_role(cloud: AwsCloud, tenant: Tenant) -> None:
    """A provider in one account says nothing in another."""
    arn = cloud.create_role(
        name=tenant.role_name, trust_policy=tenant.trust(), account="111111111111"
    )
    _, code, reported = refusal(tenant.assume, RoleArn=arn)
    assert code == "InvalidIdentityToken"
    assert reported == f"No OpenIDConnect provider found in your account for {tenant.issuer.url}"


def test_a_deleted_provider_vouches_for_nobody(cloud: AwsCloud, issuer: Issuer) -> None:
    """From the next call on, the issuer is unknown to the account."""
    account = "333333333333"
    cloud.create_identity_provider(
        issuer=issuer.url, client_ids=[AUDIENCE], ca_file=issuer.ca_file, account=account
    )
    cloud.delete_identity_provider(issuer=issuer.url, account=account)
    tenant = Tenant(cloud, issuer)
    _, _, reported = refusal(tenant.assume, RoleArn=f"arn:aws:iam::{account}:role/any")
    assert reported == f"No OpenIDConnect provider found in your account for {issuer.url}"


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        (
            {"DurationSeconds": 3601},
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ),
        (
            {"RoleSessionName": "a b"},
            "ValidationError",
            r"must satisfy regular expression pattern: [\w+=,.@-]*",
        ),
        ({"RoleSessionName": "s" * 65}, "ValidationError", "length less than or equal to 64"),
        ({"Policy": "{"}, "MalformedPolicyDocument", "This policy contains invalid Json"),
        ({"Policy": "{}"}, "MalformedPolicyDocument", "Syntax errors in policy."),
        ({"Policy": " " * 2049}, "ValidationError", "length less than or equal to 2048"),
        ({"PolicyArns": [{"arn": "arn:aws:s3:::not-a-policy"}]}, "ValidationError", "not valid"),
        (
            {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/Unknown"}]},
            "MalformedPolicyDocument",
            "does not exist",
        ),
        ({"RoleArn": "arn:aws:iam::123456789012:user/u"}, "ValidationError", "user/u is invalid"),
    ],
)
def test_a_parameter_out_of_form_is_refused(
    tenant: Tenant, changed: dict[str, Any], code: str, message: str
) -> None:
    """Every parameter is held to its form and range."""
    status, reported_code, reported = refusal(tenant.assume, **changed)
    assert (status, reported_code) == (400, code)
    assert message.lower() in reported.lower()


def test_a_session_shorter_than_fifteen_minutes_is_refused(tenant: Tenant) -> None:
    """900 seconds is the least."""
    _, code, reported = refusal(tenant.assume, DurationSeconds=899)
    assert code == "ValidationError"
    assert reported.endswith("Member must have value greater than or equal to 900")


def test_a_policy_that_packs_too_large_is_refused(tenant: Tenant) -> None:
    """The packed size is limited beside the number of characters."""
    document = json.dumps(allow(f"bedrock:{secrets.token_urlsafe(1350)}"))
    _, code, reported = refusal(tenant.assume, Policy=document)
    assert code == "PackedPolicyTooLarge"
    assert reported.endswith("% of allotted space.")


def test_seconds_can_be_asked_of_every_session(tenant: Tenant) -> None:
    """With a limit, `Expiration` is that near, whatever was asked; without it as before."""
    tenant.cloud.limit_sessions(seconds=3)
    now = datetime.datetime.now(datetime.UTC)
    assert 2 < (tenant.session(DurationSeconds=3600).expires_at - now).total_seconds() < 60
    tenant.cloud.limit_sessions(seconds=None)
    assert (tenant.session().expires_at - now).total_seconds() > 3000
