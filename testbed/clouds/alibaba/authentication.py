"""Authentication of requests: signature, clock and nonce, verified on every call."""

from __future__ import annotations

import datetime
import hashlib
from typing import TYPE_CHECKING

from testbed.clouds.alibaba import refusals, signatures
from testbed.clouds.alibaba.signatures import Authorization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.alibaba.accounts import User
    from testbed.clouds.alibaba.principals import Principal, Principals
    from testbed.clouds.alibaba.rsa_keys import RsaKeys
    from testbed.clouds.clock import Clock
    from testbed.clouds.wire import Request

_SKEW_SECONDS = 15 * 60
_TIME_FORM = "%Y-%m-%dT%H:%M:%SZ"


class Authentication:
    """Verifies requests in either style."""

    def __init__(self, *, principals: Principals, rsa_keys: RsaKeys, clock: Clock) -> None:
        self._principals = principals
        self._rsa_keys = rsa_keys
        self._clock = clock
        self._nonces: dict[str, float] = {}

    def verify(self, request: Request) -> Principal:
        """The principal of a signed request; raises CloudError."""
        header = request.header("authorization")
        if header is not None:
            return self._verify_acs3(request, header=header)
        return self._verify_rpc(request)

    def verify_rsa(self, request: Request) -> User:
        """The user whose RSA key pair signed an RPC request; raises CloudError.

        SignatureMethod=SHA256withRSA with SignatureType=PRIVATEKEY, as the credential tool for Go
        writes it (credentials-go, rsa_key_pair_credentials_provider.go).
        """
        given = signatures.parameters(request)
        self._check_form(given, method="SHA256withRSA", kind="PRIVATEKEY")
        key = self._rsa_keys.find(given["AccessKeyId"])
        if key is None:
            raise refusals.access_key_not_found()
        text = signatures.rpc_string_to_sign(request.method, given)
        if not key.signed(text, signature=given["Signature"]):
            raise refusals.signature_mismatch(text)
        self._use_nonce(given["SignatureNonce"])
        return key.user

    def check_time(self, text: str) -> None:
        """Raise CloudError unless the text is a time, at most 15 minutes away."""
        try:
            to_api = datetime.datetime.strptime(f"{text}+0000", f"{_TIME_FORM}%z").timestamp()
        except ValueError:
            raise refusals.time_stamp_format() from None
        if abs(to_api - self._clock.now()) > _SKEW_SECONDS:
            raise refusals.time_stamp_expired()

    def context(self, request: Request) -> dict[str, tuple[str, ...]]:
        """The condition keys of a policy that apply to any call."""
        now = datetime.datetime.fromtimestamp(self._clock.now(), datetime.UTC)
        return {
            "acs:sourceip": (request.source_ip,),
            "acs:currenttime": (now.isoformat(),),
            "acs:securetransport": ("true",),
        }

    def _verify_rpc(self, request: Request) -> Principal:
        given = signatures.parameters(request)
        self._check_form(given, method="HMAC-SHA1", kind="")
        principal = self._principals.find(given["AccessKeyId"], token=given.get("SecurityToken"))
        text = signatures.rpc_string_to_sign(request.method, given)
        expected = signatures.rpc_signature(principal.secret_key, text)
        if not signatures.same(expected, given["Signature"]):
            raise refusals.signature_mismatch(text)
        self._use_nonce(given["SignatureNonce"])
        return principal

    def _verify_acs3(self, request: Request, *, header: str) -> Principal:
        authorization = Authorization.parse(header)
        _check_signed_headers(request, signed=authorization.signed_headers)
        nonce = request.header("x-acs-signature-nonce")
        if not nonce:
            raise refusals.missing_parameter("SignatureNonce")
        self.check_time(request.header("x-acs-date") or "")
        principal = self._principals.find(
            authorization.access_key_id, token=request.header("x-acs-security-token")
        )
        text = signatures.acs3_string_to_sign(request, signed_headers=authorization.signed_headers)
        expected = signatures.acs3_signature(principal.secret_key, text)
        if not signatures.same(expected, authorization.signature):
            raise refusals.acs3_signature_mismatch(text)
        self._use_nonce(nonce)
        return principal

    def _check_form(self, given: Mapping[str, str], *, method: str, kind: str) -> None:
        for name in ("AccessKeyId", "Signature", "SignatureMethod", "SignatureNonce", "Timestamp"):
            if not given.get(name):
                raise refusals.missing_parameter(name)
        if given.get("SignatureVersion") != "1.0":
            raise refusals.unsupported("SignatureVersion")
        if given["SignatureMethod"] != method or given.get("SignatureType", "") != kind:
            raise refusals.unsupported("SignatureMethod")
        self.check_time(given["Timestamp"])

    def _use_nonce(self, nonce: str) -> None:
        now = self._clock.now()
        while self._nonces:
            oldest, at = next(iter(self._nonces.items()))
            if abs(now - at) <= _SKEW_SECONDS:
                break
            del self._nonces[oldest]
        if nonce in self._nonces:
            raise refusals.nonce_used()
        self._nonces[nonce] = now


def _check_signed_headers(request: Request, *, signed: tuple[str, ...]) -> None:
    """Require host, content type and all x-acs- headers to be signed, and a correct body hash."""
    must = {
        name
        for name, _ in request.headers
        if name in {"host", "content-type"} or name.startswith("x-acs-")
    }
    if not must <= set(signed) or "host" not in signed or list(signed) != sorted(signed):
        raise refusals.incomplete_signature()
    if request.header("x-acs-content-sha256") != hashlib.sha256(request.body).hexdigest():
        raise refusals.incomplete_signature()
