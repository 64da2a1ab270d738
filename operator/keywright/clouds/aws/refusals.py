"""How AWS says no, told so that a person knows what to change.

The codes and words are STS's own; a refused token is told by its issuer, audience and subject
(never the token), with the trust policy that would accept it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from keywright.api.aws_source import AwsHop
from keywright.clouds.http import NoAnswerError
from keywright.clouds.identity_tokens import TokenFacts
from keywright.clouds.scrubbing import condition_reason, scrubbed
from keywright.planning.failures import Failure, FailureClass

THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
}
# Why AWS does not take a static key.
_WRONG_KEYS = {
    "InvalidClientTokenId": "this one was deleted, made inactive, or lacks its session token",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id",
    "ExpiredToken": "its session token has ended",
}
# What the clouds' error codes are made of.
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._:-]{0,127}")
_PASSING = {"IDPCommunicationError", "ServiceUnavailable", "InternalFailure", "InternalError"}


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


def refusal_of_token(error: Exception, *, token: TokenFacts, role_arn: str) -> Failure:
    """AssumeRoleWithWebIdentity did not succeed."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    told = token.told()
    match code:
        case "AccessDenied":
            return Failure(
                f"AWS STS: {message} (role {role_arn}; token {told}).",
                kind=FailureClass.DENIED,
                reason="AccessDenied",
                field="CredentialSource spec.aws.webIdentity",
                cure=(
                    "The role is missing, or its trust policy does not accept this token;"
                    f" a trust policy that does: {trust_policy(token, role_arn=role_arn)}"
                ),
            )
        case "InvalidIdentityToken":
            return _invalid_token(message, token=token, role_arn=role_arn)
        case "ExpiredTokenException":
            return Failure(
                f"AWS STS: {message}.",
                kind=FailureClass.RETRY,
                reason="ExpiredToken",
                cure="The token was made seconds ago: check the clocks of the API server's nodes.",
            )
        case "ValidationError" if "DurationSeconds" in message:
            return Failure(
                f"AWS STS: {message}",
                kind=FailureClass.CONFIGURATION,
                reason="SessionDurationTooLong",
                field="CredentialSource spec.aws.webIdentity.sessionDuration",
                cure="Set it to the role's maximum session duration, or raise that.",
            )
        case "MalformedPolicyDocument" | "PackedPolicyTooLarge":
            return Failure(
                f"AWS STS: {message}",
                kind=FailureClass.CONFIGURATION,
                reason=code,
                field="CredentialSource spec.aws.webIdentity.policy",
                cure="Correct or shorten the session policy.",
            )
        case "ValidationError":
            return Failure(
                f"AWS STS: {message}",
                kind=FailureClass.CONFIGURATION,
                reason="ValidationError",
                field="CredentialSource spec.aws.webIdentity",
            )
        case _:
            return _common(code, message)


def refusal_of_hop(error: Exception, *, hop: AwsHop, caller: str, field: str) -> Failure:
    """AssumeRole by a session did not succeed; the cure has both policies to paste."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    match code:
        case "AccessDenied":
            return Failure(
                f"AWS STS: {message}.",
                kind=FailureClass.DENIED,
                reason="AccessDenied",
                field=f"{field}.roleArn",
                cure=(
                    f"The caller's role needs this policy: {_permission(hop)}"
                    f" and {hop.role_arn} this trust policy: {_trust(hop, caller=caller)}"
                ),
            )
        case "ValidationError" if "DurationSeconds" in message:
            return Failure(
                f"AWS STS: {message}",
                kind=FailureClass.CONFIGURATION,
                reason="SessionDurationTooLong",
                field=f"{field}.sessionDuration",
                cure="Set it to the role's maximum session duration, or raise that.",
            )
        case "MalformedPolicyDocument" | "PackedPolicyTooLarge":
            return Failure(
                f"AWS STS: {message}",
                kind=FailureClass.CONFIGURATION,
                reason=code,
                field=f"{field}.policy",
                cure="Correct or shorten the session policy and tags.",
            )
        case _:
            return _common(code, message)


def _actions(hop: AwsHop) -> list[str]:
    actions = ["sts:AssumeRole"]
    if hop.session_tags or hop.transitive_tag_keys:
        actions.append("sts:TagSession")
    if hop.source_identity:
        actions.append("sts:SetSourceIdentity")
    return actions


def _permission(hop: AwsHop) -> str:
    statement = {"Effect": "Allow", "Action": _actions(hop), "Resource": hop.role_arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _trust(hop: AwsHop, *, caller: str) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": _principal(caller)},
        "Action": _actions(hop),
    }
    if hop.external_id is not None or hop.external_id_from is not None:
        external_id = hop.external_id or "<the external id of the source's Secret>"
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _principal(caller: str) -> str:
    """The role of a session, which trust policies name; a user is named as it is."""
    parts = caller.split(":", 5)
    if not parts[-1].startswith("assumed-role/"):
        return caller
    role = parts[-1].split("/")[1]
    return f"arn:{parts[1]}:iam::{parts[4]}:role/{role}"


def refusal_of_session(error: Exception) -> Failure:
    """A call that was signed with a session did not succeed."""
    if isinstance(error, Failure):
        return error
    return _common(*code_and_message(error))


def refusal_of_key(error: Exception, *, secret: str, field: str) -> Failure:
    """A call that was signed with a key out of a Secret did not succeed."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    if code not in _WRONG_KEYS:
        return _common(code, message)
    return Failure(
        f"AWS STS: {message} (the access key in Secret {secret}).",
        kind=FailureClass.DENIED,
        reason=code,
        field=field,
        cure=f"Put a live key into the Secret ({_WRONG_KEYS[code]}); a change is noticed at once.",
    )


