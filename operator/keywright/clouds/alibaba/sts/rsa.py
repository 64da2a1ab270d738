"""SHA256withRSA with a private key in PEM, as GenerateSessionAccessKey requires it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from keywright.clouds.alibaba.sts.rpc import Parameters

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from keywright.api.sensitive import Sensitive

# PEM of 4096 bits has 3,272: parsing and signing with longer keys takes seconds.
_MAX_CHARACTERS = 4096
_MIN_BITS, _MAX_BITS = 1024, 4096
_UNEVEN_BITS, _MAX_EXPONENT_BITS = 64, 64
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
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  as below

        return base64.b64encode(self._key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def _loaded(private_key: Sensitive) -> RSAPrivateKey:
    # Imported here: few sources need it, and the start of the operator does not.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    text = private_key.reveal().strip()
    if len(text) > _MAX_CHARACTERS:
        raise NoRsaKeyError
    if "-----BEGIN" not in text:
        # Some tools only keep the base64 of PKCS #8.
        text = f"{_BEGIN}\n{text}\n{_END}\n"
    try:
        # The primality tests of a hostile key hold the interpreter lock for minutes.
        key = load_pem_private_key(
            text.encode(), password=None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`: the parser's messages may quote the key.
        raise NoRsaKeyError from None
    if not isinstance(key, RSAPrivateKey) or not _is_sound(key):
        raise NoRsaKeyError
    return key


def _is_sound(key: RSAPrivateKey) -> bool:
    """Whether the numbers are consistent and have sizes with which signing takes milliseconds."""
    if key.key_size not in range(_MIN_BITS, _MAX_BITS + 1):
        return False
    numbers = key.private_numbers()
    public = numbers.public_numbers
    half = key.key_size // 2 + _UNEVEN_BITS
    return (
        numbers.p * numbers.q == public.n
        and max(numbers.p.bit_length(), numbers.q.bit_length()) <= half
        and public.e.bit_length() <= _MAX_EXPONENT_BITS
        and numbers.d.bit_length() <= key.key_size
    )
