"""The refusals of API Gateway, row by row, and the message for each."""

import pytest
from botocore.exceptions import ClientError

from keywright.api.errors import FailureClass
from keywright.clouds.aws.api_gateway.errors import failure_from_gateway

_POLICY = "examples/api-gateway-for-a-partner/permissions-policy.json"
KEY = "spec.apiGatewayKey"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (
            "AccessDeniedException",
            "User: arn is not authorized to perform: apigateway:POST",
            (FailureClass.DENIED, "AccessDenied", "CredentialSource spec.aws", _POLICY),
        ),
        (
            "NotFoundException",
            "API Stage not found: a1:prod",
            (
                FailureClass.CONFIGURATION,
                "StageNotFound",
                f"{KEY}.usagePlan.create.apiStages",
                "Deploy the API",
            ),
        ),
        (
            "BadRequestException",
            "Usage Plan quota offset must be zero in the DAY period",
            (
                FailureClass.CONFIGURATION,
                "QuotaInvalid",
                f"{KEY}.usagePlan.create.quota.offset",
                "0 for DAY",
            ),
        ),
        (
            "BadRequestException",
            "API Key value should be at least 20 characters",
            (FailureClass.CONFIGURATION, "ValueInvalid", f"{KEY}.valueFrom", "20 to 128"),
        ),
        (
            "ConflictException",
            "API Key k1 cannot be added to the plan: it has another one for API Stage a1:prod",
            (
                FailureClass.CONFIGURATION,
                "StageInTwoPlans",
                f"{KEY}.additionalUsagePlans",
                "one plan for a stage",
            ),
        ),
        (
            "BadRequestException",
            "Warnings found during import: Row 2: no",
            (FailureClass.CONFIGURATION, "ImportWarnings", f"{KEY}.csvFrom", "Fix the rows"),
        ),
        (
            "LimitExceededException",
            "API keys: 10000",
            (FailureClass.QUOTA, "LimitExceeded", KEY, "higher quota for the account"),
        ),
        (
            "NotFoundException",
            "Invalid API Key identifier specified",
            (FailureClass.TRANSIENT, "NotFound", KEY, ""),
        ),
        (
            "TooManyRequestsException",
            "Too Many Requests",
            (FailureClass.THROTTLED, "Throttled", "CredentialSource spec.aws", "one at a time"),
        ),
    ],
)
def test_a_refusal_names_field_and_cure(
    code: str, message: str, expected: tuple[FailureClass, str, str, str]
) -> None:
    """Each has its class, a reason, the field to change and what to do."""
    failure = failure_from_gateway(
        ClientError({"Error": {"Code": code, "Message": message}}, "CreateApiKey")
    )
    kind, reason, field, remedy = expected
    assert (failure.kind, failure.reason, failure.field) == (kind, reason, field)
    assert remedy in failure.remedy
    assert message in failure.message


def test_no_answer_is_an_unknown() -> None:
    """Without a response, the message does not claim what was done."""
    failure = failure_from_gateway(OSError("connection reset"))
    assert (failure.kind, failure.no_side_effect) == (FailureClass.TRANSIENT, False)
