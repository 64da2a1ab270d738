"""Convert errors of Alibaba Cloud to failures that name what to change.

The codes are STS's own (the documentation of AssumeRole, AssumeRoleWithOIDC and the common errors
of RAM); one table has the class, the field and the remedy of each. For a rejected token, the
message shows its issuer, audience and subject (never the token), with the trust policy to paste.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.identity_tokens import TokenFacts
from keywright.clouds.redaction import condition_reason

_RETRY, _CONFIGURATION = FailureClass.TRANSIENT, FailureClass.CONFIGURATION
_DENIED, _THROTTLED = FailureClass.DENIED, FailureClass.THROTTLED


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The context of a request, for the remedies: `fields` by the parts of an identity.

    `secret` holds the key that signed, `token` is what was exchanged, `caller` the ARN that signed.
    """

    fields: Mapping[str, str]
    role_arn: str = ""
    provider_arn: str = ""
    secret: str = ""
    caller: str = ""
    external_id: str | None = None
    token: TokenFacts | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    kind: FailureClass
    part: str
    remedy: str
    reason: str = ""


SOURCE: Final = "CredentialSource spec.alibabaCloud"
_ENDPOINT: Final = "endpoint"
_KEY: Final = "key"
_TOKEN: Final = "token"  # noqa: S105  the name of a part
_POLICIES: Final = "role"

