"""The refusals of STS, row by row, and the message for each."""

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from keywright.api.errors import Failure
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.sts.errors import failure_from_session, failure_from_token
from keywright.clouds.identity_tokens import TokenFacts, token_facts
from keywright.clouds.redaction import redacted

ROLE = "arn:aws:iam::123456789012:role/bedrock-invoker"
ISSUER = "https://oidc.example.com/id/A"
SUBJECT = "system:serviceaccount:chat:chat-bedrock"
FACTS = TokenFacts(issuer=ISSUER, audience="sts.amazonaws.com", subject=SUBJECT)
AWS = "CredentialSource spec.aws"
WEB_IDENTITY = "CredentialSource spec.aws.webIdentity"


def _jwt(claims: object) -> Sensitive:
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in ({}, claims)]
    return Sensitive(".".join([*(part.rstrip("=") for part in parts), "c2lnbmF0dXJl"]))


def _error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "AssumeRoleWithWebIdentity")


def _token(code: str, message: str) -> Failure:
    return failure_from_token(_error(code, message), token=FACTS, role_arn=ROLE)


INVALID = "InvalidIdentityToken"
TOKEN_ROWS = [
    (
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        "Denied",
        "AccessDenied",
        f"{WEB_IDENTITY}.roleArn",
        ["First check the spelling of the role in roleArn.", "trust policy", ISSUER, SUBJECT],
    ),
    (
        INVALID,
        "Incorrect token audience",
        "Configuration",
        INVALID,
        f"{WEB_IDENTITY}.serviceAccountRef.audiences",
        ["audiences", "sts.amazonaws.com"],
    ),
    (
        INVALID,
        "No OpenIDConnect provider found in your account for https://oidc.example.com/id/A",
        "Configuration",
        INVALID,
        WEB_IDENTITY,
        ["Create an IAM OIDC provider", ISSUER, "123456789012"],
    ),
    (
        INVALID,
        (
            "Couldn't retrieve verification key from your identity provider, please reference"
            " AssumeRoleWithWebIdentity documentation for requirements"
        ),
        "Retry",
        INVALID,
        WEB_IDENTITY,
        ["must be public", ISSUER],
    ),
    (INVALID, "Missing a required claim: aud", "Configuration", INVALID, WEB_IDENTITY, [ISSUER]),
    (
        "ExpiredTokenException",
        "Token expired: current date/time 2 must be before the expiration date/time 1",
        "Retry",
        "ExpiredToken",
        WEB_IDENTITY,
        ["clocks"],
    ),
    (
        "IDPCommunicationError",
        "An error occurred",
        "Retry",
        "CloudError",
        WEB_IDENTITY,
        ["IDPCommunicationError", ISSUER],
    ),
    (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        "Configuration",
        "SessionDurationTooLong",
        f"{WEB_IDENTITY}.sessionDuration",
        ["maximum"],
    ),
    (
        "ValidationError",
        "1 validation error detected: Value at 'roleArn'",
        "Configuration",
        "ValidationError",
        f"{WEB_IDENTITY}.roleArn",
        ["roleArn"],
    ),
    (
        "MalformedPolicyDocument",
        "Syntax errors in policy.",
        "Configuration",
        "MalformedPolicyDocument",
        f"{WEB_IDENTITY}.policy",
        ["session policy"],
    ),
    (
        "PackedPolicyTooLarge",
        "Packed size of session policy consumes 120% of allotted space",
        "Configuration",
        "PackedPolicyTooLarge",
        f"{WEB_IDENTITY}.policy",
        ["120%", "shorten"],
    ),
    ("Throttling", "Rate exceeded", "Throttled", "Throttled", AWS, ["Rate exceeded"]),
    ("ServiceUnavailable", "Try later", "Retry", "CloudError", AWS, ["Try later", "stsEndpoint"]),
    ("SomethingNew", "Whatever it is", "Retry", "SomethingNew", AWS, ["Whatever it is"]),
]


@pytest.mark.parametrize(("code", "message", "kind", "reason", "field", "words"), TOKEN_ROWS)
def test_a_refused_token_is_told_with_its_cure(
    code: str, message: str, kind: str, *, reason: str, field: str, words: list[str]
) -> None:
    """Rule 15: each answer of STS has its class, its reason, its field, and what to do."""
    failure = _token(code, message)
    assert (failure.kind.value, failure.reason, failure.field) == (kind, reason, field)
    assert [word for word in words if word not in failure.message_with_remedy()] == []


@pytest.mark.parametrize(
    ("code", "message"),
    [row[:2] for row in TOKEN_ROWS if row[0] in ("AccessDenied", INVALID)],
)
def test_a_refused_token_is_told_by_its_claims(code: str, message: str) -> None:
    """Teams lose weeks for want of just that: what the token says of itself."""
    assert (
        f"iss={ISSUER}, aud=sts.amazonaws.com, sub={SUBJECT}"
        in _token(code, message).message_with_remedy()
    )


