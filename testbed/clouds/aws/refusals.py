"""How AWS says no: one function for each refusal, with the code, the status and the words.

The words were read in public reports of such refusals and in the SDKs' service models; [U] marks a
form that was not found anywhere and is a guess.
"""

from __future__ import annotations

from testbed.clouds.errors import CloudError

# --- AssumeRoleWithWebIdentity ---------------------------------------------------------------


def not_authorized_for_web_identity() -> CloudError:
    """The role is missing, or its trust policy does not match: AWS does not tell which."""
    return CloudError(
        "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", status=403
    )


def invalid_identity_token(message: str) -> CloudError:
    """The token was not accepted, in the words given."""
    return CloudError("InvalidIdentityToken", message)


def no_provider(issuer: str) -> CloudError:
    """The role's account has no IAM OIDC provider for the token's issuer."""
    return invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}")


def no_verification_key() -> CloudError:
    """The issuer or its JWKS cannot be reached, or has no key with the token's id."""
    return invalid_identity_token(
        "Couldn't retrieve verification key from your identity provider,  please reference "
        "AssumeRoleWithWebIdentity documentation for requirements"
    )


def token_not_validated() -> CloudError:
    """The token's signature does not match; words of the API reference, [U] in a real answer."""
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
    """The web identity token was issued too long ago, whatever its `exp` says [R]."""
    return CloudError("ExpiredTokenException", f"Token too old: {issued}")


def thumbprint_mismatch() -> CloudError:
    """The certificate of the issuer is not the one that the provider was registered with [R]."""
    return invalid_identity_token(
        "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
    )


def region_disabled(account: str) -> CloudError:
    """STS is switched off for the account in this region [R]."""
    return CloudError(
        "RegionDisabledException",
        f"STS is not activated in this region for account:{account}. Your account administrator "
        "can activate STS in this region using the IAM Console.",
        status=403,
    )


def validation(message: str) -> CloudError:
    """A parameter is not of the form or the range that the model demands."""
    return CloudError("ValidationError", message)


def constraint(name: str, value: object, demand: str) -> CloudError:
    """The sentence that every query service of AWS builds for a broken constraint."""
    return validation(
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
        f"constraint: Member must {demand}"
    )


def constraint_without_value(name: str, demand: str) -> CloudError:
    """The same sentence as IAM builds it for some members [R]."""
    return validation(
        f"1 validation error detected: Value at '{name}' failed to satisfy "
        f"constraint: Member must {demand}"
    )


def malformed_policy(message: str = "Syntax errors in policy.") -> CloudError:
    """A policy document is not one."""
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
    """A session asks for a session of more than an hour [R]."""
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
    """Two session tags whose keys differ in case only, or not at all [K]."""
    return CloudError(
        "InvalidParameterValue",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )


def transitive_tag_missing() -> CloudError:
    """A transitive key that is no tag of the request. [U] the words."""
    return CloudError(
        "InvalidParameterValue",
        "The specified transitive tag key must be included in the requested tags.",
    )


def transitive_tag_conflict() -> CloudError:
    """A tag that the calling session hands on cannot be set anew. [U] the words."""
    return CloudError(
        "InvalidParameterValue",
        "One of the specified transitive tag keys can't be set because it conflicts with a "
        "transitive tag key from the calling session.",
    )


def source_identity_already_set() -> CloudError:
    """The calling session has another source identity. [U] code and words."""
    return CloudError(
        "AccessDenied",
        "The source identity of the calling session is already set and cannot be changed.",
        status=403,
    )


def packed_policy_too_large(percent: int, *, what: str = "session policies") -> CloudError:
    """Session policies, or session tags, beyond the packed size [R]."""
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
    """No such access key, or its session token is not the one given out with it."""
    return CloudError(
        "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
    )


def session_expired() -> CloudError:
    """The session is over."""
    return CloudError(
        "ExpiredToken", "The security token included in the request is expired", status=403
    )


def signature_does_not_match(message: str | None = None) -> CloudError:
    """The signature is another one; also for a wrong scope and for a clock that is off."""
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
    """An action that the emulator, or AWS, does not have."""
    return CloudError(
        "InvalidAction", f"Could not find operation {action} for version {version}", status=400
    )


def rate_exceeded() -> CloudError:
    """More calls than the account may make [K]."""
    return CloudError("Throttling", "Rate exceeded")


# --- IAM -------------------------------------------------------------------------------------


def no_such_entity(message: str) -> CloudError:
    """Nothing of that name [K]."""
    return CloudError("NoSuchEntity", message, status=404)


def entity_already_exists(message: str) -> CloudError:
    """The name is taken [K]."""
    return CloudError("EntityAlreadyExists", message, status=409)


def limit_exceeded(quota: str, limit: int) -> CloudError:
    """One more than the quota allows [R]."""
    return CloudError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}", status=409)


def inline_too_large(user: str, *, limit: int) -> CloudError:
    """The inline policies of a user together are too long [R]."""
    return CloudError(
        "LimitExceeded",
        f"Maximum policy size of {limit} bytes exceeded for user {user}",
        status=409,
    )


def delete_conflict(demand: str) -> CloudError:
    """Something still hangs on the entity [K]."""
    return CloudError("DeleteConflict", f"Cannot delete entity, {demand}", status=409)


def policy_not_attachable() -> CloudError:
    """AWS's own policies of service roles cannot be attached to users [K]; the words are [U]."""
    return CloudError(
        "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer User."
    )


def invalid_user_name() -> CloudError:
    """A letter that no user name has [R]."""
    return validation(
        "The specified value for userName is invalid. It must contain only alphanumeric characters "
        "and/or the following: +=,.@_-"
    )


def invalid_path() -> CloudError:
    """A path that is none [R]."""
    return validation(
        "The specified value for path is invalid. It must begin and end with / and contain only "
        "alphanumeric characters and/or / characters."
    )


def user_name_missing() -> CloudError:
    """A session has no user to stand for [R]."""
    return validation("Must specify userName when calling with non-User credentials")


def duplicate_iam_tag_keys() -> CloudError:
    """Two tags whose keys differ in case only, or not at all [K]."""
    return CloudError(
        "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    )


# --- Bedrock ---------------------------------------------------------------------------------


def bearer_token_invalid() -> CloudError:
    """A key of another region, tampered with, or of nobody."""
    return CloudError(
        "AccessDeniedException",
        "Authentication failed: Please make sure your API Key is valid.",
        status=403,
    )


def bearer_token_format() -> CloudError:
    """A bearer token that begins like no key of Bedrock [R]."""
    return CloudError(
        "AccessDeniedException",
        "Invalid API Key format: Must start with pre-defined prefix",
        status=403,
    )


def bearer_token_expired() -> CloudError:
    """A genuine key whose time, or whose session's time, is over."""
    return CloudError("AccessDeniedException", "Bearer Token has expired", status=403)


def unknown_model() -> CloudError:
    """No such model in this region."""
    return CloudError("ValidationException", "The provided model identifier is invalid.")
