"""Both signatures of Alibaba Cloud's API, and the third one that RSA key pairs make."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from testbed.clouds.alibaba import signatures
from tests.testbed.alibaba import (
    HOST,
    Member,
    allow,
    reported,
    rpc,
    signed_headers,
    time_text,
)
from tests.testbed.alibaba_sdk import Sdk, SdkError

if TYPE_CHECKING:
    from testbed.clouds.alibaba import RsaKeyPair
    from tests.testbed.alibaba import Answer


@pytest.mark.parametrize("offset", [-930, 930])
def test_a_clock_may_be_off_by_a_quarter_of_an_hour(member: Member, offset: int) -> None:
    """Within it the call is taken, beyond it refused, in either signature."""
    near = time_text(offset_seconds=offset * 0.95)
    far = time_text(offset_seconds=offset)
    assert member.assume(Timestamp=near).status == 200
    assert reported(member.assume(Timestamp=far)) == (400, "InvalidTimeStamp.Expired")
    headers = signed_headers(member.user, changed={"x-acs-date": far})
    answer = member.request("POST", "/", headers=headers)
    assert reported(answer) == (400, "InvalidTimeStamp.Expired")


def test_a_nonce_is_used_once(member: Member) -> None:
    """A call that was overheard is of no use, in either signature."""
    nonce = str(uuid.uuid4())
    assert member.assume(SignatureNonce=nonce).status == 200
    assert reported(member.assume(SignatureNonce=nonce)) == (400, "SignatureNonceUsed")
    headers = signed_headers(member.user)
    assert member.request("POST", "/", headers=headers).status == 200
    assert reported(member.request("POST", "/", headers=headers)) == (400, "SignatureNonceUsed")


def test_a_blank_is_encoded_as_rfc_3986_says(member: Member, sdk: Sdk) -> None:
    """The SDK for Python signs a blank as `+`: a policy with blanks fails, a compact one passes."""
    config: dict[str, Any] = {
        "type": "ram_role_arn",
        "access_key_id": member.user.access_key_id,
        "access_key_secret": member.user.secret_key,
        "role_arn": member.role_arn,
        "role_session_name": "keywright",
        "sts_endpoint": HOST,
    }
    with pytest.raises(SdkError, match="SignatureDoesNotMatch"):
        sdk.key(**config, policy=json.dumps(allow("oss:*")))
    sdk.key(**config, policy=json.dumps(allow("oss:*"), separators=(",", ":")))
    assert member.assume(Policy=json.dumps(allow("oss:*"))).status == 200


def test_what_was_signed_is_told(member: Member) -> None:
    """The message contains the server's string to sign, with all parameters."""
    answer = member.assume(Signature="bm90IGl0", ExternalId="a+b")
    assert "server string to sign is:GET&%2F&AccessKeyId%3DLTAI" in answer.message
    assert "ExternalId%3Da%252Bb" in answer.message
    assert quote_plus("&Signature=") not in answer.message


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"authorization": "ACS3-HMAC-SHA256 Credential=x"}, "IncompleteSignature"),
        ({"authorization": "ACS3-HMAC-SM3 Credential=x,SignedHeaders=host,Signature=0"}, None),
        ({"x-acs-content-sha256": "0" * 64}, "IncompleteSignature"),
        ({"x-acs-unsigned": "1"}, "IncompleteSignature"),
        ({"x-acs-version": "2014-01-01"}, "InvalidVersion"),
        ({"x-acs-signature-nonce": "another"}, "SignatureDoesNotMatch"),
    ],
)
def test_a_header_that_is_wrong(member: Member, changed: dict[str, str], code: str | None) -> None:
    """ACS3 covers host, content type and every x-acs- header, and the body by its hash."""
    headers = {**signed_headers(member.user), **changed}
    answer = member.request("POST", "/", headers=headers)
    assert reported(answer) == (400, code or "IncompleteSignature")


def test_a_form_is_signed_as_well(member: Member) -> None:
    """An RPC call may carry its parameters in the body of a POST."""
    given = {
        **rpc({}),
        "Action": "GetCallerIdentity",
        "AccessKeyId": member.user.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": str(uuid.uuid4()),
    }
    text = signatures.rpc_string_to_sign("POST", given)
    given["Signature"] = signatures.rpc_signature(member.user.secret_key, text)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = member.request("POST", "/", headers=headers, body=urlencode(given).encode())
    assert answer.content["Arn"] == member.user.user_arn


def _with_rsa(member: Member, pair: RsaKeyPair, **changed: str) -> Answer:
    given = {
        "Action": "GenerateSessionAccessKey",
        **rpc({}),
        "AccessKeyId": pair.public_key_id,
        "SignatureMethod": "SHA256withRSA",
        "SignatureType": "PRIVATEKEY",
        "SignatureVersion": "1.0",
        "SignatureNonce": str(uuid.uuid4()),
        **changed,
    }
    key = serialization.load_pem_private_key(pair.private_key.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    text = signatures.rpc_string_to_sign("GET", given).encode()
    signature = base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()
    return member.get({"Signature": signature, **given})


def test_a_key_pair_gives_a_key_for_a_while(member: Member) -> None:
    """SHA256withRSA as the SDK for Go signs; the key is the user's and has no token."""
    pair = member.cloud.create_rsa_key_pair(member.user.user_arn)
    answer = _with_rsa(member, pair, DurationSeconds="900")
    made = answer.content["SessionAccessKey"]
    key = member.key(made["SessionAccessKeyId"], made["SessionAccessKeySecret"])
    identity = member.call({"Action": "GetCallerIdentity"}, key=key)
    assert identity.content["Arn"] == member.user.user_arn
    member.cloud.set_clock(offset_seconds=901)
    later = {"Action": "GetCallerIdentity", "Timestamp": time_text(offset_seconds=901)}
    assert reported(member.call(later, key=key)) == (404, "InvalidAccessKeyId.NotFound")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"Signature": "bm90IGl0"}, 400, "SignatureDoesNotMatch"),
        ({"Signature": "?"}, 400, "SignatureDoesNotMatch"),
        ({"SignatureType": ""}, 400, "InvalidSignatureMethod"),
        ({"AccessKeyId": "TMPK.unknown"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"DurationSeconds": "3601"}, 400, "InvalidParameter.DurationSeconds"),
    ],
)
def test_a_key_pair_is_verified(
    member: Member, changed: dict[str, str], status: int, code: str
) -> None:
    """Signature, type, key and duration."""
    pair = member.cloud.create_rsa_key_pair(member.user.user_arn)
    assert reported(_with_rsa(member, pair, **changed)) == (status, code)
