"""Convert errors of CreateSession to failures that name what to change.

Its errors are AccessDeniedException, ResourceNotFoundException and ValidationException (the model
in github.com/aws/rolesanywhere-credential-helper). AWS documents no messages; those that are
matched here were reported publicly, see docs/verified.md.
"""

from __future__ import annotations

import json
from typing import Any, Final

from keywright.api.aws_source import RolesAnywhere
from keywright.api.errors import Failure, FailureClass
from keywright.clouds.aws.error_codes import code_and_message, common_failure, retry_after
from keywright.clouds.aws.roles_anywhere.certificate import CertificateName, ClientCertificate

FIELD: Final = "CredentialSource spec.aws.rolesAnywhere"
ACTIONS: Final = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
"""What AWS calls to open a session: it sets session tags and the source identity."""
_SERVICE: Final = "IAM Roles Anywhere"
_USAGE: Final = (
    "AWS accepts a certificate of X.509v3 with Basic Constraints CA:FALSE and the key usage Digital"
    " Signature, signed with SHA-256 or stronger by the CA of the trust anchor."
)
_SETUP: Final = (
    "Check that trust anchor and profile are enabled, that the profile lists the role, and that"
    " sessionName is only set if the profile has acceptRoleSessionName."
)


def trust_statement(identity: RolesAnywhere, *, subject: CertificateName) -> dict[str, Any]:
    """The statement of a trust policy that lets one subject of the trust anchor use the role.

    AWS, "The trust model": without a condition, every certificate of every trust anchor in the
    account could, and without one on the subject, every certificate of this trust anchor.
    """
    condition: dict[str, Any] = {
        "ArnEquals": {"aws:SourceArn": identity.trust_anchor_arn},
        "StringEquals": {f"aws:PrincipalTag/{subject.tag}": subject.value},
    }
    return {
        "Effect": "Allow",
        "Principal": {"Service": "rolesanywhere.amazonaws.com"},
        "Action": list(ACTIONS),
        "Condition": condition,
    }


def failure_from_anywhere(
    error: Exception, *, identity: RolesAnywhere, certificate: ClientCertificate
) -> Failure:
    """The failure for CreateSession; the remedy for a refused role has a trust policy to paste."""
    if isinstance(error, Failure):
        return error
    code, message = code_and_message(error)
    secret = identity.secret_ref.name
    match code:
        case "AccessDeniedException" if "DurationSeconds" in message:
            return _failure(
                message,
                field="sessionDuration",
                reason="SessionDurationTooLong",
                kind=FailureClass.CONFIGURATION,
                remedy="Set it to the role's maximum session duration, or raise that.",
            )
        case "AccessDeniedException" if "assume role" in message:
            return _role_refused(message, identity=identity, certificate=certificate)
        case "AccessDeniedException" if "revoked" in message:
            return _failure(
                f"{message} (serial number {certificate.serial}, Secret {secret})",
                field="secretRef",
                reason="CertificateRevoked",
                remedy="Have another certificate issued, or import a CRL without this one.",
            )
        case "AccessDeniedException" if "ertificate" in message:
            return _failure(
                f"{message} (serial number {certificate.serial}, Secret {secret})",
                field="secretRef",
                reason="CertificateNotTrusted",
                remedy=(
                    "The certificate must lead to the CA of the trust anchor: check trustAnchorArn,"
                    f" and that tls.crt has the certificates of all intermediate CAs. {_USAGE}"
                ),
            )
        case "AccessDeniedException":
            return _failure(message, field="", reason="AccessDenied", remedy=_SETUP)
        case "ResourceNotFoundException":
            field = "profileArn" if "rofile" in message else "trustAnchorArn"
            return _failure(
                message,
                field=field,
                reason="ResourceNotFound",
                kind=FailureClass.CONFIGURATION,
                remedy=(
                    f"Create it in account {identity.trust_anchor_arn.split(':')[4]} and Region"
                    f" {identity.region}, or correct the ARN."
                ),
            )
        case "ValidationException":
            return _failure(
                message,
                field="",
                reason=code,
                kind=FailureClass.CONFIGURATION,
                remedy=f"Correct the value to what AWS says of it. {_SETUP}",
            )
        case _:
            failure = common_failure(code, message)
            failure.retry_after = retry_after(error)
            return failure


def _role_refused(
    message: str, *, identity: RolesAnywhere, certificate: ClientCertificate
) -> Failure:
    statement = trust_statement(identity, subject=certificate.name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return _failure(
        message,
        field="roleArn",
        reason="AccessDenied",
        remedy=(
            f"First check the spelling of the role in roleArn, and that profile"
            f" {identity.profile_arn} lists it. If both are correct, create the role, or let its"
            f" trust policy accept this certificate: {policy}"
        ),
    )


def _failure(
    message: str,
    *,
    field: str,
    reason: str,
    remedy: str,
    kind: FailureClass = FailureClass.DENIED,
) -> Failure:
    return Failure(
        f"{_SERVICE}: {message}.",
        kind=kind,
        reason=reason,
        field=f"{FIELD}.{field}" if field else FIELD,
        remedy=remedy,
    )
