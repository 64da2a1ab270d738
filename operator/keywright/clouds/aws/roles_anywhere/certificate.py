"""An X.509 certificate with its private key, from a Secret: checked before AWS is called.

What AWS requires of a certificate is in the user guide of IAM Roles Anywhere, "The trust model",
"Signature validation": X.509v3, not of a CA, with the key usage Digital Signature, and not signed
with MD5 or SHA-1. Keys are of the types that AWS's own credential helper signs with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from keywright.api.aws_source import TLS_CERTIFICATE, TLS_KEY
from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time
from keywright.clouds.private_keys import (
    MAX_RSA_BITS,
    NoPrivateKeyError,
    is_sound,
    load_private_key,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

    PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey

# A chain of ten certificates with keys of 4096 bits has half of this.
_MAX_CHARACTERS: Final = 64 * 1024
_MAX_CERTIFICATES: Final = 10
_MIN_RSA_BITS: Final = 2048
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
# RFC 5280, 4.1.2.2. A longer number is also no longer converted to decimal digits.
_MAX_SERIAL_BITS: Final = 20 * 8
_PLAIN_NAME: Final = re.compile(r"[\w .:/=+@-]{1,256}", re.ASCII)
_ISSUE_AGAIN: Final = (
    "Have it issued again; a cert-manager Certificate needs no isCA, and the usage digital"
    " signature, which is a default."
)


@dataclass(frozen=True, slots=True)
class CertificateName:
    """A name of a certificate, by the session tag in which AWS reports it."""

    tag: str
    value: str


def certificate_name(
    *, common_name: str | None, uris: Iterable[str] = (), dns_names: Iterable[str] = ()
) -> CertificateName | None:
    """The name by which a trust policy can recognize the certificate; None without one.

    AWS reports the first name of each type (IAM Roles Anywhere, "The trust model"). A name with
    other characters than those of session tags could be a variable or a pattern in a policy.
    """
    names = (
        ("x509Subject/CN", common_name),
        ("x509SAN/URI", next(iter(uris), None)),
        ("x509SAN/DNS", next(iter(dns_names), None)),
    )
    for tag, value in names:
        if value is not None and _PLAIN_NAME.fullmatch(value):
            return CertificateName(tag, value)
    return None


UNKNOWN_NAME: Final = CertificateName("x509Subject/CN", "COMMON-NAME")
"""The placeholder for a name that is not known."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate that identifies the source, those between it and the CA, and its key."""

    certificate: Certificate
    chain: tuple[Certificate, ...]
    key: PrivateKey = field(repr=False)

    @property
    def expires_at(self) -> datetime:
        """When the certificate expires."""
        return self.certificate.not_valid_after_utc

    @property
    def serial(self) -> str:
        """The serial number in hexadecimal, which AWS uses as the session name."""
        digits = f"{self.certificate.serial_number:x}"
        return digits.zfill(len(digits) + len(digits) % 2)

    @property
    def name(self) -> CertificateName:
        """The name for a trust policy; a placeholder without one."""
        from cryptography import x509  # noqa: PLC0415  as in private_keys

        found = self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        others = [
            each.value
            for each in self.certificate.extensions
            if isinstance(each.value, x509.SubjectAlternativeName)
        ]
        name = certificate_name(
            common_name=str(found[0].value) if found else None,
            uris=[
                uri
                for each in others
                for uri in each.get_values_for_type(x509.UniformResourceIdentifier)
            ],
            dns_names=[dns for each in others for dns in each.get_values_for_type(x509.DNSName)],
        )
        return name or UNKNOWN_NAME


def load_certificate(
    certificates: str, private_key: Sensitive, *, secret: str, field: str, now: datetime
) -> ClientCertificate:
    """The first of the certificates with the others as its chain, in PEM as in `tls.crt`.

    Raises:
        Failure: AWS would refuse it, or the key; names the Secret, the problem and the remedy.
    """
    try:
        found = _parsed(certificates)
        _check_form(found[0])
        key = _matching_key(private_key, found[0])
        _check_time(found[0], now=now)
    except _Problem as problem:
        raise Failure(
            f"{problem.text.format(secret=f'Secret {secret}')}.",
            kind=problem.kind,
            reason=problem.reason,
            field=field,
            remedy=problem.remedy,
        ) from None
    return ClientCertificate(found[0], tuple(found[1:]), key)


class _Problem(Exception):  # noqa: N818  it becomes a Failure
    """Why a certificate or key cannot be used; `{secret}` in the text is its Secret."""

    def __init__(
        self,
        text: str,
        *,
        remedy: str,
        reason: str,
        kind: FailureClass = FailureClass.CONFIGURATION,
    ) -> None:
        super().__init__(text)
        self.text, self.remedy, self.reason, self.kind = text, remedy, reason, kind


