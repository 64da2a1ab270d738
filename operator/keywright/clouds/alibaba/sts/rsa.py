"""SHA256withRSA with a private key in PEM, as GenerateSessionAccessKey requires it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from keywright.clouds.alibaba.sts.rpc import Parameters
from keywright.clouds.private_keys import NoPrivateKeyError, is_sound, load_private_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from keywright.api.sensitive import Sensitive

_MIN_BITS = 1024
_BEGIN, _END = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"


class NoRsaKeyError(ValueError):
    """The text is not an RSA private key; it is not quoted."""


class RsaSigner:
    """Implements `rpc.Signer` with a key pair whose public key has an ID in RAM."""

    def __init__(self, public_key_id: str, *, private_key: Sensitive) -> None:
        """Parse the key.

        Raises:
            NoRsaKeyError: it is invalid, longer than 4096 bits, or protected with a password.
        """
        self._id = public_key_id
        self._key = _loaded(private_key)

    def parameters(self) -> Parameters:
        """The public key's ID, in place of an access key ID."""
        return {
            "AccessKeyId": self._id,
            "SignatureMethod": "SHA256withRSA",
            "SignatureType": "PRIVATEKEY",
            "SignatureVersion": "1.0",
        }

    def signature(self, text: str) -> str:
        """PKCS #1 v1.5 over SHA-256."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  as in private_keys

        return base64.b64encode(self._key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def _loaded(private_key: Sensitive) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

    try:
        # Some tools only keep the base64 of PKCS #8.
        key = load_private_key(private_key, wrap=(_BEGIN, _END))
    except NoPrivateKeyError:
        raise NoRsaKeyError from None
    if not isinstance(key, RSAPrivateKey) or not is_sound(key, min_bits=_MIN_BITS):
        raise NoRsaKeyError
    return key
