"""Requests of Alibaba Cloud's RPC style, signed with signature version 1.0. Pure.

Everything is encoded by RFC 3986, as the documentation of the signature says ("RPC style: request
syntax and signature method"). `alibabacloud_credentials` 1.0.12 encodes as HTML forms do, which
writes a space as `+`: a session policy with a space is then rejected (SignatureDoesNotMatch). Its
signature with an RSA key is an HMAC over the text of the key; the service, and the provider for
other languages (credentials-go, rsa_key_pair_credentials_provider.go), require SHA256withRSA.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time

VERSION = "2015-04-01"

Parameters = Mapping[str, str]


class Signer(Protocol):
    """The signer of a request."""

    def parameters(self) -> Parameters:
        """The signer's parameters of the request; signed with the rest."""

    def signature(self, text: str) -> str:
        """The signature of the string to sign, in base64."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """HMAC-SHA1 with the secret of an access key."""

    access_key_id: str
    secret: Sensitive
    token: Sensitive | None = None

    def parameters(self) -> Parameters:
        """The key's ID, and its session token if it has one."""
        token = {} if self.token is None else {"SecurityToken": self.token.reveal()}
        return {
            "AccessKeyId": self.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            **token,
        }

    def signature(self, text: str) -> str:
        """The signature with the secret and a `&` as the key."""
        key = f"{self.secret.reveal()}&".encode()
        return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha1)).decode()


def common(action: str, *, now: datetime, nonce: str) -> Parameters:
    """The parameters of all requests; a nonce is accepted once, a time for a quarter of an hour."""
    return {
        "Action": action,
        "Format": "JSON",
        "SignatureNonce": nonce,
        "Timestamp": format_time(now),
        "Version": VERSION,
    }


def signed(parameters: Parameters, *, method: str, by: Signer) -> Parameters:
    """The parameters with those of the signer and its signature."""
    whole = {**parameters, **by.parameters()}
    return {**whole, "Signature": by.signature(string_to_sign(whole, method=method))}


def string_to_sign(parameters: Parameters, *, method: str) -> str:
    """Method, path and sorted parameters, for both the query and the body."""
    return f"{method}&{_encoded('/')}&{_encoded(form(parameters))}"


def form(parameters: Parameters) -> str:
    """Sorted and encoded parameters: what is signed, and what is sent."""
    return "&".join(
        f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(parameters.items())
    )


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
