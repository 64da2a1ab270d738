"""How AWS says no: one function for each refusal, with the code, the status and the words.

The words were read in public reports of such refusals and in the SDKs' service models; [U] marks a
form that was not found anywhere and is a guess.
"""

from __future__ import annotations


class AwsError(Exception):
    """A refusal, before it takes the form of a service's protocol."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


# --- AssumeRoleWithWebIdentity ---------------------------------------------------------------


def not_authorized_for_web_identity() -> AwsError:
    """The role is missing, or its trust policy does not match: AWS does not tell which."""
    return AwsError(
        "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", status=403
    )


def invalid_identity_token(message: str) -> AwsError:
    """The token was not accepted, in the words given."""
    return AwsError("InvalidIdentityToken", message)


def no_provider(issuer: str) -> AwsError:
    """The role's account has no IAM OIDC provider for the token's issuer."""
    return invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}")


def no_verification_key() -> AwsError:
    """The issuer or its JWKS cannot be reached, or has no key with the token's id."""
    return invalid_identity_token(
        "Couldn't retrieve verification key from your identity provider, please reference "
        "AssumeRoleWithWebIdentity documentation for requirements"
    )


def token_not_validated() -> AwsError:
    """The token's signature does not match; words of the API reference, [U] in a real answer."""
    return invalid_identity_token(
        "The web identity token that was passed could not be validated by Amazon Web Services. "
        "Get a new identity token from the identity provider and then retry the request."
    )


def identity_token_expired(*, now: float, expired: int) -> AwsError:
    """The web identity token is past its `exp`."""
    return AwsError(
        "ExpiredTokenException",
        f"Token expired: current date/time {int(now)} must be before the "
        f"expiration date/time {expired}",
    )


def validation(message: str) -> AwsError:
    """A parameter is not of the form or the range that the model demands."""
    return AwsError("ValidationError", message)


def constraint(name: str, value: object, demand: str) -> AwsError:
    """The sentence that every query service of AWS builds for a broken constraint."""
    return validation(
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
        f"constraint: Member must {demand}"
    )


def malformed_policy(message: str = "Syntax errors in policy.") -> AwsError:
    """A policy document is not one."""
    return AwsError("MalformedPolicyDocument", message)


# --- AssumeRole ------------------------------------------------------------------------------


def may_not_assume(*, principal: str, action: str, role_arn: str) -> AwsError:
    """The caller's policies or the role's trust policy do not allow it, or there is no role [R]."""
    return AwsError(
        "AccessDenied",
        f"User: {principal} is not authorized to perform: {action} on resource: {role_arn}",
        status=403,
    )


def chained_too_long() -> AwsError:
    """A session asks for a session of more than an hour [R]."""
    return validation(
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
        "chaining."
    )


def duration_exceeds_maximum() -> AwsError:
    """More than the role allows [K]."""
    return validation(
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )


def duplicate_tag_keys() -> AwsError:
    """Two session tags whose keys differ in case only, or not at all [K]."""
    return AwsError(
        "InvalidParameterValue",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )


def transitive_tag_missing() -> AwsError:
    """A transitive key that is no tag of the request. [U] the words."""
    return AwsError(
        "InvalidParameterValue",
        "The specified transitive tag key must be included in the requested tags.",
    )


def transitive_tag_conflict() -> AwsError:
    """A tag that the calling session hands on cannot be set anew. [U] the words."""
    return AwsError(
        "InvalidParameterValue",
        "One of the specified transitive tag keys can't be set because it conflicts with a "
        "transitive tag key from the calling session.",
    )


def source_identity_already_set() -> AwsError:
    """The calling session has another source identity. [U] code and words."""
    return AwsError(
        "AccessDenied",
        "The source identity of the calling session is already set and cannot be changed.",
        status=403,
    )


def packed_policy_too_large(percent: int) -> AwsError:
    """Session policies beyond the packed size."""
    return AwsError(
        "PackedPolicyTooLarge",
        f"Packed size of session policies consumes {percent}% of allotted space.",
    )


