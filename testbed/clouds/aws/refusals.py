"""The errors of AWS: one function for each, with code, status and message.

The messages are from public reports of such errors and the SDKs' service models; [U] marks a guess
without any source.
"""

from __future__ import annotations

from testbed.clouds.errors import CloudError

# --- AssumeRoleWithWebIdentity ---------------------------------------------------------------


def not_authorized_for_web_identity() -> CloudError:
    """The role is missing, or its trust policy does not match: AWS does not say which."""
    return CloudError(
        "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", status=403
    )


def invalid_identity_token(message: str) -> CloudError:
    """The token was not accepted, with the given message."""
    return CloudError("InvalidIdentityToken", message)


def no_provider(issuer: str) -> CloudError:
    """The role's account has no IAM OIDC provider for the token's issuer."""
    return invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}")


def no_verification_key() -> CloudError:
    """The issuer or its JWKS is unreachable, or has no key with the token's ID."""
    return invalid_identity_token(
        "Couldn't retrieve verification key from your identity provider,  please reference "
        "AssumeRoleWithWebIdentity documentation for requirements"
    )


def token_not_validated() -> CloudError:
    """The token's signature does not match; message of the API reference, [U] in reality."""
    return invalid_identity_token(
        "The web identity token that was passed could not be validated by Amazon Web Services. "
        "Get a new identity token from the identity provider and then retry the request."
    )


def identity_token_expired(*, now: float, expired: int) -> CloudError:
    """The web identity token is past its `exp`."""
    return CloudError(
        "ExpiredTokenException",
        f"Token expired: current date/time {int(now)} must be before the "
        f"expiration date/time{expired}",
    )


def identity_token_too_old(*, issued: int) -> CloudError:
    """The web identity token was issued too long ago, regardless of its `exp` [R]."""
    return CloudError("ExpiredTokenException", f"Token too old: {issued}")


def thumbprint_mismatch() -> CloudError:
    """The certificate of the issuer is not the one registered in the provider [R]."""
    return invalid_identity_token(
        "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
    )


def region_disabled(account: str) -> CloudError:
    """STS is disabled for the account in this region [R]."""
    return CloudError(
        "RegionDisabledException",
        f"STS is not activated in this region for account:{account}. Your account administrator "
        "can activate STS in this region using the IAM Console.",
        status=403,
    )


def validation(message: str) -> CloudError:
    """A parameter violates the format or the range in the model."""
    return CloudError("ValidationError", message)


def constraint(name: str, value: object, demand: str) -> CloudError:
    """The message of every AWS query service for a violated constraint."""
    return validation(
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
        f"constraint: Member must {demand}"
    )


def constraint_without_value(name: str, demand: str) -> CloudError:
    """The same message as IAM writes it for some members [R]."""
    return validation(
        f"1 validation error detected: Value at '{name}' failed to satisfy "
        f"constraint: Member must {demand}"
    )


def malformed_policy(message: str = "Syntax errors in policy.") -> CloudError:
    """A policy document is invalid."""
    return CloudError("MalformedPolicyDocument", message)


# --- AssumeRole ------------------------------------------------------------------------------


def may_not_assume(*, principal: str, action: str, role_arn: str) -> CloudError:
    """The caller's policies or the role's trust policy do not allow it, or there is no role [R]."""
    return CloudError(
        "AccessDenied",
        f"User: {principal} is not authorized to perform: {action} on resource: {role_arn}",
        status=403,
    )


def chained_too_long() -> CloudError:
    """A session requests a session of more than an hour [R]."""
    return validation(
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
        "chaining."
    )


def duration_exceeds_maximum() -> CloudError:
    """More than the role allows [K]."""
    return validation(
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )


def duplicate_tag_keys() -> CloudError:
    """Two session tags whose keys are equal, or differ only in case [K]."""
    return CloudError(
        "InvalidParameterValue",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )


def transitive_tag_missing() -> CloudError:
    """A transitive key that is not a tag of the request. [U] the message."""
    return CloudError(
        "InvalidParameterValue",
        "The specified transitive tag key must be included in the requested tags.",
    )


def transitive_tag_conflict() -> CloudError:
    """A tag that the calling session passes on cannot be changed. [U] the message."""
    return CloudError(
        "InvalidParameterValue",
        "One of the specified transitive tag keys can't be set because it conflicts with a "
        "transitive tag key from the calling session.",
    )


def source_identity_already_set() -> CloudError:
    """The calling session has another source identity. [U] code and message."""
    return CloudError(
        "AccessDenied",
        "The source identity of the calling session is already set and cannot be changed.",
        status=403,
    )


