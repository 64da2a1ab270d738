"""Convert errors of API Gateway to failures that name what to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.aws.error_codes import (
    code_and_message,
    http_status,
    is_rate_answer,
    retry_after,
)
from keywright.clouds.aws.sts.errors import failure_from_session

NOT_FOUND: Final = "NotFoundException"
CONFLICT: Final = "ConflictException"

FIELD: Final = "spec.apiGatewayKey"
_PLAN: Final = f"{FIELD}.usagePlan"


@dataclass(frozen=True, slots=True)
class _Told:
    """An error caused by the spec: by its message, with field and remedy.

    With `code`, only for that error code.
    """

    words: str
    reason: str
    field: str
    remedy: str
    code: str = ""


# The messages are API Gateway's own; the first row whose words are in the message counts.
_MISTAKES: Final = (
    _Told(
        "API Stage not found",
        "StageNotFound",
        f"{_PLAN}.create.apiStages",
        "Deploy the API to that stage, or name another one.",
    ),
    _Told(
        "quota offset",
        "QuotaInvalid",
        f"{_PLAN}.create.quota.offset",
        "Choose a day of the period: 0 for DAY, 0 to 6 for WEEK, 0 to 27 for MONTH.",
    ),
    _Told(
        "Invalid API Stage",
        "StageNotFound",
        f"{_PLAN}.create.apiStages",
        "Name stages that are deployed, each as an API and a stage.",
        # NotFoundException: the plan lacks a stage that is to be removed.
        code="BadRequestException",
    ),
    _Told(
        "API Key name",
        "NameInvalid",
        f"{FIELD}.keyName",
        "Use a name of at most 1024 characters.",
    ),
    _Told(
        "API Key description",
        "DescriptionInvalid",
        f"{FIELD}.description",
        "Use a shorter description.",
    ),
    _Told("quota", "QuotaInvalid", f"{_PLAN}.create.quota", "Change the quota."),
    _Told(
        "for API Stage",
        "StageInTwoPlans",
        f"{FIELD}.additionalUsagePlans",
        "A key has one plan for a stage: leave one of the plans out.",
    ),
    _Told(
        "API Key value",
        "ValueInvalid",
        f"{FIELD}.valueFrom",
        "A value has 20 to 128 characters: put such a one into the Secret.",
    ),
    _Told(
        "Missing required column",
        "FileInvalid",
        f"{FIELD}.csvFrom",
        "The file begins with a line of column names: Name and Key at least.",
    ),
    _Told(
        "found during import",
        "ImportWarnings",
        f"{FIELD}.csvFrom",
        "Fix the rows, or set csvFrom.failOnWarnings to false: the others are then imported.",
    ),
)


def gateway_code(error: Exception) -> str:
    """The error code of API Gateway; empty without a response."""
    return code_and_message(error)[0]


def is_stage_gone(error: Exception) -> bool:
    """Whether UpdateUsagePlan was to remove a stage that the plan does not have."""
    code, message = code_and_message(error)
    return code == NOT_FOUND and "Invalid API Stage" in message


def failure_from_gateway(error: Exception) -> Failure:
    """The failure for a call; only an error response proves that nothing was done."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    if code == "AccessDeniedException":
        return Failure(
            f"API Gateway: {message}.",
            kind=FailureClass.DENIED,
            reason="AccessDenied",
            field="CredentialSource spec.aws",
            remedy=(
                "Its role needs the policy of"
                " examples/api-gateway-for-a-partner/permissions-policy.json."
            ),
            no_side_effect=True,
        )
    if is_rate_answer(error):
        return Failure(
            f"API Gateway: {code}: {message}.",
            kind=FailureClass.THROTTLED,
            reason="Throttled",
            field="CredentialSource spec.aws",
            remedy=(
                "The operator slows down and tries again. API Gateway allows an account few"
                " changes a second, and one at a time: docs/api-gateway.md."
            ),
            no_side_effect=True,
            retry_after=retry_after(error),
        )
    if code == "LimitExceededException":
        return Failure(
            f"API Gateway: {message}.",
            kind=FailureClass.QUOTA,
            reason="LimitExceeded",
            field=FIELD,
            remedy="Delete unused keys or plans, or request a higher quota for the account.",
            no_side_effect=True,
        )
    if code in {"BadRequestException", NOT_FOUND, CONFLICT}:
        return _mistake(code, message)
    failure = failure_from_session(error)
    failure.no_side_effect = 400 <= http_status(error) < 500
    return failure


