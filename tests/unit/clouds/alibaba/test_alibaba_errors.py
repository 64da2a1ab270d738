"""The refusals of Alibaba Cloud, row by row, and the message for each."""

import json

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, principal, refusal
from keywright.clouds.identity_tokens import TokenFacts

ISSUER, SUBJECT = "https://oidc-ack.example.com/c1", "system:serviceaccount:chat:chat"
ROLE = "acs:ram::1234567890123456:role/chat"
PROVIDER = "acs:ram::1234567890123456:oidc-provider/ack-rrsa"
FIELDS = {
    "": "way",
    "role": "way.roleArn",
    "key": "way.secretRef",
    "audiences": "way.audiences",
    "provider": "way.oidcProviderArn",
    "policy": "way.policy",
    "sessionName": "way.roleSessionName",
    "duration": "way.roleSessionExpiration",
}
BY_TOKEN = RequestContext(
    fields=FIELDS,
    role_arn=ROLE,
    provider_arn=PROVIDER,
    token=TokenFacts(issuer=ISSUER, audience="other", subject=SUBJECT),
)
BY_KEY = RequestContext(
    fields=FIELDS,
    role_arn=ROLE,
    secret="cloud-key",
    caller="acs:ram::6543210987654321:assumed-role/hub/chat.hub",
    external_id="partner-7",
)
_TOKEN = "AuthenticationFail.OIDCToken."


def _reported(code: str, message: str, asking: RequestContext) -> Failure:
    return refusal(StsError(code, message, field="spec.stsEndpoint"), asking)


@pytest.mark.parametrize(
    ("code", "asking", "kind", "field", "says"),
    [
        (f"{_TOKEN}Expired", BY_TOKEN, "Retry", "way", "check the clocks"),
        (f"{_TOKEN}AudienceNotMatch", BY_TOKEN, "Configuration", "way.audiences", "add other to"),
        (
            f"{_TOKEN}IssuerNotMatch",
            BY_TOKEN,
            "Configuration",
            "way.oidcProviderArn",
            f"whose issuer is {ISSUER}: on ACK, turn RRSA on",
        ),
        (
            f"{_TOKEN}IssuerConfigurationBroken",
            BY_TOKEN,
            "Retry",
            "way.oidcProviderArn",
            f"{ISSUER} must be public",
        ),
        (
            f"{_TOKEN}PublicKeyFingerprintMismatch",
            BY_TOKEN,
            "Configuration",
            "way.oidcProviderArn",
            f"Renew the fingerprint of {PROVIDER}",
        ),
        (f"{_TOKEN}Invalid", BY_TOKEN, "Denied", "way.oidcProviderArn", "published keys"),
        (
            "AuthenticationFail.NoPermission",
            BY_TOKEN,
            "Denied",
            "way.oidcProviderArn",
            f"create {PROVIDER} in RAM",
        ),
        ("EntityNotExist.Role", BY_TOKEN, "Denied", "way.roleArn", "create the role"),
        ("NoPermission", BY_KEY, "Denied", "way.roleArn", "the caller needs this policy"),
        ("MissingSecurityToken", BY_KEY, "Configuration", "way.secretRef", "Secret cloud-key"),
        ("InvalidAccessKeyId.NotFound", BY_KEY, "Denied", "way.secretRef", "Secret cloud-key"),
        ("InvalidAccessKeyId.Inactive", BY_KEY, "Denied", "way.secretRef", "Activate the key"),
        ("SignatureDoesNotMatch", BY_KEY, "Denied", "way.secretRef", "does not belong"),
        ("SignatureNonceUsed", BY_KEY, "Retry", "way", "another nonce"),
        ("InvalidTimeStamp.Expired", BY_KEY, "Retry", "way", "15 minutes"),
        ("InvalidSecurityToken.Expired", BY_KEY, "Denied", "way.secretRef", "session is over"),
        ("InvalidSecurityToken.Malformed", BY_KEY, "Denied", "way.secretRef", "no token of"),
        (
            "InvalidSecurityToken.MismatchWithAccessKey",
            BY_KEY,
            "Denied",
            "way.secretRef",
            "no token of",
        ),
        ("InvalidParameter.PolicyGrammar", BY_KEY, "Configuration", "way.policy", "Version 1"),
        ("InvalidParameter.PolicySize", BY_KEY, "Configuration", "way.policy", "2048"),
        (
            "InvalidParameter.RoleSessionName",
            BY_KEY,
            "Configuration",
            "way.roleSessionName",
            "2 to 64",
        ),
        (
            "InvalidParameter.DurationSeconds",
            BY_KEY,
            "Configuration",
            "way.roleSessionExpiration",
            "maximum session duration",
        ),
        ("Throttling.User", BY_KEY, "Throttled", "spec.stsEndpoint", "more slowly"),
        ("Forbidden.RAM", BY_KEY, "Denied", "way", "Allow the action"),
        ("Whatever.Else", BY_KEY, "Retry", "way", "look the code up"),
    ],
)
def test_a_refusal_is_told_by_field_and_cure(
    code: str, asking: RequestContext, kind: str, field: str, says: str
) -> None:
    """Code and words of the cloud, the class that decides what follows, field and remedy."""
    failure = _reported(code, "The words of the cloud", asking)
    assert (failure.kind, failure.field) == (FailureClass(kind), field)
    assert failure.message.startswith(f"Alibaba Cloud STS: {code}: The words of the cloud")
    assert says in failure.remedy
    assert failure.reason.isalnum()
    assert ROLE in failure.message