def packed_policy_too_large(percent: int, *, what: str = "session policies") -> CloudError:
    """Session policies, or session tags, exceed the packed size [R]."""
    return CloudError(
        "PackedPolicyTooLarge", f"Packed size of {what} consumes {percent}% of allotted space."
    )


# --- authentication of a signed call ---------------------------------------------------------


def missing_authentication() -> CloudError:
    """No signature at all."""
    return CloudError(
        "MissingAuthenticationToken", "Request is missing Authentication Token", status=403
    )


def incomplete_signature(message: str) -> CloudError:
    """An Authorization header that lacks a part."""
    return CloudError("IncompleteSignature", message, status=400)


def unknown_access_key() -> CloudError:
    """The access key does not exist, or its session token is not the one issued with it."""
    return CloudError(
        "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
    )


def session_expired() -> CloudError:
    """The session has expired."""
    return CloudError(
        "ExpiredToken", "The security token included in the request is expired", status=403
    )


def signature_does_not_match(message: str | None = None) -> CloudError:
    """The signature does not match; also for a wrong scope and for a clock skew."""
    return CloudError(
        "SignatureDoesNotMatch",
        message
        or "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation "
        "for details.",
        status=403,
    )


def not_authorized(*, principal: str, action: str, resource: str, reason: str) -> CloudError:
    """The principal's policies do not allow the action."""
    return CloudError(
        "AccessDenied",
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} "
        f"{reason}",
        status=403,
    )


def unknown_action(action: str, *, version: str) -> CloudError:
    """An action that the emulator, or AWS, does not support."""
    return CloudError(
        "InvalidAction", f"Could not find operation {action} for version {version}", status=400
    )


def rate_exceeded() -> CloudError:
    """More calls than the account may make [K]."""
    return CloudError("Throttling", "Rate exceeded")


# --- IAM -------------------------------------------------------------------------------------


def no_such_entity(message: str) -> CloudError:
    """No resource of that name [K]."""
    return CloudError("NoSuchEntity", message, status=404)


def entity_already_exists(message: str) -> CloudError:
    """The name is in use [K]."""
    return CloudError("EntityAlreadyExists", message, status=409)


def limit_exceeded(quota: str, limit: int) -> CloudError:
    """The quota is exceeded [R]."""
    return CloudError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}", status=409)


def inline_too_large(user: str, *, limit: int) -> CloudError:
    """The inline policies of a user are too long in total [R]."""
    return CloudError(
        "LimitExceeded",
        f"Maximum policy size of {limit} bytes exceeded for user {user}",
        status=409,
    )


def delete_conflict(demand: str) -> CloudError:
    """The resource still has dependents [K]."""
    return CloudError("DeleteConflict", f"Cannot delete entity, {demand}", status=409)


def policy_not_attachable() -> CloudError:
    """AWS's own policies of service roles cannot be attached to users [K]; the message is [U]."""
    return CloudError(
        "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer User."
    )


def invalid_user_name() -> CloudError:
    """An invalid character in a user name [R]."""
    return validation(
        "The specified value for userName is invalid. It must contain only alphanumeric characters "
        "and/or the following: +=,.@_-"
    )


def invalid_path() -> CloudError:
    """An invalid path [R]."""
    return validation(
        "The specified value for path is invalid. It must begin and end with / and contain only "
        "alphanumeric characters and/or / characters."
    )


def user_name_missing() -> CloudError:
    """A session has no user that the call could refer to [R]."""
    return validation("Must specify userName when calling with non-User credentials")


def duplicate_iam_tag_keys() -> CloudError:
    """Two tags whose keys are equal, or differ only in case [K]."""
    return CloudError(
        "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    )


# --- Bedrock ---------------------------------------------------------------------------------


def bearer_token_invalid() -> CloudError:
    """A key of another region, a modified or an unknown one."""
    return CloudError(
        "AccessDeniedException",
        "Authentication failed: Please make sure your API Key is valid.",
        status=403,
    )


def bearer_token_format() -> CloudError:
    """A bearer token without the prefix of a Bedrock key [R]."""
    return CloudError(
        "AccessDeniedException",
        "Invalid API Key format: Must start with pre-defined prefix",
        status=403,
    )


def bearer_token_expired() -> CloudError:
    """A genuine key that has expired, or whose session has."""
    return CloudError("AccessDeniedException", "Bearer Token has expired", status=403)


def unknown_model() -> CloudError:
    """The model does not exist in this region."""
    return CloudError("ValidationException", "The provided model identifier is invalid.")