def _parsed(text: str) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415  as in private_keys

    remedy = (
        f"Put the certificate, followed by those of its intermediate CAs, into {TLS_CERTIFICATE} as"
        " PEM."
    )
    if len(text) > _MAX_CHARACTERS or text.count("-----BEGIN") > _MAX_CERTIFICATES:
        raise _Problem(
            f"{TLS_CERTIFICATE} in {{secret}} has more than {_MAX_CERTIFICATES} certificates or"
            f" {_MAX_CHARACTERS // 1024} KiB",
            remedy=remedy,
            reason="InvalidCertificate",
        )
    try:
        found = load_pem_x509_certificates(text.encode())
        for each in found:
            # Each part is parsed when it is first read.
            _ = each.extensions, each.public_key(), each.subject, each.issuer
            _ = each.not_valid_before_utc, each.not_valid_after_utc
    except Exception:
        # The library raises many types for hostile certificates.
        raise _Problem(
            f"{TLS_CERTIFICATE} in {{secret}} is no X.509 certificate in PEM",
            remedy=remedy,
            reason="InvalidCertificate",
        ) from None
    return found


def _check_form(certificate: Certificate) -> None:
    """Raise _Problem if AWS accepts no such certificate of a client."""
    for text in _wrong_forms(certificate):
        raise _Problem(
            f"the certificate in {{secret}} {text}",
            remedy=_ISSUE_AGAIN,
            reason="InvalidCertificate",
        )


def _wrong_forms(certificate: Certificate) -> Iterator[str]:
    from cryptography import x509  # noqa: PLC0415  as in private_keys

    extensions = {each.oid: each.value for each in certificate.extensions}
    basic = extensions.get(x509.BasicConstraints.oid)
    if isinstance(basic, x509.BasicConstraints) and basic.ca:
        yield "is that of a CA, and AWS accepts only that of a client (an end-entity certificate)"
    usage = extensions.get(x509.KeyUsage.oid)
    if not isinstance(usage, x509.KeyUsage) or not usage.digital_signature:
        yield "lacks the key usage Digital Signature"
    if certificate.serial_number.bit_length() > _MAX_SERIAL_BITS:
        yield "has a serial number of more than 20 octets"
    if _hash_name(certificate) not in _HASHES:
        yield "is not signed with SHA-256, SHA-384 or SHA-512: AWS rejects MD5 and SHA-1"


def _hash_name(certificate: Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  as in private_keys

    try:
        found = certificate.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return ""
    return "" if found is None else found.name


def _matching_key(text: Sensitive, certificate: Certificate) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

    try:
        key = load_private_key(text)
    except NoPrivateKeyError:
        raise _Problem(
            f"{TLS_KEY} in {{secret}} is no private key in PEM, or is protected with a password",
            remedy=f"Put the key of the certificate into {TLS_KEY} as PEM, without a password.",
            reason="InvalidPrivateKey",
        ) from None
    usable = (isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES) or (
        isinstance(key, RSAPrivateKey) and is_sound(key, min_bits=_MIN_RSA_BITS)
    )
    if not usable:
        raise _Problem(
            f"the type or the size of {TLS_KEY} in {{secret}} is not supported",
            remedy=(
                f"Use an RSA key of {_MIN_RSA_BITS} to {MAX_RSA_BITS} bits, or an EC key of curve"
                " P-256, P-384 or P-521: spec.privateKey of a cert-manager Certificate."
            ),
            reason="InvalidPrivateKey",
        )
    assert isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey)
    public = certificate.public_key()
    if not isinstance(public, type(key.public_key())) or public != key.public_key():
        raise _Problem(
            f"{TLS_KEY} in {{secret}} does not belong to the first certificate of"
            f" {TLS_CERTIFICATE}",
            remedy=(
                "Put the certificate of this key first, then those of the intermediate CAs. If a"
                " renewal is in progress, this is tried again when the Secret changes."
            ),
            reason="CertificateKeyMismatch",
        )
    return key


def _check_time(certificate: Certificate, *, now: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= now:
        raise _Problem(
            f"the certificate in {{secret}} expired at {format_time(ends)}",
            remedy=(
                "Renew it; a change of the Secret is noticed at once. With cert-manager, see:"
                " kubectl describe certificate."
            ),
            reason="CertificateExpired",
        )
    if begins > now:
        raise _Problem(
            f"the certificate in {{secret}} is not valid before {format_time(begins)}",
            remedy="Tried again. Check the clocks of the CA and of the operator's node.",
            reason="CertificateNotYetValid",
            kind=FailureClass.TRANSIENT,
        )