def test_a_refused_token_is_told_by_what_it_says() -> None:
    """Issuer, audience and subject, and the trust policy that would take it, to paste."""
    failure = _reported("AuthenticationFail.NoPermission", "There is no permission", BY_TOKEN)
    assert f"iss={ISSUER}, aud=other, sub={SUBJECT}" in failure.message
    (statement,) = json.loads(failure.remedy[failure.remedy.index("{") :])["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Federated": [PROVIDER]},
        "Condition": {
            "StringEquals": {"oidc:iss": ISSUER, "oidc:aud": "other", "oidc:sub": SUBJECT}
        },
    }


def test_a_refused_hop_has_both_policies_to_paste() -> None:
    """That of the caller, and the trust policy with the caller's role and the external id."""
    remedy = _reported("NoPermission", "You are not authorized", BY_KEY).remedy
    needed, _, trust = remedy.partition("the caller needs this policy: ")[2].partition(
        f" and {ROLE} this trust policy: "
    )
    assert json.loads(needed)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": "acs:ram:*:1234567890123456:role/chat",
        }
    ]
    assert json.loads(trust)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"RAM": ["acs:ram::6543210987654321:role/hub"]},
            "Condition": {"StringEquals": {"sts:ExternalId": "partner-7"}},
        }
    ]


@pytest.mark.parametrize(
    ("caller", "named"),
    [
        ("acs:ram::1:user/deploy", "acs:ram::1:user/deploy"),
        ("acs:ram::1:assumed-role/hub/chat.hub", "acs:ram::1:role/hub"),
        ("", "acs:ram::<account of the caller>:root"),
    ],
)
def test_trust_policies_name_roles_not_sessions(caller: str, named: str) -> None:
    """A session is none that a trust policy could name."""
    assert principal(caller) == named


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("sts.cn-hangzhou.aliyuncs.com did not answer in time", "regionId and stsEndpoint"),
        ("sts.cn-hangzhou.aliyuncs.com: HTTP 302", "regionId and stsEndpoint"),
        ("ClientConnectorCertificateError: certificate verify failed", "CA bundle"),
    ],
)
def test_no_answer_names_the_field_of_the_endpoint_and_a_remedy(message: str, says: str) -> None:
    """It is tried again; the field is the one that chose the host."""
    failure = _reported("", message, BY_KEY)
    assert (failure.kind, failure.reason) == (FailureClass.TRANSIENT, "CloudError")
    assert failure.field == "spec.stsEndpoint"
    assert says in failure.remedy