@pytest.mark.parametrize(
    ("role_arn", "provider"),
    [
        (ROLE, "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/A"),
        (
            "arn:aws-cn:iam::210987654321:role/a",
            "arn:aws-cn:iam::210987654321:oidc-provider/oidc.example.com/id/A",
        ),
    ],
)
def test_the_trust_policy_can_be_pasted(role_arn: str, provider: str) -> None:
    """It parses, and accepts exactly this ServiceAccount with this audience."""
    error = _error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    failure = failure_from_token(error, token=FACTS, role_arn=role_arn)
    policy = json.loads(failure.remedy[failure.remedy.index("{") :])
    (statement,) = policy["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                "oidc.example.com/id/A:aud": "sts.amazonaws.com",
                "oidc.example.com/id/A:sub": SUBJECT,
            }
        },
    }


@pytest.mark.parametrize(
    ("code", "message", "kind", "reason"),
    [
        (
            "AccessDenied",
            "User: a is not authorized to perform: sts:AssumeRole",
            "Denied",
            "AccessDenied",
        ),
        (
            "ExpiredToken",
            "The security token included in the request is expired",
            "Retry",
            "ExpiredToken",
        ),
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            "Retry",
            "InvalidClientTokenId",
        ),
        (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match",
            "Retry",
            "SignatureDoesNotMatch",
        ),
        ("RequestLimitExceeded", "Slow down", "Throttled", "Throttled"),
        ("InternalFailure", "Oh", "Retry", "CloudError"),
    ],
)
def test_a_refused_session_is_told(code: str, message: str, kind: str, reason: str) -> None:
    """By AWS's own code and words."""
    failure = failure_from_session(_error(code, message))
    assert (failure.kind.value, failure.reason) == (kind, reason)
    assert message.rstrip(".") in failure.message_with_remedy()


def test_no_answer_is_no_refusal() -> None:
    """A cloud that cannot be reached is retried, and the message contains its address."""
    error = EndpointConnectionError(endpoint_url="https://sts.us-west-2.amazonaws.com/")
    failure = failure_from_session(error)
    assert (failure.kind.value, failure.reason) == ("Retry", "CloudError")
    assert "sts.us-west-2.amazonaws.com" in failure.message
    # As of a Region that does not exist.
    assert failure.field == f"{AWS}.region"
    assert "correct region or stsEndpoint" in failure.remedy
    quoted = ValueError("planted: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    assert "wJalr" not in failure_from_session(quoted).message_with_remedy()


PLANTED = [
    _jwt({"sub": SUBJECT, "pad": "x" * 64}).reveal(),
    "IQoJb3JpZ2luX2VjE" + "A" * 300 + "==",
    "bedrock-api-key-" + "YmVkcm9j" * 20,
    "X-Amz-Security-Token=" + "FwoGZXIv%2F" * 30,
    "a" * 64,
]


@pytest.mark.parametrize("secret", PLANTED)
def test_nothing_that_looks_like_a_token_survives(secret: str) -> None:
    """Rule 13: the clouds quote what they were sent; we do not."""
    text = f"Request body: token={secret}&Version=2011-06-15 was refused"
    assert secret not in redacted(text)
    assert "was refused" in redacted(text)
    for failure in (_token("AccessDenied", text), _token("X", text), _token(INVALID, text)):
        assert secret not in failure.message_with_remedy()


def test_ordinary_words_are_left_alone() -> None:
    """Names of roles, ARNs and actions are what the reader needs."""
    text = f"User: {ROLE}/session is not authorized to perform: sts:AssumeRoleWithWebIdentity"
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"iss": "i", "aud": ["a"], "sub": "s"}, TokenFacts("i", "a", "s")),
        ({"iss": "i", "aud": ["a", "b"], "sub": "s"}, TokenFacts("i", "a,b", "s")),
        ({"iss": "i", "aud": "a", "sub": "s"}, TokenFacts("i", "a", "s")),
        ({}, TokenFacts("", "", "")),
        ([], TokenFacts("", "", "")),
        ("x", TokenFacts("", "", "")),
    ],
)
def test_a_token_is_read_without_trust(claims: Any, expected: TokenFacts) -> None:
    """For any content, it has an issuer, an audience and a subject, or empty ones."""
    assert token_facts(_jwt(claims)) == expected


@pytest.mark.parametrize("text", ["", "no token", "a.b.c", "a.!!!.c", "é.é.é"])
def test_what_is_no_token_says_nothing(text: str) -> None:
    """It is not this function that refuses it."""
    assert token_facts(Sensitive(text)) == TokenFacts("", "", "")
