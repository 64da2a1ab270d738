"""Private keys in PEM, from Secrets whose authors may be hostile: bounded before they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from keywright.api.sensitive import Sensitive

# PEM of 4096 bits has 3,272: parsing and signing with longer keys takes seconds.
_MAX_CHARACTERS: Final = 4096
MAX_RSA_BITS: Final = 4096
_UNEVEN_BITS, _MAX_EXPONENT_BITS = 64, 64


class NoPrivateKeyError(ValueError):
    """The text is not a private key that can be used; it is not quoted."""


def load_private_key(text: Sensitive, *, wrap: tuple[str, str] | None = None) -> PrivateKeyTypes:
    """The key in a PEM text; `wrap` are the lines around a text without them.

    Raises:
        NoPrivateKeyError: it is invalid, too long, or protected with a password.
    """
    # Imported here: few sources need it, and the start of the operator does not.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    pem = text.reveal().strip()
    if len(pem) > _MAX_CHARACTERS:
        raise NoPrivateKeyError
    if wrap is not None and "-----BEGIN" not in pem:
        pem = f"{wrap[0]}\n{pem}\n{wrap[1]}\n"
    try:
        # The primality tests of a hostile key hold the interpreter lock for minutes.
        return load_pem_private_key(
            pem.encode(), password=None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`: the parser's messages may quote the key.
        raise NoPrivateKeyError from None


def is_sound(key: RSAPrivateKey, *, min_bits: int) -> bool:
    """Whether the numbers are consistent and have sizes with which signing takes milliseconds."""
    if key.key_size not in range(min_bits, MAX_RSA_BITS + 1):
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
