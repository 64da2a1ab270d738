"""Verification of client certificates against the CA of a trust anchor (RFC 5280, in part).

Built of single signatures, so that what the product sends is judged by code of its own.
"""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST_PATH = 8
_WEAK = {"md5", "sha1"}


class NotAPathError(ValueError):
    """No path leads from the certificate to the CA."""


class NotAClientError(ValueError):
    """The certificate is not that of a client: it lacks what AWS requires of one."""


@dataclass(frozen=True, slots=True)
class Presented:
    """The certificate of a request, and the others that were sent with it."""

    leaf: x509.Certificate
    others: tuple[x509.Certificate, ...] = ()

    @classmethod
    def parse(cls, leaf: str, chain: str | None) -> Presented:
        """Parse the headers X-Amz-X509 and X-Amz-X509-Chain; raises ValueError."""
        others = () if chain is None else tuple(map(_from_header, chain.split(",")))
        return cls(_from_header(leaf), others)


def check_client(certificate: x509.Certificate) -> None:
    """Raise NotAClientError for what AWS calls "insufficient".

    "Signature validation", user guide of IAM Roles Anywhere: CA:FALSE, Digital Signature, and a
    signature with SHA-256 or stronger. [K]
    """
    if _is_ca(certificate) is not False:
        raise NotAClientError("basic constraints")
    if not _usage(certificate, "digital_signature"):
        raise NotAClientError("key usage")
    hashed = certificate.signature_hash_algorithm
    if hashed is not None and hashed.name in _WEAK:
        raise NotAClientError("hash")


def check_authority(certificate: x509.Certificate) -> None:
    """Raise ValueError unless this is the certificate of a CA."""
    if not _is_ca(certificate):
        raise ValueError("Incorrect basic constraints for CA certificate")
    if not _usage(certificate, "key_cert_sign"):
        raise ValueError("Incorrect key usage for CA certificate")


def check_path(presented: Presented, *, anchors: Iterable[x509.Certificate], now: float) -> None:
    """Raise NotAPathError unless a path of valid CAs leads from the certificate to an anchor."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    trusted = tuple(anchors)
    if not _leads_to(presented.leaf, presented.others, trusted, moment, length=0):
        raise NotAPathError


def _leads_to(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    trusted: Sequence[x509.Certificate],
    moment: datetime.datetime,
    *,
    length: int,
) -> bool:
    """`length` is the number of CAs below the issuer that is looked for."""
    if length > _LONGEST_PATH or not _is_valid(certificate, moment):
        return False
    if any(_issued(anchor, certificate, moment, length=length) for anchor in trusted):
        return True
    return any(
        _leads_to(
            other,
            [each for each in others if each is not other],
            trusted,
            moment,
            length=length + 1,
        )
        for other in others
        if _issued(other, certificate, moment, length=length)
    )


def _issued(
    issuer: x509.Certificate,
    certificate: x509.Certificate,
    moment: datetime.datetime,
    *,
    length: int,
) -> bool:
    if not (_is_ca(issuer) and _usage(issuer, "key_cert_sign") and _is_valid(issuer, moment)):
        return False
    longest = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    if longest is not None and length > longest:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_valid(certificate: x509.Certificate, moment: datetime.datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _is_ca(certificate: x509.Certificate) -> bool | None:
    """None without the extension."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return None
    return found.value.ca


def _usage(certificate: x509.Certificate, name: str) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:
        return False
    return bool(getattr(found.value, name))


def _from_header(text: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