# --- authentication of a signed call ---------------------------------------------------------


def missing_authentication() -> AwsError:
    """No signature at all."""
    return AwsError(
        "MissingAuthenticationToken", "Request is missing Authentication Token", status=403
    )


def incomplete_signature(message: str) -> AwsError:
    """An Authorization header that lacks a part."""
    return AwsError("IncompleteSignature", message, status=400)


def unknown_access_key() -> AwsError:
    """No such access key, or its session token is not the one given out with it."""
    return AwsError(
        "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
    )


def session_expired() -> AwsError:
    """The session is over."""
    return AwsError(
        "ExpiredToken", "The security token included in the request is expired", status=403
    )


def signature_does_not_match(message: str | None = None) -> AwsError:
    """The signature is another one; also for a wrong scope and for a clock that is off."""
    return AwsError(
        "SignatureDoesNotMatch",
        message
        or "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation "
        "for details.",
        status=403,
    )


def not_authorized(*, principal: str, action: str, resource: str, reason: str) -> AwsError:
    """The principal's policies do not allow the action."""
    return AwsError(
        "AccessDenied",
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} "
        f"{reason}",
        status=403,
    )


def unknown_action(action: str, *, version: str) -> AwsError:
    """An action that the emulator, or AWS, does not have."""
    return AwsError(
        "InvalidAction", f"Could not find operation {action} for version {version}", status=400
    )


def rate_exceeded() -> AwsError:
    """More calls than the account may make [K]."""
    return AwsError("Throttling", "Rate exceeded")


# --- IAM -------------------------------------------------------------------------------------


def no_such_entity(message: str) -> AwsError:
    """Nothing of that name [K]."""
    return AwsError("NoSuchEntity", message, status=404)


def entity_already_exists(message: str) -> AwsError:
    """The name is taken [K]."""
    return AwsError("EntityAlreadyExists", message, status=409)


def limit_exceeded(quota: str, limit: int) -> AwsError:
    """One more than the quota allows [R]."""
    return AwsError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}", status=409)


def inline_too_large(user: str, *, limit: int) -> AwsError:
    """The inline policies of a user together are too long [R]."""
    return AwsError(
        "LimitExceeded",
        f"Maximum policy size of {limit} bytes exceeded for user {user}",
        status=409,
    )


def delete_conflict(demand: str) -> AwsError:
    """Something still hangs on the entity [K]; for service-specific credentials [U]."""
    return AwsError("DeleteConflict", f"Cannot delete entity, {demand}", status=409)


def invalid_user_name() -> AwsError:
    """A letter that no user name has [R]."""
    return validation(
        "The specified value for userName is invalid. It must contain only alphanumeric characters "
        "and/or the following: +=,.@_-"
    )


def invalid_path() -> AwsError:
    """A path that is none [R]."""
    return validation(
        "The specified value for path is invalid. It must begin and end with / and contain only "
        "alphanumeric characters and/or / characters."
    )


def user_name_missing() -> AwsError:
    """A session has no user to stand for [R]."""
    return validation("Must specify userName when calling with non-User credentials")


def duplicate_iam_tag_keys() -> AwsError:
    """Two tags whose keys differ in case only, or not at all [K]."""
    return AwsError(
        "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    )


# --- Bedrock ---------------------------------------------------------------------------------


def bearer_token_invalid() -> AwsError:
    """A key of another region, tampered with, or of nobody."""
    return AwsError(
        "AccessDeniedException",
        "Authentication failed: Please make sure your API Key is valid.",
        status=403,
    )


def bearer_token_expired() -> AwsError:
    """A genuine key whose time, or whose session's time, is over."""
    return AwsError("AccessDeniedException", "Bearer Token has expired", status=403)


def unknown_model() -> AwsError:
    """No such model in this region."""
    return AwsError("ValidationException", "The provided model identifier is invalid.")
