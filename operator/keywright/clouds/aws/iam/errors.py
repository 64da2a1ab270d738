"""Convert errors of IAM to failures that name what to change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.aws.error_codes import ErrorRow, code_and_message, http_status
from keywright.clouds.aws.sts.errors import failure_from_session
from keywright.clouds.interfaces import HolderInUseError

NO_SUCH_ENTITY = "NoSuchEntity"
ACCESS_DENIED = "AccessDenied"
ALREADY_EXISTS = "EntityAlreadyExists"


@dataclass(frozen=True, slots=True)
class _Row:
    """The handling of one error of IAM: by its code, and by words of its message if not empty.

    The field of `row` is below that of the key.
    """

    code: str
    words: str
    row: ErrorRow


_KEY, _USER = "", ".user"
_RETRY, _CONFIGURATION = FailureClass.TRANSIENT, FailureClass.CONFIGURATION
_POLICY_ARNS = ".policyArns"
_AWS_SERVICE = (
    "AWS does not offer API keys of this service in this account or partition: use another kind of"
    " key, or an account that has them."
)
_CORRECT = "Correct the value to what IAM says of it."
# Code and words of the message; the first row that matches counts.
_ROWS: Final = (
    # A key is created only if the listing shows room: IAM still counts a deleted key, or does not
    # list a new one yet, and becomes consistent by itself.
    _Row(
        "LimitExceeded",
        "ServiceSpecificCredentials",
        ErrorRow(
            FailureClass.TRANSIENT,
            _USER,
            "IAM counts a deleted key for some seconds more, and may list a new one late: tried"
            " again by itself. If this stays, delete one of the keys of the user.",
            reason="KeyLimitReached",
        ),
    ),
    _Row(
        "LimitExceeded",
        "",
        ErrorRow(
            _CONFIGURATION,
            _USER,
            "Use fewer or shorter policies or tags, or have the quota of the account raised.",
        ),
    ),
    _Row(NO_SUCH_ENTITY, "is supported", ErrorRow(_CONFIGURATION, _KEY, _AWS_SERVICE)),
    _Row("NotSupportedService", "", ErrorRow(_CONFIGURATION, _KEY, _AWS_SERVICE)),
    _Row("ServiceNotSupported", "", ErrorRow(_CONFIGURATION, _KEY, _AWS_SERVICE)),
    _Row(
        NO_SUCH_ENTITY,
        "not attachable",
        ErrorRow(
            _CONFIGURATION,
            _POLICY_ARNS,
            "Name managed policies that exist: create it, or correct it.",
        ),
    ),
    _Row(
        "PolicyNotAttachable",
        "",
        ErrorRow(
            _CONFIGURATION,
            _POLICY_ARNS,
            "Name a policy for users: AWS attaches policies of service roles to no user.",
        ),
    ),
    _Row(
        NO_SUCH_ENTITY,
        "",
        ErrorRow(_RETRY, _USER, "It was deleted a moment ago, or is not shown yet; tried again."),
    ),
    _Row(
        "DeleteConflict",
        "",
        ErrorRow(
            _RETRY,
            _USER,
            "Remove from the user what others gave it (keys, groups, policies, a login profile,"
            " MFA devices); tried again.",
        ),
    ),
    _Row(
        "ConcurrentModification",
        "",
        ErrorRow(_RETRY, _USER, "Another program changes the user at this moment; tried again."),
    ),
    _Row(
        ALREADY_EXISTS,
        "",
        ErrorRow(_RETRY, _USER, "IAM does not show the user everywhere yet; tried again."),
    ),
    _Row(
        "MalformedPolicyDocument",
        "",
        ErrorRow(_CONFIGURATION, ".inlinePolicies", "Correct the policy."),
    ),
    _Row(
        "ValidationError",
        "credentialAgeDays",
        ErrorRow(_CONFIGURATION, ".expiresAfterDays", "Set 1 to 36600 days."),
    ),
    _Row("ValidationError", "", ErrorRow(_CONFIGURATION, _KEY, _CORRECT)),
    _Row("InvalidInput", "", ErrorRow(_CONFIGURATION, _KEY, _CORRECT)),
)


def iam_code(error: Exception) -> str:
    """The error code of IAM; empty without a response."""
    return code_and_message(error)[0]


def failure_from_iam(error: Exception, *, user: str, field: str = "") -> Failure:
    """The failure for a call about a user; `field` is that of the key, if there is a grant.

    Only an error response proves that nothing was done.
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
            remedy=(
                f"Its role needs the permissions that keywright explain prints, for user {user}."
            ),
            no_side_effect=True,
        )
    row = next((row for row in _ROWS if row.code == code and row.words in message), None)
    if row is not None:
        placed = replace(row.row, field=f"{field}{row.row.field}" if field else "")
        known = placed.failure(code, message, service="AWS IAM")
        known.no_side_effect = True
        return known
    failure = failure_from_session(error)
    failure.no_side_effect = refused
    return failure


def no_such_user(name: str, *, created: bool, field: str) -> Failure:
    """The failure for a missing user: transient if Keywright creates it, otherwise an error."""
    if created:
        return Failure(
            f"IAM does not show user {name} everywhere yet.",
            kind=FailureClass.TRANSIENT,
            reason="UserNotYetVisible",
            no_side_effect=True,
        )
    return Failure(
        f"there is no IAM user {name}.",
        kind=FailureClass.CONFIGURATION,
        reason="UserNotFound",
        field=f"{field}.user.name",
        remedy="Create it, name another one, or set user.create to true.",
        no_side_effect=True,
    )


def not_our_user(
    name: str, *, owner: str, field: str, unsure: bool = False, existing: bool = False
) -> Failure:
    """The failure for an existing user that was not provably created for this grant.

    `unsure`: its tag names a grant of this name, but no cluster. `existing`: it has the tags of
    this grant, but Keywright did not create it.
    """
    remedy = "Name another user, or set user.create to false to use it without touching it."
    if existing:
        remedy = (
            "If an earlier version of Keywright created it, tag it with keywright.dev/created=true."
            f" {remedy}"
        )
    elif unsure:
        remedy = (
            "It carries keys that nothing proves to be those of this cluster. If it is this"
            " cluster's, tag it with keywright.dev/cluster-id, the uid of the namespace"
            f" kube-system. {remedy}"
        )
    foreign = owner and not existing
    whose = f"belongs to ApiKeyGrant {owner}" if foreign else "was not made by Keywright"
    return Failure(
        f"the IAM user {name} {whose}; it was left alone.",
        kind=FailureClass.CONFIGURATION,
        reason="UserNotOurs",
        field=f"{field}.user",
        remedy=remedy,
        no_side_effect=True,
    )


def user_in_use(names: Iterable[str]) -> HolderInUseError:
    """The failure for created users with keys of others; those of the grant are deleted."""
    return HolderInUseError(
        f"the IAM user {', '.join(names)} was created for this grant and stays with its policies,"
        " because it has keys of others.",
        kind=FailureClass.TRANSIENT,
        reason="UserInUse",
        remedy=(
            "Delete the grants that use it, and keys that were created by hand; `keywright audit"
            " --fix` then deletes a user whose grant is deleted."
        ),
    )
