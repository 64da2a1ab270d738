"""The errors of Alibaba Cloud: one function for each, with code, status and message.

Codes and messages are from public reports and the vendor's documentation; [U] marks a guess without
any source. The status of most is a guess too: 400 for an invalid request, 403 for a missing
permission, 404 for a missing resource.
"""

from __future__ import annotations

from testbed.clouds.errors import CloudError

# --- the request and its signature -----------------------------------------------------------


def unknown_action() -> CloudError:
    """The API does not exist."""
    message = "Specified api is not found, please check your url and method."
    return CloudError("InvalidAction.NotFound", message, status=404)


def missing_parameter(name: str) -> CloudError:
    """A required parameter is missing."""
    return CloudError(f"Missing{name}", f"{name} is mandatory for this action.")


def invalid_parameter(name: str) -> CloudError:
    """A parameter has an invalid format."""
    return CloudError(f"InvalidParameter.{name}", f"The parameter {name} is wrongly formed.")


def unsupported(name: str) -> CloudError:
    """[U] A version, a format or a signature method that does not exist."""
    return CloudError(f"Invalid{name}", f"Specified parameter {name} is not valid.")


def incomplete_signature() -> CloudError:
    """[U] The Authorization header, or what it should cover, is incomplete."""
    message = "The request signature does not conform to Aliyun standards."
    return CloudError("IncompleteSignature", message)


def signature_mismatch(string_to_sign: str) -> CloudError:
    """The signature of an RPC request does not match; the message has the string to sign."""
    return CloudError(
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation. server string to sign is:"
        + string_to_sign,
    )


def acs3_signature_mismatch(string_to_sign: str) -> CloudError:
    """The signature in the headers of a request does not match."""
    return CloudError(
        "SignatureDoesNotMatch",
        "Specified signature does not match our calculation. server StringToSign is "
        f"[{string_to_sign}]",
    )


def nonce_used() -> CloudError:
    """The nonce was used before."""
    return CloudError("SignatureNonceUsed", "Specified signature nonce was used already.")


def time_stamp_expired() -> CloudError:
    """The time of the request is more than 15 minutes away."""
    message = "Specified time stamp or date value is expired."
    return CloudError("InvalidTimeStamp.Expired", message)


def time_stamp_format() -> CloudError:
    """The time of the request is invalid."""
    message = "Specified time stamp or date value is not well formatted."
    return CloudError("InvalidTimeStamp.Format", message)


def throttled() -> CloudError:
    """More calls than the account may make."""
    return CloudError("Throttling.User", "Request was denied due to user flow control.")


# --- access keys and sessions ----------------------------------------------------------------


def access_key_not_found() -> CloudError:
    """The access key does not exist, or was deleted."""
    message = "Specified access key is not found."
    return CloudError("InvalidAccessKeyId.NotFound", message, status=404)


def access_key_inactive() -> CloudError:
    """The access key is disabled."""
    return CloudError("InvalidAccessKeyId.Inactive", "Specified access key is disabled.")


def missing_security_token() -> CloudError:
    """The key of a session without the session's token."""
    return missing_parameter("SecurityToken")


def security_token_malformed() -> CloudError:
    """The token was never issued."""
    message = "Specified SecurityToken is malformed."
    return CloudError("InvalidSecurityToken.Malformed", message)


def security_token_mismatch() -> CloudError:
    """The token belongs to another key."""
    message = "Specified SecurityToken mismatch with the AccessKey."
    return CloudError("InvalidSecurityToken.MismatchWithAccessKey", message)


def security_token_expired() -> CloudError:
    """The session has expired."""
    return CloudError("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")


def bearer_token_refused() -> CloudError:
    """[U] The bearer token is unknown or expired."""
    message = "Specified bearer token is invalid or expired."
    return CloudError("InvalidBearerToken", message, status=403)


# --- AssumeRole ------------------------------------------------------------------------------


def root_may_not_assume() -> CloudError:
    """The account's own key requests a role."""
    message = "Roles may not be assumed by root accounts."
    return CloudError("NoPermission", message, status=403)


def not_authorized() -> CloudError:
    """The caller's policy or the role's trust policy denies it: the message does not say which."""
    message = "You are not authorized to do this action. You should be authorized by RAM."
    return CloudError("NoPermission", message, status=403)


def role_not_found(arn: str) -> CloudError:
    """The role does not exist."""
    return CloudError("EntityNotExist.Role", f"The role not exists: {arn}.", status=404)


def policy_grammar() -> CloudError:
    """The session policy is invalid."""
    message = "The parameter Policy has not passed grammar check."
    return CloudError("InvalidParameter.PolicyGrammar", message)


def policy_size(characters: int) -> CloudError:
    """[U] The session policy is too long."""
    message = f"The size of Policy must be smaller than {characters} bytes."
    return CloudError("InvalidParameter.PolicySize", message)


def duration(longest_seconds: int) -> CloudError:
    """The duration is below 15 minutes or above the role's maximum."""
    message = f"The Min/Max value of DurationSeconds is 15min/{longest_seconds / 3600:g}hr."
    return CloudError("InvalidParameter.DurationSeconds", message)


# --- AssumeRoleWithOIDC ----------------------------------------------------------------------


def oidc_token_expired() -> CloudError:
    """The token has expired."""
    return _oidc("Expired", "This JsonWebToken is expired.")


def oidc_audience() -> CloudError:
    """The audience is not a client ID of the provider."""
    return _oidc("AudienceNotMatch", "Invalid audience.")


def oidc_issuer() -> CloudError:
    """The token has another issuer."""
    return _oidc(
        "IssuerNotMatch",
        "The issuer in the OIDC Token doesn't match the OIDC Provider registered.",
    )


def oidc_issuer_broken(issuer: str) -> CloudError:
    """The issuer or its JWKS is unreachable, or has no key with the token's ID."""
    return _oidc(
        "IssuerConfigurationBroken",
        f"Get public keys from OIDC Provider failed, the issuer is {issuer}.",
    )


def oidc_token_invalid() -> CloudError:
    """[U] Not a token."""
    return _oidc("Invalid", "This JsonWebToken is invalid.")


def oidc_signature_invalid() -> CloudError:
    """The token is not signed with the issuer's key."""
    return _oidc("InvalidSignature", "OIDC token validate failed: invalid signature.")


def oidc_url_invalid() -> CloudError:
    """The certificate of the issuer is not one that Alibaba Cloud trusts."""
    return _oidc("HttpsUrlInvalid", "The root ca certificate is not in ca whitelist of this url")


def no_oidc_provider() -> CloudError:
    """The account has no such provider."""
    message = "No such OIDC Provider registered."
    return CloudError("AuthenticationFail.NoPermission", message, status=401)


def oidc_provider_malformed() -> CloudError:
    """The ARN of the provider is invalid."""
    message = "Parameter OIDCProviderArn is not valid"
    return CloudError("AuthenticationFail.NoPermission", message, status=401)


def oidc_not_trusted() -> CloudError:
    """The role's trust policy does not match the token."""
    message = "There is no permission."
    return CloudError("AuthenticationFail.NoPermission", message, status=401)


def _oidc(kind: str, message: str) -> CloudError:
    return CloudError(f"AuthenticationFail.OIDCToken.{kind}", message, status=401)


# --- other services --------------------------------------------------------------------------


def not_permitted() -> CloudError:
    """RAM denies a call of ECS."""
    message = (
        "User not authorized to operate on the specified resource, or this API doesn't support RAM."
    )
    return CloudError("Forbidden.RAM", message, status=403)
