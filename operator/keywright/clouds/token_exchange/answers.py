"""The answers of token endpoints: an access token, or an error.

The formats are those of RFC 6749, sections 5.1 and 5.2, and Anthropic's API errors. An endpoint can
be hostile: size, type, characters and range of everything are checked, and no token is ever quoted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from keywright.api.errors import Failure
from keywright.api.sensitive import Sensitive
from keywright.clouds.answer_values import ACCESS_TOKEN, invalid, secret
from keywright.clouds.http import HttpResponse
from keywright.clouds.redaction import MAX_LENGTH, redacted

MAX_SECONDS: Final = 366 * 86_400
"""The longest lifetime that is believed; the longest of a known vendor is one day."""
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_QUOTED: Final = 300
# As short a part of a token is of no use, and occurs in a text by chance at most.
_ECHO: Final = 16


_T = TypeVar("_T", bound=msgspec.Struct)


class _Answer(msgspec.Struct):
    access_token: Any = None
    expires_in: Any = None
    token_type: Any = "Bearer"  # noqa: S105  a name


class _Error(msgspec.Struct):
    error: Any = None
    error_description: Any = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token, and the seconds for which it is valid."""

    value: Sensitive
    seconds: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error: the HTTP status, the code (empty if unknown) and the message, both cleaned."""

    status: int
    code: str = ""
    message: str = ""


def issued_token(answer: HttpResponse, *, sent: Sensitive) -> IssuedToken:
    """The access token in a successful answer; raises Failure, which does not quote it.

    `sent`: the ServiceAccount token, which an endpoint must not return as the access token.
    """
    found = _decoded(answer.body, _Answer)
    if found is None:
        raise invalid("JSON object of a token")
    token_type = found.token_type
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise invalid("token_type, which must be Bearer")
    value = secret(found.access_token, ACCESS_TOKEN)
    if value == sent:
        raise invalid("access_token: it is the ServiceAccount token itself")
    return IssuedToken(value, _seconds(found.expires_in))


def refusal(answer: HttpResponse, *, sent: Sensitive) -> Refusal:
    """The error in an answer; a code or message that repeats a part of the token is dropped."""
    found = _decoded(answer.body, _Error) or _Error()
    error, code, message = found.error, found.error, found.error_description
    if isinstance(error, dict):
        # In Anthropic's errors, it is an object with these fields.
        code, message = error.get("type"), error.get("message")
    shown = code if isinstance(code, str) and _CODE.fullmatch(code) else ""
    text = message[:MAX_LENGTH] if isinstance(message, str) else ""
    shown, text = ("" if _echoes(each, sent.reveal()) else each for each in (shown, text))
    return Refusal(answer.status, shown, _short(redacted(text)))


def _decoded(body: bytes, type_: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _seconds(value: object) -> int:
    """The lifetime: a number, or digits as a few servers send them; raises Failure."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _no_lifetime()
    # Also False for what is not a number.
    if not 1 <= value <= MAX_SECONDS:
        raise _no_lifetime()
    return int(value)


def _no_lifetime() -> Failure:
    return invalid(f"expires_in, which must be a number of seconds from 1 to {MAX_SECONDS}")


def _echoes(text: str, token: str) -> bool:
    """Whether a text repeats a part of the token, which it could have been split to hide."""
    packed = "".join(text.split())
    return any(packed[start : start + _ECHO] in token for start in range(len(packed) - _ECHO + 1))


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED].rsplit(' ', 1)[0]} ..."
