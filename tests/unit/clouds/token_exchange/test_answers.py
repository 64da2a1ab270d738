"""Answers of token endpoints: what is believed, and what is quoted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.token_exchange_source import TokenExchangeSource
from keywright.clouds.http import HttpResponse
from keywright.clouds.identity_tokens import TokenFacts
from keywright.clouds.token_exchange.answers import MAX_SECONDS, issued_token, refusal
from keywright.clouds.token_exchange.errors import failure_of

_SENT = Sensitive("eyJhbGciOiJSUzI1NiJ9." + "c1" * 300 + "." + "s9" * 200)
_FACTS = TokenFacts(issuer="https://issuer", audience="aud", subject="system:serviceaccount:a:b")
_OPENAI: dict[str, Any] = {
    "serviceAccountRef": {"name": "chat"},
    "openai": {"identityProviderId": "idp_1", "serviceAccountId": "sa_1"},
}


def _answer(body: object, *, status: int = 200, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, raw, headers)


def _failure(answer: HttpResponse, **exchange: Any) -> Failure:
    source = msgspec.convert(exchange or _OPENAI, TokenExchangeSource)
    found = refusal(answer, sent=_SENT)
    return failure_of(found, answer, exchange=source, token=_FACTS)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(600, 600), (600.9, 600), ("600", 600), (1, 1), (MAX_SECONDS, MAX_SECONDS)],
)
def test_a_lifetime_may_be_a_number_or_digits(value: object, seconds: int) -> None:
    """As in RFC 6749, and as a few servers send it."""
    issued = issued_token(_answer({"access_token": "a.b-c", "expires_in": value}), sent=_SENT)
    assert (issued.value.reveal(), issued.seconds) == ("a.b-c", seconds)
    assert "a.b-c" not in repr(issued)


@pytest.mark.parametrize(
    "value",
    [None, 0, -1, 0.5, True, MAX_SECONDS + 1, "", "-5", "1e3", "٦٠", [], {}, 10**400],
)
def test_no_other_lifetime_is_believed(value: object) -> None:
    """Neither none, nor an end that no key has."""
    with pytest.raises(Failure) as caught:
        issued_token(_answer({"access_token": "abc", "expires_in": value}), sent=_SENT)
    assert caught.value.reason == "InvalidAnswer"
    assert "expires_in" in caught.value.message


def test_a_lifetime_that_is_no_json_is_not_believed() -> None:
    """NaN and Infinity, which some parsers read."""
    for text in (b"NaN", b"Infinity", b"1e999"):
        body = b'{"access_token": "abc", "expires_in": ' + text + b"}"
        with pytest.raises(Failure):
            issued_token(_answer(body), sent=_SENT)


@pytest.mark.parametrize(
    "token", ["", " ", "a b", "a\nb", "ü", "a" * 16_001, 'a"b', "a,b", None, 5, ["a"]]
)
def test_a_token_is_of_the_characters_of_a_header(token: object) -> None:
    """RFC 6750: it becomes part of headers, files and variables."""
    with pytest.raises(Failure) as caught:
        issued_token(_answer({"access_token": token, "expires_in": 600}), sent=_SENT)
    assert "access_token" in caught.value.message


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 10_000])
def test_anything_else_is_no_token(body: bytes) -> None:
    """It is refused without being quoted, and never as an error of the operator."""
    with pytest.raises(Failure) as caught:
        issued_token(_answer(body), sent=_SENT)
    assert caught.value.reason == "InvalidAnswer"
    assert refusal(_answer(body, status=400), sent=_SENT).message == ""


def test_the_token_that_was_sent_is_no_access_token() -> None:
    """A ServiceAccount token is never written to a Secret."""
    answer = _answer({"access_token": _SENT.reveal(), "expires_in": 600})
    with pytest.raises(Failure, match="the ServiceAccount token itself"):
        issued_token(answer, sent=_SENT)


@pytest.mark.parametrize("size", [17, 24, 60, 10_000])
def test_a_refusal_that_repeats_the_token_is_not_quoted(size: int) -> None:
    """Whole, or in pieces that would be too short to be recognized as a token."""
    token = _SENT.reveal()
    echo = "\n".join(token[start : start + size] for start in range(0, len(token), size))
    found = refusal(
        _answer({"error": "invalid_grant", "error_description": f"bad: {echo}"}, status=400),
        sent=_SENT,
    )
    assert (found.code, found.message) == ("invalid_grant", "")


@pytest.mark.parametrize("start", [0, 100, len(_SENT.reveal()) - 64])
@pytest.mark.parametrize("form", ["RFC 6749", "Anthropic"])
def test_a_code_that_repeats_the_token_is_not_quoted(start: int, form: str) -> None:
    """Neither whole nor in part, although a token has the characters of a code."""
    echo = _SENT.reveal()[start : start + 64]
    error = echo if form == "RFC 6749" else {"type": f"code.{echo[:40]}", "message": "no"}
    answer = _answer({"error": error}, status=400)
    assert refusal(answer, sent=_SENT).code == ""
    assert echo[:40] not in _failure(answer).message


def test_a_refusal_is_short_and_clean() -> None:
    """No control character, and no more than a few hundred characters."""
    text = "one\x1b[31m two\r\nthree " + "word " * 500
    found = refusal(
        _answer({"error": "bad code\n", "error_description": text}, status=400), sent=_SENT
    )
    assert found.code == ""
    assert len(found.message) <= 304
    assert found.message.isprintable()


@pytest.mark.parametrize(
    ("text", "pause"),
    [("30", timedelta(seconds=30)), ("99999", timedelta(minutes=2)), ("soon", None), ("-1", None)],
)
def test_a_pause_is_as_the_vendor_asks_within_limits(text: str, pause: timedelta | None) -> None:
    """A vendor cannot stop a source for a year, nor until its tokens of 15 minutes expire."""
    failure = _failure(_answer({}, status=429, **{"retry-after": text}))
    assert (failure.kind, failure.retry_after) == (FailureClass.THROTTLED, pause)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_grant", FailureClass.DENIED),
        (401, "anything", FailureClass.DENIED),
        (403, "", FailureClass.DENIED),
        (400, "invalid_request", FailureClass.CONFIGURATION),
        (404, "", FailureClass.CONFIGURATION),
        (400, "temporarily_unavailable", FailureClass.TRANSIENT),
        (503, "", FailureClass.TRANSIENT),
        (302, "", FailureClass.TRANSIENT),
    ],
)
def test_a_refusal_has_the_class_that_says_whether_to_wait(
    status: int, code: str, kind: FailureClass
) -> None:
    """An outage is retried soon; a mistake waits for its correction."""
    assert _failure(_answer({"error": code}, status=status)).kind is kind


def test_anthropics_both_refusals_are_one() -> None:
    """401 authentication_error as observed, and 400 invalid_grant as documented."""
    exchange = {
        "serviceAccountRef": {"name": "chat"},
        "anthropic": {
            "federationRuleId": "fdrl_1",
            "organizationId": "0a1b2c3d-4e5f-6789-abcd-ef0123456789",
            "serviceAccountId": "svac_1",
        },
    }
    observed = {"type": "error", "error": {"type": "authentication_error", "message": "no"}}
    documented = {"error": "invalid_grant", "error_description": "no"}
    found = [
        _failure(_answer(observed, status=401), **exchange),
        _failure(_answer(documented, status=400), **exchange),
    ]
    assert len({(each.kind, each.reason, each.field, each.remedy) for each in found}) == 1
    assert "workspaceId if it has several workspaces" in found[0].remedy
