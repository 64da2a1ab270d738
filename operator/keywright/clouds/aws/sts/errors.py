"""Convert errors of STS to failures that name what to change.

The codes and messages are STS's own; for a rejected token, the message shows its issuer, audience
and subject (never the token), with the trust policy that would accept it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from keywright.api.aws_source import AwsHop, AwsSource
from keywright.api.errors import Failure, FailureClass
from keywright.clouds.aws.error_codes import (
    clock_fault,
    code_and_message,
    common_failure,
    is_clock_fault,
    retry_after,
)
from keywright.clouds.identity_tokens import TokenFacts

# Why AWS rejects a static key.
_WRONG_KEYS = {
    "InvalidClientTokenId": "this one was deleted, made inactive, or lacks its session token",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id",
    "ExpiredToken": "its session token has ended",
}
_WEB_IDENTITY: Final = "CredentialSource spec.aws.webIdentity"
# The parameter in "Value ... at 'roleSessionName' failed to satisfy constraint", and its field.
_PARAMETER: Final = re.compile(r"at '(\w+)")
_PARAMETER_FIELDS: Final = {
    "roleArn": "roleArn",
    "roleSessionName": "sessionName",
    "durationSeconds": "sessionDuration",
    "policy": "policy",
    "policyArns": "policyArns",
    "tags": "sessionTags",
    "transitiveTagKeys": "transitiveTagKeys",
    "externalId": "externalId",
    "sourceIdentity": "sourceIdentity",
}
# AWS does not say whether a role is missing or refuses the caller.
_SPELLING: Final = "First check the spelling of the role in roleArn."
_HOP_FIELDS: Final = frozenset({"sessionTags", "transitiveTagKeys", "externalId", "sourceIdentity"})


def trust_policy(token: TokenFacts, *, role_arn: str) -> str:
    """The trust policy of a role that would accept the token, as JSON."""
    host = token.issuer.removeprefix("https://").rstrip("/")
    partition, account = role_arn.split(":")[1], role_arn.split(":")[4]
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {
                        "Federated": f"arn:{partition}:iam::{account}:oidc-provider/{host}"
                    },
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {
                            f"{host}:aud": token.audience,
                            f"{host}:sub": token.subject,
                        }
                    },
                }
            ],
        }
    )


def failure_from_token(error: Exception, *, token: TokenFacts, role_arn: str) -> Failure:
    """The failure for AssumeRoleWithWebIdentity."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    described = token.describe()
    match code:
        case "AccessDenied":
            return Failure(
                f"AWS STS: {message} (role {role_arn}; token {described}).",
                kind=FailureClass.DENIED,
                reason="AccessDenied",
                field=f"{_WEB_IDENTITY}.roleArn",
                remedy=(
                    f"{_SPELLING} If it is correct, create the role, or let its trust policy accept"
                    f" this token: {trust_policy(token, role_arn=role_arn)}"
                ),
            )
        case "InvalidIdentityToken":
            return _invalid_token(message, token=token, role_arn=role_arn)
        case "ExpiredTokenException":
            return Failure(
                f"AWS STS: {message}.",
                kind=FailureClass.TRANSIENT,
                reason="ExpiredToken",
                field=_WEB_IDENTITY,
                remedy=(
                    "The token was made seconds ago: check the clocks of the API server's nodes."
                ),
            )
        case "IDPRejectedClaim":
            return Failure(
                f"AWS STS: {code}: {message} (token {described}).",
                kind=FailureClass.DENIED,
                reason=code,
                field=f"{_WEB_IDENTITY}.serviceAccountRef",
                remedy=(
                    "The issuer rejected a claim of the token, or the token was revoked: check that"
                    " the ServiceAccount exists and that the IAM OIDC provider is of this cluster."
                ),
            )
        case "IDPCommunicationError":
            return Failure(
                f"AWS STS: {code}: {message} (token {described}).",
                kind=FailureClass.TRANSIENT,
                reason="CloudError",
                field=_WEB_IDENTITY,
                remedy=f"Tried again. If this stays, STS cannot reach {token.issuer}: it must be"
                " public and answer.",
            )
        case _:
            return _of_request(code, message, field=_WEB_IDENTITY)


