"""The errors of API Gateway's control plane.

The messages are from public reports if marked [R], from long-standing behaviour [K], and guessed if
marked [U].
"""

from __future__ import annotations

from testbed.clouds.errors import CloudError


def not_found(message: str) -> CloudError:
    """The resource does not exist [K]."""
    return CloudError("NotFoundException", message, status=404)


def bad_request(message: str) -> CloudError:
    """An error of the caller [K]."""
    return CloudError("BadRequestException", message, status=400)


def conflict(message: str) -> CloudError:
    """The resource exists already [K]."""
    return CloudError("ConflictException", message, status=409)


def too_many_requests() -> CloudError:
    """More calls than a quota allows [R]."""
    return CloudError("TooManyRequestsException", "Too Many Requests", status=429)


def concurrent_modification(*, older_form: bool) -> CloudError:
    """Another change of the account and Region is in progress [R]; the old form has status 400."""
    message = "Unable to complete operation due to concurrent modification. Please try again later."
    return bad_request(message) if older_form else conflict(message)


def key_not_found() -> CloudError:
    """No such API key [K]."""
    return not_found("Invalid API Key identifier specified")


def plan_not_found() -> CloudError:
    """No such usage plan [K]."""
    return not_found("Invalid Usage Plan ID specified")


def value_too_short() -> CloudError:
    """Fewer than 20 characters [R]."""
    return bad_request("API Key value should be at least 20 characters")


def value_too_long() -> CloudError:
    """More than 128 characters [R]."""
    return bad_request("API Key value exceeds maximum size of 128 characters")


def value_taken() -> CloudError:
    """Another key of the account and region has the value [R]."""
    return conflict("API Key already exists")


def stage_not_found(stage: str) -> CloudError:
    """A plan names a stage that is not deployed [R]."""
    return not_found(f"API Stage not found: {stage}")


def stage_malformed() -> CloudError:
    """A patch names no stage, or not as API:STAGE [R]."""
    return bad_request("Invalid API Stage specified")


def stage_empty(api_id: str, stage: str, *, plan: str) -> CloudError:
    """A new plan has a stage without a name [R]."""
    return bad_request(
        f"Invalid API Stage {{api: {api_id}, stage: {stage}}} specified for usageplan {plan}"
    )


def stage_not_in_plan(name: str, *, plan_id: str) -> CloudError:
    """A stage is to be removed that is not in the plan [R]."""
    api_id, _, stage = name.partition(":")
    return not_found(
        f"Invalid API Stage {{api: {api_id}, stage: {stage}}} specified for usageplan {plan_id}"
    )


def plan_has_stages(plan_id: str, stage: str) -> CloudError:
    """A plan cannot be deleted while stages are attached [R]."""
    return bad_request(
        f"Cannot delete Usage Plan {plan_id} because there are API Stages associated with it, "
        f"including {stage}"
    )


def plan_has_keys(plan_id: str) -> CloudError:
    """A plan cannot be deleted while keys are attached [U]: AWS may allow it."""
    return bad_request(
        f"Cannot delete Usage Plan {plan_id} because there are API Keys associated with it"
    )


def already_in_plan() -> CloudError:
    """The key is in that plan [U]."""
    return conflict("Usage Plan Key already exists")


def already_in_stage(key_id: str, stage: str) -> CloudError:
    """The key is in another plan of the same stage [U]: only the limit of one is documented."""
    return conflict(
        f"API Key {key_id} cannot be added to the plan: it has another one for API Stage {stage}"
    )


def invalid_patch(*, op: str, path: str, paths: tuple[str, ...]) -> CloudError:
    """A patch operation on a path that does not support it [R]: two spaces, as AWS writes them."""
    return bad_request(
        f"Invalid patch path  '{path}' specified for op '{op}'. "
        f"Must be one of: [{', '.join(paths)}]"
    )
