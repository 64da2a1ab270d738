"""A public key infrastructure for clients: CAs of any depth, and certificates with any mistake."""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_YEAR = datetime.timedelta(days=365)
_HOUR = datetime.timedelta(hours=1)
KEYS: dict[str, Callable[[], Key]] = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA of 1024 bits": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505  must be refused
}
"""Types of keys, by names of this testbed."""


@dataclass(frozen=True, slots=True)
class ClientPair:
    """A certificate with its chain and its key, as in a Secret of type kubernetes.io/tls."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: Key = field(repr=False)

    @property
    def data(self) -> dict[str, str]:
        """The data of the Secret."""
        return {"tls.crt": pem_of(self.certificate, *self.chain), "tls.key": self.key_pem}

    @property
    def key_pem(self) -> str:
        """The private key, PKCS #8."""
        return _pem_of_key(self.key)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The lines of the private key that have more than what the certificate has as well."""
        public = self.certificate.public_bytes(serialization.Encoding.DER)
        lines = (line for line in self.key_pem.splitlines() if "-----" not in line)
        return tuple(line for line in lines if base64.b64decode(line) not in public)


def pem_of(*certificates: x509.Certificate) -> str:
    """The certificates as PEM, one after the other."""
    found = (each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)
    return "".join(found)


def _pem_of_key(key: Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


class ClientAuthority:
    """A CA, created when constructed; `parent` makes it an intermediate one."""

    def __init__(
        self, name: str = "testbed-root", *, parent: ClientAuthority | None = None
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._key = key
        self._parent = parent
        builder = _builder(
            name,
            key=key,
            is_ca=True,
            key_usage=usage(signs_certificates=True),
            issuer=None if parent is None else parent.certificate,
        )
        self.certificate: x509.Certificate = builder.sign(
            key if parent is None else parent.key, hashes.SHA256()
        )

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The key that signs certificates."""
        return self._key

    @property
    def key_pem(self) -> str:
        """The key, PKCS #8."""
        return _pem_of_key(self._key)

    @property
    def pem(self) -> str:
        """The certificate of the CA, as a trust anchor has it."""
        return pem_of(self.certificate)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """This CA and those above it, but for the root."""
        return () if self._parent is None else (self.certificate, *self._parent.chain)

    def issue(
        self,
        common_name: str,
        *,
        key: str = "P-256",
        is_ca: bool = False,
        key_usage: x509.KeyUsage | None = None,
        begins: datetime.datetime | None = None,
        ends: datetime.datetime | None = None,
    ) -> ClientPair:
        """Issue a certificate of a client, with the type of key of that name."""
        private = KEYS[key]()
        builder = _builder(
            common_name,
            key=private,
            is_ca=is_ca,
            key_usage=key_usage or usage(),
            issuer=self.certificate,
            begins=begins,
            ends=ends,
        )
        return ClientPair(builder.sign(self._key, hashes.SHA256()), self.chain, private)


def usage(*, digital_signature: bool = True, signs_certificates: bool = False) -> x509.KeyUsage:
    """The key usage of a client, or of a CA."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    name: str,
    *,
    key: Key,
    is_ca: bool,
    key_usage: x509.KeyUsage,
    issuer: x509.Certificate | None,
    begins: datetime.datetime | None = None,
    ends: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or now - _HOUR)
        .not_valid_after(ends or now + _YEAR)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(key_usage, critical=True)
    )