def failure_from_hop(
    error: Exception, *, aws: AwsSource, number: int, caller: str, field: str
) -> Failure:
    """The failure for AssumeRole by a session; the remedy has both policies to paste."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    hop, actions = aws.assume_roles[number], aws.hop_actions(number)
    match code:
        case "AccessDenied":
            return Failure(
                f"AWS STS: {message}.",
                kind=FailureClass.DENIED,
                reason="AccessDenied",
                field=f"{field}.roleArn",
                remedy=(
                    f"{_SPELLING} If it is correct, the caller's role needs this policy:"
                    f" {_permission(hop, actions)} and {hop.role_arn} this trust policy:"
                    f" {_trust(hop, actions, caller=caller)}"
                ),
            )
        case _:
            return _of_request(code, message, field=field)


def _of_request(code: str, message: str, *, field: str) -> Failure:
    """The failure for parameters of AssumeRole or AssumeRoleWithWebIdentity, or a common one.

    `field` is the part of the source that the parameters come from.
    """
    reason = code
    match code:
        case "ValidationError" if "DurationSeconds" in message:
            reason, part = "SessionDurationTooLong", "sessionDuration"
            remedy = "Set it to the role's maximum session duration, or raise that."
        case "MalformedPolicyDocument":
            part, remedy = "policy", "Correct the session policy."
        case "PackedPolicyTooLarge" if "tags" in message:
            part = "sessionTags"
            remedy = (
                "Shorten or remove session tags: AWS packs keys and values, and counts the"
                " transitive tags of the sessions before this role as well."
            )
        case "PackedPolicyTooLarge":
            part, remedy = "policy", "Correct or shorten the session policy and tags."
        case "InvalidParameterValue" if "transitive" in message:
            part = "transitiveTagKeys"
            remedy = (
                "Name keys of sessionTags, and none that a session before this role passes on"
                " already."
            )
        case "InvalidParameterValue":
            part = "sessionTags"
            remedy = "Correct the session tags: AWS compares their keys without regard to case."
        case "ValidationError":
            named = _PARAMETER.search(message)
            part = _PARAMETER_FIELDS.get(named[1], "") if named else "roleArn"
            remedy = "Correct the value to what AWS says of it."
        case _:
            return common_failure(code, message)
    if part in (_HOP_FIELDS if field == _WEB_IDENTITY else {"sessionName"}):
        part = ""
    return Failure(
        f"AWS STS: {message}.",
        kind=FailureClass.CONFIGURATION,
        reason=reason,
        field=f"{field}.{part}" if part else field,
        remedy=remedy,
    )


def _permission(hop: AwsHop, actions: list[str]) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": hop.role_arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _trust(hop: AwsHop, actions: list[str], *, caller: str) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": _principal(caller)},
        "Action": actions,
    }
    if hop.external_id is not None or hop.external_id_from is not None:
        external_id = hop.external_id or "<the external id of the source's Secret>"
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _principal(caller: str) -> str:
    """The role of a session, which trust policies name; a user is named directly."""
    parts = caller.split(":", 5)
    if not parts[-1].startswith("assumed-role/"):
        return caller
    role = parts[-1].split("/")[1]
    return f"arn:{parts[1]}:iam::{parts[4]}:role/{role}"


def failure_from_session(error: Exception) -> Failure:
    """The failure for a call that was signed with a session."""
    if isinstance(error, Failure):
        return error
    failure = common_failure(*code_and_message(error))
    failure.retry_after = retry_after(error)
    return failure


def failure_from_key(error: Exception, *, secret: str, field: str) -> Failure:
    """The failure for a call that was signed with a key from a Secret."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    if is_clock_fault(code, message):
        return clock_fault(code, message)
    if code not in _WRONG_KEYS:
        return common_failure(code, message)
    return Failure(
        f"AWS STS: {message} (the access key in Secret {secret}).",
        kind=FailureClass.DENIED,
        reason=code,
        field=field,
        remedy=(
            f"Put a live key into the Secret ({_WRONG_KEYS[code]}); a change is noticed at once."
        ),
    )


def _invalid_token(message: str, *, token: TokenFacts, role_arn: str) -> Failure:
    account = role_arn.split(":")[4]
    field = _WEB_IDENTITY
    kind = FailureClass.CONFIGURATION
    if "audience" in message:
        field = f"{_WEB_IDENTITY}.serviceAccountRef.audiences"
        remedy = (
            f"Set audiences to a client id of the IAM OIDC provider, or add {token.audience} to it."
        )
    elif "No OpenIDConnect provider" in message:
        remedy = f"Create an IAM OIDC provider for {token.issuer} in account {account}."
    elif "thumbprint" in message:
        host = token.issuer.removeprefix("https://").rstrip("/")
        remedy = (
            f"The HTTPS certificate of {token.issuer} has changed: add the thumbprint of its top CA"
            f" to the IAM OIDC provider {host} of account {account}"
            " (aws iam update-open-id-connect-provider-thumbprint)."
        )
    elif "verification key" in message:
        kind = FailureClass.TRANSIENT
        remedy = f"{token.issuer} must be public and publish its keys; tried again."
    else:
        remedy = "Check the issuer of the cluster's ServiceAccount tokens."
    return Failure(
        f"AWS STS: {message} (token {token.describe()}).",
        kind=kind,
        reason="InvalidIdentityToken",
        field=field,
        remedy=remedy,
    )
