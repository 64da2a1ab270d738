"""RSA key pairs of RAM users: the cloud stores the public key, and verifies SHA256withRSA."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from testbed.clouds.alibaba.accounts import User

_BITS = 2048


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A registered public key and its owner."""

    id: str
    user: User
    key: rsa.RSAPublicKey

    def signed(self, text: str, *, signature: str) -> bool:
        """Whether `signature` (base64) is that of the private key over the text."""
        try:
            self.key.verify(
                base64.b64decode(signature, validate=True),
                text.encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (InvalidSignature, binascii.Error):
            return False
        return True


class RsaKeys:
    """The registered public keys; `told` are the private keys, which are returned once."""

    def __init__(self) -> None:
        self._keys: dict[str, PublicKey] = {}
        self.to_api: set[str] = set()

    def create(self, user: User) -> tuple[str, str]:
        """Create a key pair; return the public key's ID and the private key as PEM (PKCS#8)."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        key_id = f"TMPK.{secrets.token_hex(8)}"
        self._keys[key_id] = PublicKey(id=key_id, user=user, key=private.public_key())
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        self.to_api.add(pem)
        return key_id, pem

    def find(self, key_id: str) -> PublicKey | None:
        """The public key with that ID."""
        return self._keys.get(key_id)