_UNREACHED: Final = (
    "Tried again. If this stays, check regionId and stsEndpoint, and the network, proxy and"
    " firewall between the operator and Alibaba Cloud."
)
_UNTRUSTED: Final = (
    "Tried again. Add the certificate authority of the endpoint or of the proxy to the operator's"
    " CA bundle (SSL_CERT_FILE), or correct regionId and stsEndpoint."
)
_SPELLING: Final = "First check the spelling of the role in roleArn."
_CLOCK: Final = (
    "The clock of the operator's node differs from the clock of Alibaba Cloud by more than 15"
    " minutes: correct it (NTP)."
)
# AuthenticationFail.NoPermission has one code for a malformed ARN, no provider and no trust.
_MALFORMED_PROVIDER: Final = _Row(
    _CONFIGURATION,
    "provider",
    "Correct the ARN: acs:ram::<account>:oidc-provider/<name>.",
)
# `{...}` are attributes of the context, and the policies that would allow the request.
_ROWS: Final[Mapping[str, _Row]] = {
    "AuthenticationFail.OIDCToken.Expired": _Row(
        _RETRY, _TOKEN, "The token was made seconds ago: check the clocks of the nodes."
    ),
    "AuthenticationFail.OIDCToken.AudienceNotMatch": _Row(
        _CONFIGURATION,
        "audiences",
        "Set audiences to a client id of the OIDC provider, such as [sts.aliyuncs.com], or add"
        " {audience} to the client ids of {provider_arn}.",
    ),
    "AuthenticationFail.OIDCToken.IssuerNotMatch": _Row(
        _CONFIGURATION,
        "provider",
        "Name the OIDC provider whose issuer is {issuer}: on ACK, turn RRSA on for the cluster and"
        " take the provider that it makes.",
    ),
    "AuthenticationFail.OIDCToken.IssuerConfigurationBroken": _Row(
        _RETRY, "provider", "{issuer} must be public and publish its keys; tried again."
    ),
    "AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch": _Row(
        _CONFIGURATION,
        "provider",
        "Renew the fingerprint of {provider_arn} in RAM: the certificate of {issuer} has changed.",
    ),
    "AuthenticationFail.OIDCToken.InvalidSignature": _Row(
        _DENIED,
        "provider",
        "The token is not signed with a key that {issuer} publishes: check that {provider_arn} is"
        " the provider of this cluster, and that the issuer publishes its present keys.",
    ),
    "AuthenticationFail.OIDCToken.HttpsUrlInvalid": _Row(
        _CONFIGURATION,
        "provider",
        "The HTTPS certificate of {issuer} is of no certificate authority that Alibaba Cloud"
        " trusts: use a publicly trusted certificate, or register its fingerprint in RAM.",
    ),
    "AuthenticationFail.OIDCToken.Invalid": _Row(
        _DENIED,
        "provider",
        "The issuer's published keys do not fit its tokens: check {issuer} and {provider_arn}.",
    ),
    "AuthenticationFail.NoPermission": _Row(
        _DENIED,
        "provider",
        f"{_SPELLING} If it is correct, create {{provider_arn}} in RAM if it is missing, or let the"
        " role trust this token; a trust policy that does: {trust}",
    ),
    "EntityNotExist.Role": _Row(
        _DENIED,
        _POLICIES,
        f"{_SPELLING} If it is correct, create the role; its trust policy: {{trust}}",
    ),
    "EntityNotExist.RoleName": _Row(
        _DENIED,
        _POLICIES,
        f"{_SPELLING} If it is correct, create the role; its trust policy: {{trust}}",
    ),
    "NoPermission": _Row(
        _DENIED,
        _POLICIES,
        f"{_SPELLING} If it is correct, the caller needs this policy: {{permission}}"
        " and {role_arn} this trust policy: {trust}",
    ),
    "MissingSecurityToken": _Row(
        _CONFIGURATION,
        _KEY,
        "It is the key of a session: put its ALIBABA_CLOUD_SECURITY_TOKEN into {holder} as well.",
    ),
    "InvalidAccessKeyId.NotFound": _Row(
        _DENIED, _KEY, "The key was deleted: put a live one into {holder}; noticed at once."
    ),
    "InvalidAccessKeyId.Inactive": _Row(
        _DENIED, _KEY, "Activate the key in RAM, or put a live one into {holder}."
    ),
    "SignatureDoesNotMatch": _Row(
        _DENIED, _KEY, "The secret does not belong to the key's id: correct {holder}."
    ),
    "SignatureNonceUsed": _Row(_RETRY, "", "Tried again with another nonce."),
    "InvalidTimeStamp.Expired": _Row(_RETRY, "", _CLOCK, reason="ClockSkew"),
    "InvalidTimeStamp.Format": _Row(_RETRY, "", _CLOCK, reason="ClockSkew"),
    "InvalidSecurityToken.Expired": _Row(
        _DENIED, _KEY, "Its session is over: put a new one into {holder}; noticed at once."
    ),
    "InvalidSecurityToken.Malformed": _Row(
        _DENIED, _KEY, "The security token is no token of this key: correct {holder}."
    ),
    "InvalidSecurityToken.MismatchWithAccessKey": _Row(
        _DENIED, _KEY, "The security token is no token of this key: correct {holder}."
    ),
    "InvalidParameter.PolicyGrammar": _Row(
        _CONFIGURATION, "policy", "Correct the policy: RAM's grammar, Version 1."
    ),
    "InvalidParameter.PolicySize": _Row(
        _CONFIGURATION, "policy", "Shorten the policy to 2048 characters."
    ),
    "InvalidParameter.RoleSessionName": _Row(
        _CONFIGURATION, "sessionName", "Set 2 to 64 letters, digits and . @ - _ characters."
    ),
    "InvalidParameter.DurationSeconds": _Row(
        _CONFIGURATION,
        "duration",
        "Set it to the role's maximum session duration, or raise that in RAM.",
    ),
    "InvalidParameter.RoleArn": _Row(_CONFIGURATION, _POLICIES, "Correct the role's ARN."),
    "InvalidParameter.OIDCProviderArn": _Row(_CONFIGURATION, "provider", "Correct the ARN."),
}
_SLOWER: Final = "The operator sends requests more slowly and tries again."
_BY_PREFIX: Final = (
    ("Throttling", _Row(_THROTTLED, _ENDPOINT, _SLOWER, reason="Throttled")),
    ("ServiceUnavailable", _Row(_RETRY, _ENDPOINT, _UNREACHED, reason="CloudError")),
    ("InternalError", _Row(_RETRY, _ENDPOINT, _UNREACHED, reason="CloudError")),
    (
        "AuthenticationFail.OIDCToken",
        _Row(_DENIED, "provider", "Check {issuer} and {provider_arn}."),
    ),
    ("InvalidParameter", _Row(_CONFIGURATION, "", "Correct the value to what STS says of it.")),
    ("Forbidden", _Row(_DENIED, "", "Allow the action in RAM for the caller.")),
    ("NoPermission", _Row(_DENIED, "", "Allow the action in RAM for the caller.")),
    ("", _Row(_RETRY, "", "Tried again. If this stays, look the code up in the API's document.")),
)


