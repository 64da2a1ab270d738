"""The bounded effort to read a key back from arbitrary content of its Secret."""

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from keywright.api.keys import KeyKind
from keywright.api.sensitive import Sensitive
from keywright.secrets.fingerprint import KeyFacts, fingerprint
from keywright.secrets.recovery import Record, is_recoverable, recover
from keywright.secrets.templates import parse_template
from tests.unit.secrets.samples import EXPIRES, ISSUED

_KEY = b"operator's own"
_MEGABYTE = 1_000_000
_VALUES = {
    "accessKeyId": "ASIAABCDEFGHIJKLMNOP",
    "secretAccessKey": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12",
    "sessionToken": "IQoJ" + "b" * 4_000,
}


_FACTS = KeyFacts(None, issued_at=ISSUED, expires_at=EXPIRES, revision=2)


def _record(facts: KeyFacts = _FACTS) -> Record:
    values = {name: Sensitive(text) for name, text in _VALUES.items()}
    mark = fingerprint(
        key_identity="", data={}, values=values, facts=_FACTS, key=_KEY, namespace="chat"
    )
    return Record(mark, facts=(facts,), is_in_status=True)


def _ids(count: int) -> str:
    return "".join(f"a=ASIA{number:016d}\n" for number in range(count))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param(
            KeyKind.SESSION_CREDENTIALS,
            {"a": _ids(20), "b": "b=" + "s" * 40, "c": "c=" + "t" * 680_000},
            id="a token of 680 KB for each of two thousand hashes",
        ),
        pytest.param(
            KeyKind.SESSION_CREDENTIALS,
            {"a": _ids(2000), "b": "b=" + "s" * 40, "c": "c=" + "t" * 16_000},
            id="long tokens with many ids",
        ),
        pytest.param(KeyKind.SESSION_CREDENTIALS, {"a": "=\n" * (_MEGABYTE // 2)}, id="lines"),
        pytest.param(KeyKind.SESSION_CREDENTIALS, {"a": "[" * _MEGABYTE}, id="nested JSON"),
        pytest.param(
            KeyKind.BEDROCK_SHORT_TERM_KEY, {"a": "x" * _MEGABYTE}, id="one value of a megabyte"
        ),
        pytest.param(
            KeyKind.BEDROCK_SHORT_TERM_KEY,
            {f"k{number}": "k=" + "v" * 900 for number in range(1000)},
            id="a thousand entries",
        ),
    ],
)
def test_what_is_tried_is_bounded(kind: KeyKind, data: dict[str, str]) -> None:
    """Two thousand hashes of a token of 680 KB held the event loop up for 1.8 s."""
    began = time.process_time()
    assert recover(kind, data=data, record=_record(), key=_KEY, namespace="chat") is None
    assert time.process_time() - began < 5


def test_a_key_is_found_beside_much_that_is_none() -> None:
    """What is too long to be a part of a key costs nothing."""
    data = {
        "junk": "j=" + "t" * 680_000,
        "id": _VALUES["accessKeyId"],
        "secret": _VALUES["secretAccessKey"],
        "token": _VALUES["sessionToken"],
    }
    found = recover(
        KeyKind.SESSION_CREDENTIALS, data=data, record=_record(), key=_KEY, namespace="chat"
    )
    assert found is not None
    assert {name: value.reveal() for name, value in found.items()} == _VALUES


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(_FACTS, key_id="other"), id="another key"),
        pytest.param(replace(_FACTS, expires_at=EXPIRES + timedelta(hours=1)), id="a later expiry"),
        pytest.param(replace(_FACTS, expires_at=None), id="no expiry"),
        pytest.param(replace(_FACTS, issued_at=EXPIRES), id="issued later"),
        pytest.param(replace(_FACTS, revision=3), id="a later revision"),
    ],
)
def test_values_with_other_facts_are_not_the_key(facts: KeyFacts) -> None:
    """They are those of an earlier key, or another client has edited the annotations."""
    kind, data = KeyKind.SESSION_CREDENTIALS, dict(_VALUES)
    assert recover(kind, data=data, record=_record(), key=_KEY, namespace="chat")
    assert recover(kind, data=data, record=_record(facts), key=_KEY, namespace="chat") is None


@pytest.mark.parametrize("layout", [_VALUES, {"profiles": [_VALUES]}, list(_VALUES.values())])
def test_a_key_is_found_within_json(layout: object) -> None:
    """The values can be in an object, in a list, or in an object within a list."""
    found = recover(
        KeyKind.SESSION_CREDENTIALS,
        data={"file": json.dumps(layout)},
        record=_record(),
        key=_KEY,
        namespace="chat",
    )
    assert found is not None
    assert {name: value.reveal() for name, value in found.items()} == _VALUES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${apiKey}", True),
        ("Bearer ${apiKey}", True),
        ("Token ${apiKey}", False),
        ("Bearer ${apiKey|base64}", False),
        ("${apiKey} Bearer ", False),
        ("Bearer ", False),
        ("${region}", False),
    ],
)
def test_a_key_is_found_by_itself_or_after_the_bearer_prefix(text: str, *, expected: bool) -> None:
    """A Secret of any other template also gets the canonical file."""
    template = parse_template(text)
    assert is_recoverable([template], kind=KeyKind.BEDROCK_SHORT_TERM_KEY) is expected