def _mistake(code: str, message: str) -> Failure:
    found = next(
        (row for row in _MISTAKES if row.words in message and row.code in {"", code}), None
    )
    if found is not None:
        return Failure(
            f"API Gateway: {message}.",
            kind=FailureClass.CONFIGURATION,
            reason=found.reason,
            field=found.field,
            remedy=found.remedy,
            no_side_effect=True,
        )
    # A resource that was just deleted, or created by another client, may differ in the next
    # attempt.
    mistake = code == "BadRequestException"
    return Failure(
        f"API Gateway: {code}: {message}.",
        kind=FailureClass.CONFIGURATION if mistake else FailureClass.TRANSIENT,
        reason=code.removesuffix("Exception"),
        field=FIELD,
        remedy="Correct the value to what API Gateway says of it."
        if mistake
        else "Another program changed keys or plans at this moment; looked at again and retried.",
        no_side_effect=True,
    )


def no_such_plan(what: str, *, field: str) -> Failure:
    """The failure for a plan that does not exist."""
    return Failure(
        f"there is no usage plan {what} in this account and region.",
        kind=FailureClass.CONFIGURATION,
        reason="UsagePlanNotFound",
        field=field,
        remedy="Make it, name another one, or let it be made: usagePlan.create.",
        no_side_effect=True,
    )


def ambiguous_plan(name: str, *, ids: list[str], field: str) -> Failure:
    """The failure for a plan name that is not unique."""
    return Failure(
        f"{len(ids)} usage plans are named {name}: {', '.join(ids)}.",
        kind=FailureClass.CONFIGURATION,
        reason="UsagePlanAmbiguous",
        field=f"{field}.name",
        remedy="Name the one that is meant by its id.",
        no_side_effect=True,
    )


def not_our_plan(name: str, *, plan_id: str, owner: str, field: str) -> Failure:
    """The failure for an existing plan of the name that was not created for this grant."""
    whose = f"belongs to ApiKeyGrant {owner}" if owner else "was not made by Keywright"
    return Failure(
        f"the usage plan {name} ({plan_id}) {whose}; it was left alone.",
        kind=FailureClass.CONFIGURATION,
        reason="UsagePlanNotOurs",
        field=f"{field}.create.name",
        remedy="Choose another name, or use that plan without touching it: usagePlan.id.",
        no_side_effect=True,
    )


def stage_in_two_plans(stage: str, *, plans: list[str], field: str) -> Failure:
    """The failure for two plans of a stage: a key may be in one (API Gateway's developer guide)."""
    return Failure(
        f"stage {stage} is in more than one of the plans of this key: {', '.join(plans)}.",
        kind=FailureClass.CONFIGURATION,
        reason="StageInTwoPlans",
        field=field,
        remedy="A key has one plan for a stage: leave one of them out, or take the stage off it.",
        no_side_effect=True,
    )


def value_invalid(why: str, *, field: str) -> Failure:
    """The failure for a value in the Secret that API Gateway does not accept."""
    return Failure(
        f"the value {why}.",
        kind=FailureClass.CONFIGURATION,
        reason="ValueInvalid",
        field=field,
        remedy="Put 20 to 128 letters, digits or plain signs into the Secret, without blanks.",
        no_side_effect=True,
    )


def value_taken(key_id: str, *, field: str) -> Failure:
    """The failure for a value that another key has: API Gateway requires unique values."""
    return Failure(
        f"the value is that of API key {key_id}, which was not made for this grant.",
        kind=FailureClass.CONFIGURATION,
        reason="ValueTaken",
        field=field,
        remedy="Put another value into the Secret, or delete that key.",
        no_side_effect=True,
    )


def file_invalid(why: str, *, field: str) -> Failure:
    """The failure for a Secret that contains no valid file of keys."""
    return Failure(
        f"the file of keys cannot be read: {why}.",
        kind=FailureClass.CONFIGURATION,
        reason="FileInvalid",
        field=field,
        remedy="Write a line of column names, Name and Key at least, and a line for each key.",
        no_side_effect=True,
    )


def rows_refused(rows: list[str], *, none: bool) -> Failure:
    """The failure for rows that cannot be imported, if they block the others or there are none."""
    found = "; ".join(rows) or "it has no rows"
    start = "the file has no key that can be imported" if none else "rows cannot be imported"
    return Failure(
        f"{start}: {found}.",
        kind=FailureClass.CONFIGURATION,
        reason="ImportWarnings",
        field=f"{FIELD}.csvFrom",
        remedy="Fix the rows."
        if none
        else "Fix the rows, or set csvFrom.failOnWarnings to false: the others are then imported.",
        no_side_effect=True,
    )
