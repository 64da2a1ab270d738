"""A private key of a tenant's Secret costs little, whatever its numbers are."""

from __future__ import annotations

import base64
import time
from functools import cache

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.sts.rsa import NoRsaKeyError, RsaSigner


def _length(number: int) -> bytes:
    if number < 128:
        return bytes([number])
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(raw)]) + raw


def _integer(number: int) -> bytes:
    raw = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + _length(len(raw)) + raw


def _pem(*numbers: int) -> str:
    """PKCS #1 of n, e, d, p, q, dp, dq and qinv, whatever they are."""
    body = b"".join(map(_integer, (0, *numbers)))
    text = base64.b64encode(b"\x30" + _length(len(body)) + body).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{text}\n-----END RSA PRIVATE KEY-----\n"


def _uneven(bits: int) -> str:
    """A key with p = 2**bits - 1: OpenSSL's check would prove for minutes that p is a prime."""
    p, q = 2**bits - 1, 3
    return _pem(p * q, 65537, 5, p, q, 3, 1, 1)


@cache
def _numbers(bits: int) -> tuple[int, ...]:
    found = generate_private_key(65537, bits).private_numbers()
    public = found.public_numbers
    return public.n, public.e, found.d, found.p, found.q, found.dmp1, found.dmq1, found.iqmp


@cache
def _good(bits: int) -> str:
    key = generate_private_key(65537, bits)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _changed(**changes: int) -> str:
    names = ("n", "e", "d", "p", "q", "dp", "dq", "qinv")
    numbers = dict(zip(names, _numbers(2048), strict=True))
    return _pem(*{**numbers, **changes}.values())


@pytest.mark.parametrize(
    "text",
    [
        _uneven(2203),
        _uneven(3217),
        _uneven(4423),
        _uneven(9689),
        _pem(15, 3, 3, 3, 5, 1, 3, 2),
        _changed(n=2**2047 + 1),
        _changed(e=2**512 + 1),
        _changed(d=2**2100 + 1),
        _changed(p=2**1023 + 1),
    ],
    ids=["2203", "3217", "4423", "9689", "tiny", "other-n", "long-e", "long-d", "other-p"],
)
def test_a_hostile_key_is_refused_at_once(text: str) -> None:
    """Its check would hold the interpreter's lock, and so the whole operator."""
    began = time.process_time()
    with pytest.raises(NoRsaKeyError):
        RsaSigner("id", private_key=Sensitive(text))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("bits", [512, 8192])
def test_a_key_of_another_size_is_refused(bits: int) -> None:
    """Too short to be safe, or so long that each signature takes a part of a second."""
    with pytest.raises(NoRsaKeyError):
        RsaSigner("id", private_key=Sensitive(_small(bits)))


def _small(bits: int) -> str:
    """Numbers of that size that belong together, without the time to find primes."""
    p = 2 ** (bits // 2) - 1
    return _pem(p * p, 65537, 5, p, p, 3, 1, 1)


@pytest.mark.parametrize("bits", [2048, 4096])
@pytest.mark.parametrize("bare", [False, True])
def test_a_usual_key_signs(bits: int, *, bare: bool) -> None:
    """Of the sizes that Alibaba Cloud makes and takes; as PEM, or its base64 alone."""
    text = _good(bits)
    if bare:
        text = "".join(text.splitlines()[1:-1])
    signer = RsaSigner("id", private_key=Sensitive(text))
    assert len(base64.b64decode(signer.signature("text"))) == bits // 8
