"""Certificates that no CA issues: parts of a good one replaced in its DER, unsigned."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_SEQUENCE, _SET, _INTEGER, _UTF8, _TIME = 0x30, 0x31, 0x02, 0x0C, 0x18
_COMMON_NAME = bytes.fromhex("0603550403")
_PSS = bytes.fromhex("06092a864886f70d01010a")
_MD2_WITH_RSA = bytes.fromhex("06092a864886f70d0101020500")
# RFC 5280, 4.1: where a part is in the TBSCertificate.
_SERIAL, _ALGORITHM, _VALIDITY, _SUBJECT = 1, 2, 4, 5
_Part = tuple[int, bytes]

HOSTILE: dict[str, tuple[int, _Part]] = {
    "a serial number of 20,000 octets": (_SERIAL, (_INTEGER, b"\x7f" + b"\x11" * 20_000)),
    "RSASSA-PSS without parameters": (_ALGORITHM, (_SEQUENCE, _PSS)),
    "MD2": (_ALGORITHM, (_SEQUENCE, _MD2_WITH_RSA)),
    "an unknown algorithm": (_ALGORITHM, (_SEQUENCE, bytes.fromhex("06032a0304"))),
}


def hostile(certificate: x509.Certificate, name: str) -> str:
    """The certificate in PEM, with one part replaced."""
    if name == "valid from the year 0":
        times = _encoded(_TIME, b"00000101000000Z") + _encoded(_TIME, b"99991231235959Z")
        return _with(certificate, _VALIDITY, (_SEQUENCE, times))
    if name == "a subject that is no text":
        value = _encoded(_SEQUENCE, _COMMON_NAME + _encoded(_UTF8, b"\xff\xfe"))
        return _with(certificate, _SUBJECT, (_SEQUENCE, _encoded(_SET, value)))
    place, part = HOSTILE[name]
    return _with(certificate, place, part)


def _with(certificate: x509.Certificate, place: int, part: _Part) -> str:
    (_, whole), *_ = _parts(certificate.public_bytes(Encoding.DER))
    (_, signed), algorithm, signature = _parts(whole)
    parts = list(_parts(signed))
    parts[place] = part
    if place == _ALGORITHM:
        algorithm = part
    body = _encoded(_SEQUENCE, b"".join(_encoded(*each) for each in parts))
    der = _encoded(_SEQUENCE, body + _encoded(*algorithm) + _encoded(*signature))
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def _parts(data: bytes) -> Iterator[_Part]:
    at = 0
    while at < len(data):
        length, begin = data[at + 1], at + 2
        if length & 0x80:
            begin += length & 0x7F
            length = int.from_bytes(data[at + 2 : begin], "big")
        yield data[at], data[begin : begin + length]
        at = begin + length


def _encoded(tag: int, value: bytes) -> bytes:
    if len(value) < 0x80:
        return bytes([tag, len(value)]) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value
