"""Signatures of Alibaba Cloud's RPC style, by the vendor's example and by other hands than ours."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.sts.rpc import KeySigner, common, form, signed, string_to_sign
from keywright.clouds.alibaba.sts.rsa import NoRsaKeyError, RsaSigner

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: Any, *, password: bytes | None = None) -> Sensitive:
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        locked = serialization.BestAvailableEncryption(password)
    form_ = serialization.PrivateFormat.PKCS8
    return Sensitive(key.private_bytes(serialization.Encoding.PEM, form_, locked).decode())


def test_the_example_of_the_documentation_is_signed_as_it_says() -> None:
    """Its key, its nonce and its signature: "Request syntax and signature method of RPC APIs"."""
    requested = {
        "Action": "DescribeRegions",
        "Format": "XML",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Timestamp": "2016-02-23T12:46:24Z",
        "Version": "2014-05-26",
    }
    found = signed(requested, method="GET", by=KeySigner("testid", secret=Sensitive("testsecret")))
    assert found["Signature"] == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="
    text = string_to_sign({k: v for k, v in found.items() if k != "Signature"}, method="GET")
    assert text.startswith("GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26")
    assert "Timestamp%3D2016-02-23T12%253A46%253A24Z" in text


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=30), max_size=6))
def test_what_is_sent_is_what_was_signed(requested: dict[str, str]) -> None:
    """For any content of a parameter: blanks, plus signs, quotes, other alphabets."""
    assert dict(parse_qsl(form(requested), keep_blank_values=True)) == requested
    assert set(form(requested)) <= set(quote(form(requested), safe="%=&-_.~"))
    found = signed(requested, method="POST", by=KeySigner("id", secret=Sensitive("s")))
    rest = {name: value for name, value in found.items() if name != "Signature"}
    pairs = "&".join(f"{quote(k, safe='-_.~')}={quote(rest[k], safe='-_.~')}" for k in sorted(rest))
    text = f"POST&%2F&{quote(pairs, safe='-_.~')}"
    expected = base64.b64encode(hmac.digest(b"s&", text.encode(), hashlib.sha1)).decode()
    assert found["Signature"] == expected


@pytest.mark.parametrize(
    ("value", "encoded"), [(" ", "%20"), ("*", "%2A"), ("~", "~"), ("+", "%2B"), ("/", "%2F")]
)
def test_the_encoding_is_that_of_rfc_3986(value: str, encoded: str) -> None:
    """The library writes a blank as a plus, and STS refuses a policy that has one."""
    assert form({"Policy": value}) == f"Policy={encoded}"


def test_a_session_is_signed_with_its_token() -> None:
    """The token is a parameter like any other, so that it is signed as well."""
    by = KeySigner("id", secret=Sensitive("s"), token=Sensitive("t"))
    assert signed({}, method="GET", by=by)["SecurityToken"] == "t"
    assert "SecurityToken" not in KeySigner("id", secret=Sensitive("s")).parameters()
    assert "s3cret" not in repr(KeySigner("id", secret=Sensitive("s3cret")))


def test_a_request_tells_its_time_in_utc() -> None:
    """To the second, as the service reads it; the nonce is new for each."""
    found = common("AssumeRole", now=datetime(2026, 11, 22, 12, 0, 1, 5, tzinfo=UTC), nonce="n")
    assert found == {
        "Action": "AssumeRole",
        "Format": "JSON",
        "SignatureNonce": "n",
        "Timestamp": "2026-11-22T12:00:01Z",
        "Version": "2015-04-01",
    }


@pytest.mark.parametrize("bare", [False, True], ids=["PEM", "base64 alone"])
def test_an_rsa_key_signs_what_its_public_half_verifies(*, bare: bool) -> None:
    """SHA256withRSA over the same string to sign; some tools keep the key without its armour."""
    pem = _pem(KEY).reveal()
    if bare:
        pem = "".join(line for line in pem.splitlines() if "-----" not in line)
    signer = RsaSigner("PK", private_key=Sensitive(f"{pem}\n"))
    found = signed({"Action": "GenerateSessionAccessKey"}, method="GET", by=signer)
    assert found["SignatureMethod"] == "SHA256withRSA"
    assert found["SignatureType"] == "PRIVATEKEY"
    rest = {name: value for name, value in found.items() if name != "Signature"}
    KEY.public_key().verify(
        base64.b64decode(found["Signature"]),
        string_to_sign(rest, method="GET").encode(),
        padding.PKCS1v15(),
        SHA256(),
    )


@pytest.mark.parametrize(
    "text",
    [
        Sensitive(""),
        Sensitive("planted-secret"),
        Sensitive("-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----"),
        _pem(ec.generate_private_key(ec.SECP256R1())),
        _pem(KEY, password=b"locked"),
    ],
    ids=["empty", "word", "broken", "another algorithm", "locked"],
)
def test_what_is_no_rsa_key_is_said_to_be_none(text: Sensitive) -> None:
    """And not quoted."""
    with pytest.raises(NoRsaKeyError) as caught:
        RsaSigner("PK", private_key=text)
    assert "planted" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_private_key_has_a_limit() -> None:
    """A key of 16,384 bits would take seconds to read, and to sign with in the event loop."""
    with pytest.raises(NoRsaKeyError):
        RsaSigner("PK", private_key=Sensitive("-----BEGIN PRIVATE KEY-----\n" + "A" * 4096))
