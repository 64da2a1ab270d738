"""What a log line may show."""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keywright.api.sensitive import Sensitive
from keywright.telemetry.logs import REMOVED, _Json, _Scrubbing, redact

ROOT = Path(__file__).parents[3]
WORD = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12"
PLANTED = {
    "a JSON web token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlMTIz",
    "a short-term key": "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tLz9BY3Rpb249",
    "a long-term key": "ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY3ODkw",
    "a session token": "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLXdlc3QtMiJ",
    "an older session token": "FwoGZXIvYXdzEBYaDKJ1ZXN0aW5nIGlzIGdvb2QK12",
}
NAMED = {
    "a header": ("Authorization: Bearer {}", WORD),
    "a header without a space": ("authorization:{}", WORD),
    "a header of a dictionary": ("{{'Authorization': 'Bearer {}'}}", WORD),
    "a bare bearer": ("bearer {}", WORD),
    "a signature": ("https://x/?X-Amz-Signature={}&a=b", "0a1b2c"),
    "a token of a query": ("https://x/?X-Amz-Security-Token={}", "FwoG%2FabcX"),
    "a secret access key": ("aws_secret_access_key = {}", WORD),
    "a secret access key of an answer": ('{{"SecretAccessKey": "{}"}}', WORD),
    "a session token of a dictionary": ("'SessionToken': '{}'", WORD),
    "a security token": ("security_token={}", WORD),
    "a private key": (
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----",
        "MHcCAQEEIB",
    ),
}
CASES = [(name, "{}", secret) for name, secret in PLANTED.items()] + [
    (name, frame, secret) for name, (frame, secret) in NAMED.items()
]


