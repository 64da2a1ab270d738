"""AWS4-X509-RSA-SHA256 and AWS4-X509-ECDSA-SHA256: signatures of requests to IAM Roles Anywhere.

As Signature Version 4, but for the algorithm, the key, and headers with the certificate and its
chain: user guide of IAM Roles Anywhere, "The authentication signing process", and signer.go of
github.com/aws/rolesanywhere-credential-helper.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from keywright.clouds.aws.roles_anywhere.certificate import ClientCertificate

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from keywright.clouds.sessions import Clock

SERVICE: Final = "rolesanywhere"
_TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"


def sign_request(
    request: Any, *, certificate: ClientCertificate, region: str, clock: Clock
) -> None:
    """Add the headers of the signature to an AWSRequest of botocore, which has none yet."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415  imported after start-up

    # The key of the certificate signs: there are no credentials.
    none: Any = None
    canonical: Any = SigV4Auth(none, SERVICE, region)
    timestamp = clock().strftime(_TIMESTAMP)
    request.context["timestamp"] = timestamp
    request.headers["X-Amz-Date"] = timestamp
    request.headers["X-Amz-X509"] = _encoded(certificate.certificate)
    if certificate.chain:
        request.headers["X-Amz-X509-Chain"] = ",".join(map(_encoded, certificate.chain))
    algorithm = f"AWS4-X509-{_key_type(certificate)}-SHA256"
    scope = canonical.credential_scope(request)
    digest = hashlib.sha256(canonical.canonical_request(request).encode()).hexdigest()
    signature = _signature(certificate, f"{algorithm}\n{timestamp}\n{scope}\n{digest}")
    signed = canonical.signed_headers(canonical.headers_to_sign(request))
    request.headers["Authorization"] = (
        f"{algorithm} Credential={certificate.certificate.serial_number}/{scope},"
        f" SignedHeaders={signed}, Signature={signature}"
    )


def _key_type(certificate: ClientCertificate) -> str:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

    return "RSA" if isinstance(certificate.key, RSAPrivateKey) else "ECDSA"


def _signature(certificate: ClientCertificate, text: str) -> str:
    """PKCS #1 v1.5, or ECDSA in DER, over SHA-256; in hexadecimal."""
    # Imported here: few sources need it.
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    key = certificate.key
    if isinstance(key, RSAPrivateKey):
        return key.sign(text.encode(), PKCS1v15(), SHA256()).hex()
    return key.sign(text.encode(), ECDSA(SHA256())).hex()


def _encoded(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
