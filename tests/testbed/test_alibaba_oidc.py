"""AssumeRoleWithOIDC of Alibaba Cloud, and how it refuses a token."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.testbed.alibaba import (
    ACCOUNT,
    Member,
    reported,
)

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize(
    ("claims", "code", "message"),
    [
        ({"exp": 1}, "OIDCToken.Expired", "This JsonWebToken is expired."),
        ({"aud": ["sts.amazonaws.com"]}, "OIDCToken.AudienceNotMatch", "Invalid audience."),
        (
            {"iss": "https://other.example"},
            "OIDCToken.IssuerNotMatch",
            "The issuer in the OIDC Token doesn't match the OIDC Provider registered.",
        ),
        ({"sub": ""}, "OIDCToken.Invalid", "This JsonWebToken is invalid."),
        (
            {"sub": "system:serviceaccount:team-b:chat"},
            "NoPermission",
            "There is no permission.",
        ),
    ],
)
def test_a_token_that_is_wrong(
    member: Member, claims: dict[str, Any], code: str, message: str
) -> None:
    """Each claim has its refusal, and the trust policy decides by the subject."""
    answer = member.assume_with_oidc(OIDCToken=member.token(**claims))
    assert (answer.code, answer.message) == (f"AuthenticationFail.{code}", message)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"OIDCToken": "not-a-token"}, 401, "AuthenticationFail.OIDCToken.Invalid"),
        ({"OIDCToken": "a"}, 400, "InvalidParameter.OIDCToken"),
        ({"OIDCToken": ""}, 400, "MissingOIDCToken"),
        (
            {"OIDCProviderArn": f"acs:ram::{ACCOUNT}:oidc-provider/none"},
            401,
            "AuthenticationFail.NoPermission",
        ),
        ({"OIDCProviderArn": "acs:ram::x"}, 401, "AuthenticationFail.NoPermission"),
        ({"RoleArn": f"acs:ram::{ACCOUNT}:role/none"}, 404, "EntityNotExist.Role"),
        ({"DurationSeconds": "3601"}, 400, "InvalidParameter.DurationSeconds"),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
    ],
)
def test_a_federated_call_that_is_wrong(
    member: Member, changed: dict[str, str], status: int, code: str
) -> None:
    """AssumeRoleWithOIDC needs no signature, and all the rest."""
    assert reported(member.assume_with_oidc(**changed)) == (status, code)


def test_a_token_of_another_key_is_refused(member: Member) -> None:
    """A valid token shows its subject; one with a signature of another issuer is refused."""
    answer = member.assume_with_oidc()
    assert answer.content["OIDCTokenInfo"]["Issuer"] == member.issuer.url
    head, claims, _ = member.token().split(".")
    forged = f"{head}.{claims}.{base64.urlsafe_b64encode(secrets.token_bytes(256)).decode()}"
    refused = member.assume_with_oidc(OIDCToken=forged.rstrip("="))
    assert refused.code == "AuthenticationFail.OIDCToken.InvalidSignature"


def test_an_issuer_out_of_reach_is_told(member: Member) -> None:
    """The provider is registered, but its issuer does not answer."""
    arn = member.cloud.create_identity_provider(
        name=member.name, issuer="https://127.0.0.1:1", client_ids=["sts.aliyuncs.com"]
    )
    answer = member.assume_with_oidc(
        OIDCProviderArn=arn, OIDCToken=member.token(iss="https://127.0.0.1:1")
    )
    assert answer.code == "AuthenticationFail.OIDCToken.IssuerConfigurationBroken"
    assert answer.message.endswith("the issuer is https://127.0.0.1:1.")
    member.cloud.delete_identity_provider(arn)


def test_an_issuer_behind_an_unknown_ca_is_told(member: Member) -> None:
    """The vendor trusts the CAs of its own list alone."""
    arn = member.cloud.create_identity_provider(
        name=f"{member.name}-untrusted", issuer=member.issuer.url, client_ids=["sts.aliyuncs.com"]
    )
    answer = member.assume_with_oidc(OIDCProviderArn=arn)
    assert answer.code == "AuthenticationFail.OIDCToken.HttpsUrlInvalid"
    assert answer.message == "The root ca certificate is not in ca whitelist of this url"
    member.cloud.delete_identity_provider(arn)
