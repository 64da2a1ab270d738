"""Each error code of tests/data/fidelity.tsv, classified: failure class, field and remedy.

The expected values are in tests/data/fidelity-classes.tsv, one row for each refusal.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keywright.api.aws_source import Ambient, AwsHop, AwsSource
from keywright.api.errors import Failure, FailureClass
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.alibaba.sts.errors import RequestContext, refusal
from keywright.clouds.aws.api_gateway.errors import failure_from_gateway
from keywright.clouds.aws.iam.errors import failure_from_iam
from keywright.clouds.aws.sts.errors import failure_from_hop, failure_from_key, failure_from_token
from keywright.clouds.identity_tokens import TokenFacts
from tests.fidelity_table import Row, rows

_CLASSES = Path(__file__).parents[2] / "data" / "fidelity-classes.tsv"
# Where a row of the table describes the answer only, the words that the form gives.
_WORDS = {
    "iam CreateServiceSpecificCredential: credentialAgeDays out of range": (
        "1 validation error detected: Value '36601' at 'credentialAgeDays' failed to satisfy"
        " constraint: Member must have value less than or equal to 36600"
    ),
    "iam CreateServiceSpecificCredential: third credential": (
        "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2"
    ),
}
# A row with three codes: the first stands for all.
_CODES = {
    "alibaba-sts any: session token malformed / of another key / missing": (
        "InvalidSecurityToken.Malformed"
    )
}
_TOKEN = TokenFacts("https://issuer.example.com", "aud", "sub")
_PARTS = ("role", "key", "audiences", "provider", "policy", "sessionName", "duration")


def _refusals() -> list[Row]:
    """The rows that are refusals which the operator can get."""
    return [row for row in rows() if row.code and not row.service.startswith("bedrock")]


def _expected() -> dict[str, tuple[str, str, str]]:
    with _CLASSES.open(newline="") as file:
        lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {line["row"]: (line["class"], line["field"], line["remedy"]) for line in lines}


def aws_error(
    code: str, message: str, *, status: int = 400, headers: dict[str, str] | None = None
) -> ClientError:
    """The exception of botocore for this answer."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return ClientError(answer, "Operation")


def _classified(row: Row) -> Failure:
    code, message = _CODES.get(row.id, row.code), _WORDS.get(row.id, row.message)
    error = aws_error(code, message, status=int(row.status[:3]))
    match row.service:
        case "iam":
            return failure_from_iam(error, user="chat", field="spec.bedrockLongTermKey")
        case "apigateway":
            return failure_from_gateway(error)
        case "alibaba-sts":
            fields = {"": "way"} | {part: f"way.{part}" for part in _PARTS}
            asking = RequestContext(
                fields=fields, token=_TOKEN, provider_arn="P", role_arn="acs:ram::1:role/r"
            )
            return refusal(StsError(code, message, field="ep"), asking)
        case _ if "WebIdentity" in row.operation:
            return failure_from_token(
                error, token=_TOKEN, role_arn="arn:aws:iam::123456789012:role/r"
            )
        case _ if row.operation == "AssumeRole":
            hop = AwsHop(role_arn="arn:aws:iam::123456789012:role/b")
            aws = AwsSource(region="us-west-2", ambient=Ambient(), assume_roles=(hop,))
            caller = "arn:aws:sts::123456789012:assumed-role/a/s"
            return failure_from_hop(error, aws=aws, number=0, caller=caller, field="hop")
        case _:
            return failure_from_key(error, secret="cloud-key", field="key")


@pytest.mark.parametrize("row", _refusals(), ids=lambda row: row.id)
def test_each_refusal_has_its_class_field_and_remedy(row: Row) -> None:
    """A row without an expectation fails: new rows need one."""
    kind, field, remedy = _expected()[row.id]
    failure = _classified(row)
    assert (failure.kind.value, failure.field) == (kind, field)
    assert remedy
    assert remedy in failure.remedy


def test_every_expectation_has_its_row() -> None:
    """No expectation is left of a row that is gone."""
    assert _expected().keys() == {row.id for row in _refusals()}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("SignatureDoesNotMatch", "Signature expired: T1 is now earlier than T2 (T3 - 15 min.)"),
        ("SignatureDoesNotMatch", "Signature not yet current: T1 is still later than T2"),
        ("InvalidSignatureException", "Signature expired: T1 is now earlier than T2"),
        ("RequestExpired", "Request has expired."),
        ("RequestTimeTooSkewed", "The difference between the request time and ours is too large."),
    ],
)
def test_a_refused_time_is_a_clock_fault_and_no_wrong_key(code: str, message: str) -> None:
    """The secret of the key is right: what must be corrected is the clock."""
    error = aws_error(code, message, status=403)
    for failure in (
        failure_from_key(error, secret="cloud-key", field="key"),
        failure_from_iam(error, user="chat", field="spec.bedrockLongTermKey"),
        failure_from_gateway(error),
    ):
        assert (failure.kind, failure.reason) == (FailureClass.TRANSIENT, "ClockSkew")
        assert "clock" in failure.remedy
        assert "does not belong" not in failure.message_with_remedy()


def test_a_wrong_secret_is_still_a_wrong_key() -> None:
    """Only the words about time are a clock fault."""
    message = "The request signature we calculated does not match the signature you provided."
    failure = failure_from_key(
        aws_error("SignatureDoesNotMatch", message, status=403), secret="cloud-key", field="key"
    )
    assert failure.kind is FailureClass.DENIED
    assert "does not belong" in failure.remedy


@pytest.mark.parametrize(
    ("code", "message", "headers", "kind"),
    [
        ("LimitExceededException", "Try later", {"retry-after": "7"}, "Throttled"),
        ("LimitExceededException", "API keys: 10000", {}, "Quota"),
        ("TooManyRequestsException", "Too Many Requests", {"retry-after": "7"}, "Throttled"),
    ],
)
def test_retry_after_tells_a_rate_from_a_quota(
    code: str, message: str, headers: dict[str, str], kind: str
) -> None:
    """LimitExceededException with Retry-After is a rate; its time is passed on."""
    failure = failure_from_gateway(aws_error(code, message, status=429, headers=headers))
    seconds = failure.retry_after.total_seconds() if failure.retry_after else None
    assert (failure.kind.value, seconds) == (kind, 7 if headers else None)


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "9" * 40, "Wed, 21 Oct 2026 07:28:00 GMT", "7.5"]
)
def test_a_retry_after_that_is_no_number_of_seconds_does_no_harm(value: str) -> None:
    """At most five minutes, and nothing for what cannot be read."""
    failure = failure_from_gateway(
        aws_error("TooManyRequestsException", "x", status=429, headers={"retry-after": value})
    )
    assert failure.kind is FailureClass.THROTTLED
    assert failure.retry_after is None or failure.retry_after.total_seconds() == 300


@pytest.mark.parametrize(
    "code",
    ["NotSupportedService", "ServiceNotSupported", "PolicyNotAttachable"],
)
def test_codes_of_iam_that_only_an_edit_cures(code: str) -> None:
    """They name the field; without a remedy the grant would retry in silence."""
    failure = failure_from_iam(
        aws_error(code, "words"), user="chat", field="spec.bedrockLongTermKey"
    )
    assert failure.kind is FailureClass.CONFIGURATION
    assert failure.field.startswith("spec.bedrockLongTermKey")
    assert failure.remedy


def test_a_full_stop_parts_the_words_of_the_cloud_from_ours() -> None:
    """The failure's own text ends with one full stop, before the remedy."""
    for row in _refusals():
        message = _classified(row).message
        assert message.endswith("."), message
        assert ".." not in message.replace("...", ""), message