def _record(message: str, *, error: Exception | None = None, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("test", logging.WARNING, __file__, 1, message, (), None)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    vars(record).update(extra)
    return record


def _raised(text: str) -> Exception:
    try:
        int(text)
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(("name", "frame", "secret"), CASES, ids=[case[0] for case in CASES])
def test_what_looks_like_a_secret_is_cut_out_wherever_it_stands(
    name: str, frame: str, secret: str
) -> None:
    """Rule 13: in the message, in a traceback and in an extra; as text and as JSON that parses."""
    planted = frame.format(secret)
    records = [
        _record(f"before {planted} after"),
        _record("before after", error=_raised(planted)),
        _record("before after", answer=planted),
        _record("before after", answer={"body": [planted]}),
    ]
    for record in records:
        for formatter in (_Scrubbing("%(message)s"), _Json()):
            line = formatter.format(record)
            assert secret not in line, name
            assert "before" in line
    for record in records:
        reported = json.loads(_Json().format(record))
        assert REMOVED in json.dumps(reported), name


def test_a_name_stays_where_its_value_goes() -> None:
    """The reader sees what was there, and a line of JSON stays one."""
    assert redact(f"Authorization: Bearer {WORD}") == f"Authorization: {REMOVED}"
    line = json.loads(_Json().format(_record("x", authorization=f"Bearer {WORD}")))
    assert line["authorization"] == REMOVED
    url = json.loads(_Json().format(_record('asked "https://x/?X-Amz-Signature=0a1b"')))
    assert url["message"] == f'asked "https://x/?X-Amz-Signature={REMOVED}"'


@pytest.mark.parametrize(
    "text",
    [
        "Authorization failed for AuthorizationPolicyNotFoundException",
        "Secret chat-key holds a bedrockShortTermKey until 2026-11-22T22:00:00Z.",
        "iss=https://oidc.example.com/id/A, aud=sts.amazonaws.com, sub=system:serviceaccount:a:b",
        "the bearer of a short key",
        "eyJhbGciOiJSUzI1NiJ9",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    """A log that says nothing is of no use either."""
    assert redact(text) == text


def test_a_line_of_json_says_when_who_and_what() -> None:
    """Milliseconds in UTC, level, logger, message, and the extras by their own names."""
    line = json.loads(_Json().format(_record("hello", grant="chat/chat-key", key=Sensitive("s"))))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "test",
        "message": "hello",
        "grant": "chat/chat-key",
        "key": "<sensitive>",
    }


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\x0b", "\x1b", "\x85", "\u2028", "\u202e", "\x00", "\udc80"]
)
def test_a_value_of_a_tenant_cannot_begin_a_line_of_its_own(character: str) -> None:
    """In the message and in a traceback, as text and as JSON; the reader sees what was there."""
    forged = f"a name{character}2026-11-27 12:00:00,000 ERROR keywright the Lease is lost"
    records = [_record(forged), _record("x", error=_raised(forged)), _record("x", name_=forged)]
    for record in records:
        for formatter in (_Scrubbing("%(message)s"), _Json()):
            line = formatter.format(record)
            assert len(line.splitlines()) == 1
            assert character not in line
    shown = _Scrubbing("%(message)s").format(records[0])
    assert shown.startswith("a name\\")
    assert shown.endswith("the Lease is lost")


@pytest.mark.parametrize("form", ["json", "text"])
def test_libraries_that_write_down_requests_are_never_at_debug(form: str) -> None:
    """Whatever level is asked: their bodies hold secrets that look like any other word."""
    program = (
        "import logging; from keywright.telemetry.logs import set_up_logging as s;"
        f"s(level='debug', form='{form}');"
        "logging.getLogger('botocore.parsers').debug('planted');"
        "logging.getLogger('keywright').debug('shown')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "shown" in done.stdout
    assert "planted" not in done.stdout + done.stderr


_JWT = PLANTED["a JSON web token"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("eyJ" * 100_000, id="beginnings of tokens in one word"),
        pytest.param("eyJaaaaaaaa." * 25_000, id="parts of tokens"),
        pytest.param("-----BEGIN PRIVATE KEY-----\n" * 10_000, id="keys without an end"),
        pytest.param("-----BEGIN " + "A " * 150_000, id="a header without an end"),
        pytest.param("bearer " * 40_000, id="bearers"),
        pytest.param("authorization" + " " * 300_000, id="blanks behind a name"),
        pytest.param("secret_access_key" * 18_000, id="names without a value"),
        pytest.param("session_token" + " " * 150_000 + ":" + " " * 150_000, id="blanks around"),
        pytest.param("x-amz-signature=" * 20_000, id="queries"),
        pytest.param("bedrock-api-key-" * 20_000, id="prefixes of keys"),
        pytest.param("FwoG" * 75_000, id="beginnings of session tokens"),
    ],
)
def test_the_time_that_scrubbing_takes_grows_with_the_text_alone(text: str) -> None:
    """Three hundred kilobytes of it took minutes, in which nothing else was done."""
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "frame", ["{}", "x.{}", "n{}", "{}.{}", "host.example.com {} a.b", "a.b.SecretAccessKey={}"]
)
def test_a_token_is_found_among_other_words(frame: str) -> None:
    """Whatever stands before it, and how many of them there are; what is none stays."""
    line = redact(frame.format(_JWT, _JWT))
    assert "eyJ" not in line
    assert line.startswith(frame.partition("{")[0])
    assert redact("eyJhb.host.example.com") == "eyJhb.host.example.com"


def test_a_key_that_is_cut_off_is_removed_and_json_stays_json() -> None:
    """A server's answer may be cut anywhere."""
    line = _Json().format(_record("before -----BEGIN RSA PRIVATE KEY-----\nMHcCAQEEIB", after="x"))
    assert "MHcCAQEEIB" not in line
    assert json.loads(line)["after"] == "x"


def test_a_line_is_bounded() -> None:
    """However long the text; what is cut was scrubbed before, so that half a token is none."""
    text = "a " * 8_000 + _JWT + " b" * 100_000
    for formatter in (_Scrubbing("%(message)s"), _Json()):
        line = formatter.format(_record(text))
        assert len(line) < 20_000
        assert "eyJ" not in line
    assert json.loads(_Json().format(_record(text, after="x")))["after"] == "x"
