"""SHA256withRSA with a private key in PEM, as GenerateSessionAccessKey wants it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from keywright.clouds.alibaba.rpc import Parameters

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from keywright.api.sensitive import Sensitive

# PEM of 4096 bits has 3,272: reading and signing with longer keys takes seconds.
_MOST_CHARACTERS = 4096
_BEGIN, _END = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"


class NoRsaKeyError(ValueError):
    """The text is no RSA private key; it is not quoted."""


class RsaSigner:
    """Implements `rpc.Signer` with a key pair whose public half RAM knows by an id."""

    def __init__(self, public_key_id: str, *, private_key: Sensitive) -> None:
        """Read the key.

        Raises:
            NoRsaKeyError: it is none, is longer than 4096 bits, or is locked with a password.
        """
        self._id = public_key_id
        self._key = _loaded(private_key)

    def parameters(self) -> Parameters:
        """The public key's id stands where an access key's would."""
        return {
            "AccessKeyId": self._id,
            "SignatureMethod": "SHA256withRSA",
            "SignatureType": "PRIVATEKEY",
            "SignatureVersion": "1.0",
        }

    def signature(self, text: str) -> str:
        """PKCS #1 v1.5 over SHA-256."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  as below

        return base64.b64encode(self._key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def _loaded(private_key: Sensitive) -> RSAPrivateKey:
    # Imported here: few sources need it, and the start of the operator none.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    text = private_key.reveal().strip()
    if len(text) > _MOST_CHARACTERS:
        raise NoRsaKeyError
    if "-----BEGIN" not in text:
        # Some tools keep the base64 of PKCS #8 alone.
        text = f"{_BEGIN}\n{text}\n{_END}\n"
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`: the messages of the parser may quote what they read.
        raise NoRsaKeyError from None
    if not isinstance(key, RSAPrivateKey):
        raise NoRsaKeyError
    return key
