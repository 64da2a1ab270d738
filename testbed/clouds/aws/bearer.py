"""Short-term API keys, verified byte by byte and independently of the library.

The format is that of aws-bedrock-token-generator 1.1.0 and of
token-generator-for-aws-external-anthropic 1.0.0: a prefix and, in base64, the presigned URL of POST
https://HOST/?Action=CallWithBearerToken without its scheme, with "&Version=1" appended after
signing.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from testbed.clouds.aws import refusals, sigv4
from testbed.clouds.aws.amz_dates import from_compact
from testbed.clouds.aws.authentication import SKEW_MINUTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.clock import Clock

LONGEST_SECONDS = 43200
_VERSION = "&Version=1"
_FIXED = {
    "Action": "CallWithBearerToken",
    "X-Amz-Algorithm": sigv4.ALGORITHM,
    "X-Amz-SignedHeaders": "host",
}
_VARYING = {"X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"}
_TOKEN = "X-Amz-Security-Token"  # noqa: S105  not a secret: name of a parameter


@dataclass(frozen=True, slots=True)
class Form:
    """The differences between the keys of services."""

    host: str
    service: str
    prefix: str


BEDROCK = Form(host="bedrock.amazonaws.com", service="bedrock", prefix="bedrock-api-key-")
CLAUDE_PLATFORM = Form(
    host="aws-external-anthropic.amazonaws.com",
    service="aws-external-anthropic",
    prefix="aws-external-anthropic-api-key-",
)


class ShortTermKeys:
    """Verifies keys of one form against the principals that signed them."""

    def __init__(
        self, form: Form, *, find: Callable[[str], Principal | None], clock: Clock
    ) -> None:
        self._form = form
        self._find = find
        self._clock = clock

    def verify(self, key: str, *, region: str) -> Principal:
        """The principal that signed the key; raises CloudError unless it is valid here and now.

        Only a genuine key is reported as expired; every other error has the same message.
        """
        query = _query(key, form=self._form)
        parameters = _parameters(query)
        scope = sigv4.Scope.parse(parameters["X-Amz-Credential"])
        signed_at = from_compact(parameters["X-Amz-Date"])
        lasts = parameters["X-Amz-Expires"]
        if (
            scope is None
            or scope.service != self._form.service
            or scope.region != region
            or scope.date != parameters["X-Amz-Date"][:8]
            or signed_at is None
            or not (lasts.isascii() and lasts.isdigit())
            or not 0 < int(lasts) <= LONGEST_SECONDS
        ):
            raise refusals.bearer_token_invalid()
        principal = self._find(scope.access_key_id)
        if principal is None or parameters.get(_TOKEN) != principal.token:
            raise refusals.bearer_token_invalid()
        expected = sigv4.signature(
            secret=principal.secret_key,
            scope=scope,
            timestamp=parameters["X-Amz-Date"],
            canonical=_canonical_request(query, host=self._form.host),
        )
        now = self._clock.now()
        if (
            not sigv4.same(expected, parameters["X-Amz-Signature"])
            or now < signed_at - SKEW_MINUTES * 60
        ):
            raise refusals.bearer_token_invalid()
        ends = signed_at + int(lasts)
        if principal.expires_at is not None:
            ends = min(ends, principal.expires_at)
        if now >= ends:
            raise refusals.bearer_token_expired()
        return principal


def _query(key: str, *, form: Form) -> str:
    """The presigned query, in its on-wire encoding."""
    if not key.startswith(form.prefix):
        raise refusals.bearer_token_format()
    try:
        address = base64.b64decode(key.removeprefix(form.prefix), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise refusals.bearer_token_invalid() from error
    begin = f"{form.host}/?"
    if not address.startswith(begin) or not address.endswith(_VERSION):
        raise refusals.bearer_token_invalid()
    return address.removeprefix(begin).removesuffix(_VERSION)


def _parameters(query: str) -> dict[str, str]:
    """The decoded parameters, if they are exactly the expected ones."""
    pairs = [pair.partition("=") for pair in query.split("&")]
    parameters = {name: unquote(value) for name, _, value in pairs}
    if (
        len(parameters) != len(pairs)
        or parameters.keys() - {_TOKEN} != _FIXED.keys() | _VARYING
        or any(parameters[name] != value for name, value in _FIXED.items())
    ):
        raise refusals.bearer_token_invalid()
    return parameters


def _canonical_request(query: str, *, host: str) -> str:
    canonical = sigv4.canonical_query(query, without="X-Amz-Signature")
    return f"POST\n/\n{canonical}\nhost:{host}\n\nhost\n{sigv4.EMPTY_HASH}"