def is_of_credentials(code: str) -> bool:
    """Whether the code is about the key, the signature or the clock, as every service has it."""
    row = _ROWS.get(code)
    return row is not None and row.part in {"", _KEY}


def refusal(error: StsError, asking: RequestContext) -> Failure:
    """The failure for an error of STS in this context."""
    described = f" (token {asking.token.describe()})" if asking.token is not None else ""
    role = f" (role {asking.role_arn})" if asking.role_arn else ""
    if not error.code:
        return Failure(
            f"Alibaba Cloud STS: {error.message}.",
            kind=_RETRY,
            reason="CloudError",
            field=error.field or SOURCE,
            remedy=_UNTRUSTED if "certificate" in error.message.lower() else _UNREACHED,
        )
    row = _row(error)
    place = error.field if row.part == _ENDPOINT else ""
    return Failure(
        f"Alibaba Cloud STS: {error.code}: {error.message}{role}{described}.",
        kind=row.kind,
        reason=row.reason or condition_reason(error.code),
        field=place or asking.fields.get(row.part) or asking.fields.get("", ""),
        remedy=row.remedy.format_map(_words(asking)),
    )


def _row(error: StsError) -> _Row:
    if error.code == "AuthenticationFail.NoPermission" and "not valid" in error.message:
        return _MALFORMED_PROVIDER
    found = _ROWS.get(error.code)
    if found is not None:
        return found
    return next(row for prefix, row in _BY_PREFIX if error.code.startswith(prefix))


def _words(asking: RequestContext) -> Mapping[str, str]:
    token = asking.token or TokenFacts("", "", "")
    return {
        "audience": token.audience,
        "issuer": token.issuer,
        "provider_arn": asking.provider_arn,
        "role_arn": asking.role_arn,
        "holder": f"Secret {asking.secret}" if asking.secret else "its place",
        "permission": permission_policy(asking.role_arn),
        "trust": trust_policy_of(asking),
    }


def permission_policy(role_arn: str) -> str:
    """The policy that allows a caller to assume the role, as JSON."""
    account, _, name = role_arn.removeprefix("acs:ram::").partition(":role/")
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Resource": f"acs:ram:*:{account}:role/{name}",
    }
    return json.dumps({"Version": "1", "Statement": [statement]})


def trust_policy_of(asking: RequestContext) -> str:
    """The role's trust policy that would allow the request, as JSON."""
    token = asking.token
    statement: dict[str, object] = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    if token is not None:
        statement["Principal"] = {"Federated": [asking.provider_arn]}
        statement["Condition"] = {
            "StringEquals": {
                "oidc:iss": token.issuer,
                "oidc:aud": token.audience,
                "oidc:sub": token.subject,
            }
        }
    else:
        statement["Principal"] = {"RAM": [principal(asking.caller)]}
        if asking.external_id is not None:
            statement["Condition"] = {"StringEquals": {"sts:ExternalId": asking.external_id}}
    return json.dumps({"Version": "1", "Statement": [statement]})


def principal(caller: str) -> str:
    """The role of a session, which trust policies name; a user is named directly.

    Without a caller, a placeholder.
    """
    if not caller:
        return "acs:ram::<account of the caller>:root"
    head, found, rest = caller.partition(":assumed-role/")
    if not found:
        return caller
    return f"acs:ram::{head.split(':')[3]}:role/{rest.partition('/')[0]}"
