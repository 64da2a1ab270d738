"""How IAM says no, told so that a person knows what to change."""

from __future__ import annotations

from keywright.clouds.aws.refusals import code_and_message, http_status, refusal_of_session
from keywright.planning.failures import Failure, FailureClass

NO_SUCH_ENTITY = "NoSuchEntity"
ACCESS_DENIED = "AccessDenied"
ALREADY_EXISTS = "EntityAlreadyExists"

_FIELD = "spec.bedrockLongTermKey"
# Somebody else is at it, or IAM has not heard of it everywhere yet.
_PASSING = {"ConcurrentModification", "DeleteConflict", ALREADY_EXISTS}
_MISTAKES = {"MalformedPolicyDocument", "ValidationError", "InvalidInput", "LimitExceeded"}


def iam_code(error: Exception) -> str:
    """IAM's word for what is wrong; empty where there was no answer."""
    return code_and_message(error)[0]


def refusal_of_iam(error: Exception, *, user: str) -> Failure:
    """A call about a user did not succeed.

    Only an answer that refuses tells for certain that nothing was done.
    """
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    refused = 400 <= http_status(error) < 500
    if code == ACCESS_DENIED:
        return Failure(
            f"AWS IAM: {message}.",
            kind=FailureClass.DENIED,
            reason=code,
            field="CredentialSource spec.aws",
            cure=(
                f"Its role needs the policy of examples/bedrock-long-term/permissions-policy.json"
                f" for user {user}."
            ),
            nothing_done=True,
        )
    if code == "LimitExceeded" and "ServiceSpecificCredentials" in message:
        return Failure(
            f"AWS IAM: {message}.",
            kind=FailureClass.QUOTA,
            reason="KeyLimitReached",
            field=f"{_FIELD}.user",
            nothing_done=True,
        )
    if code in _MISTAKES:
        return Failure(
            f"AWS IAM: {message}.",
            kind=FailureClass.CONFIGURATION,
            reason=code,
            field=_FIELD,
            nothing_done=True,
        )
    if code in _PASSING:
        return Failure(
            f"AWS IAM: {code}: {message}.",
            kind=FailureClass.RETRY,
            reason=code,
            nothing_done=True,
        )
    failure = refusal_of_session(error)
    failure.nothing_done = refused
    return failure


def no_such_user(name: str, *, created: bool) -> Failure:
    """The user is not there: yet, where it is ours to make; else a person must."""
    if created:
        return Failure(
            f"IAM does not show user {name} everywhere yet.",
            kind=FailureClass.RETRY,
            reason="UserNotShownYet",
            nothing_done=True,
        )
    return Failure(
        f"there is no IAM user {name}.",
        kind=FailureClass.CONFIGURATION,
        reason="UserNotFound",
        field=f"{_FIELD}.user.name",
        cure="Create it, name another one, or set user.create to true.",
        nothing_done=True,
    )


def not_our_user(name: str, *, owner: str) -> Failure:
    """A user of that name exists and was not made for this grant."""
    whose = f"belongs to ApiKeyGrant {owner}" if owner else "was not made by Keywright"
    return Failure(
        f"the IAM user {name} {whose}; it was left alone.",
        kind=FailureClass.CONFIGURATION,
        reason="UserNotOurs",
        field=f"{_FIELD}.user",
        cure="Name another user, or set user.create to false to use it without touching it.",
        nothing_done=True,
    )
