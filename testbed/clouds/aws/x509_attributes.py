"""What IAM Roles Anywhere takes from a certificate: session tags and the source identity.

"The trust model", user guide of IAM Roles Anywhere: subject and issuer by the short names of their
attributes, the first URI and DNS name of the SAN, and the source identity from the common name [K].
It is written CN=NAME (dev.to, kanywst, "IAM Roles Anywhere hands-on"), and the session is named by
the serial number in hexadecimal (GitHub, choisungwook/portfolio, aws/iam/roles-anywhere) [R]. The
tags are not transitive. [U]
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.SERIAL_NUMBER: "SERIALNUMBER",
}
_NOT_IN_IDENTITIES = re.compile(r"[^\w+=,.@-]", re.ASCII)


def session_name(certificate: x509.Certificate) -> str:
    """The serial number in hexadecimal."""
    number = certificate.serial_number
    return number.to_bytes((number.bit_length() + 7) // 8 or 1).hex()


def source_identity(certificate: x509.Certificate) -> str | None:
    """The common name of the subject; None without one."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _NOT_IN_IDENTITIES.sub("", f"CN={found[0].value!s}")[:64] if found else None


def session_tags(certificate: x509.Certificate) -> dict[str, str]:
    """The session tags."""
    return dict(_tags(certificate))


def _tags(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    for prefix, name in (
        ("x509Subject", certificate.subject),
        ("x509Issuer", certificate.issuer),
    ):
        for attribute in name:
            if attribute.oid in _SHORT:
                yield f"{prefix}/{_SHORT[attribute.oid]}", str(attribute.value)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for kind, label in ((x509.UniformResourceIdentifier, "URI"), (x509.DNSName, "DNS")):
        found = names.get_values_for_type(kind)
        if found:
            yield f"x509SAN/{label}", found[0]