def _invalid_token(message: str, *, token: TokenFacts, role_arn: str) -> Failure:
    account = role_arn.split(":")[4]
    field = "CredentialSource spec.aws.webIdentity"
    kind = FailureClass.CONFIGURATION
    if "audience" in message:
        field = "CredentialSource spec.aws.webIdentity.serviceAccountRef.audiences"
        cure = (
            f"Set audiences to a client id of the IAM OIDC provider, or add {token.audience} to it."
        )
    elif "No OpenIDConnect provider" in message:
        cure = f"Create an IAM OIDC provider for {token.issuer} in account {account}."
    elif "verification key" in message:
        kind = FailureClass.RETRY
        cure = f"{token.issuer} must be public and publish its keys; tried again."
    else:
        cure = "Check the issuer of the cluster's ServiceAccount tokens."
    return Failure(
        f"AWS STS: {message} (token {token.told()}).",
        kind=kind,
        reason="InvalidIdentityToken",
        field=field,
        cure=cure,
    )


def _common(code: str, message: str) -> Failure:
    if code in THROTTLED:
        return Failure(f"AWS: {code}: {message}.", kind=FailureClass.THROTTLED, reason="Throttled")
    if code in _PASSING or not code:
        return Failure(
            f"AWS: {code or 'no answer'}: {message}.", kind=FailureClass.RETRY, reason="CloudError"
        )
    kind = FailureClass.DENIED if "Denied" in code else FailureClass.RETRY
    return Failure(f"AWS: {code}: {message}.", kind=kind, reason=condition_reason(code))


def code_and_message(error: Exception) -> tuple[str, str]:
    """Of a botocore exception; what looks like a credential or a token is cut out.

    Of an exception that is neither botocore's own kind nor the system's only the name is told: that
    of a damaged answer quotes the whole of it, and a secret access key is a word like any other.
    """
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  imported after start-up

    problem = _part(_response(error), "Error")
    if not problem:
        shown = isinstance(error, BotoCoreError | OSError | NoAnswerError)
        text = f": {scrubbed(str(error))}" if shown else ""
        return "", f"{type(error).__name__}{text}"
    code = str(problem.get("Code") or "Unknown")
    if not _CODE.fullmatch(code):
        # It becomes the reason of a condition.
        code = "Unknown"
    return code, scrubbed(str(problem.get("Message") or "")).rstrip(".")


def http_status(error: Exception) -> int:
    """The status of the answer that an exception is of; 0 where there was no answer."""
    status = _part(_response(error), "ResponseMetadata").get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0


def _response(error: Exception) -> Mapping[str, Any]:
    # ConnectionClosedError, ReadTimeoutError and others have the attribute, and None in it.
    found = getattr(error, "response", None)
    return found if isinstance(found, Mapping) else {}


def _part(response: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = response.get(name)
    return found if isinstance(found, Mapping) else {}
