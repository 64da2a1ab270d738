"""How long a session policy is: STS counts the characters that it is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keywright.api.checks import policy_text, session_policy
from keywright.api.grant import ApiKeyGrant
from keywright.api.grant_checks import validate_with_source
from keywright.api.parsing import parse_grant
from tests.unit.api.samples import grant_body, source

STATEMENT = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def _policy(letter: str, *, times: int) -> dict[str, Any]:
    return {"Version": "1", "Statement": [STATEMENT | {"Sid": letter * times}]}


@pytest.mark.parametrize(
    ("letter", "times", "latin", "fits"),
    [
        ("\u4e2d", 1500, False, True),
        ("\u4e2d", 1500, True, False),
        ("\u4e2d", 300, True, True),
        ("\u4e2d", 2048, False, False),
        ("\u00e9", 1500, True, True),
        ("a", 1500, False, True),
        ("a", 2048, False, False),
    ],
)
def test_the_characters_are_those_that_are_sent(
    letter: str, times: int, *, latin: bool, fits: bool
) -> None:
    """Alibaba Cloud takes every letter as it is; AWS none beyond U+00FF, which become escapes."""
    field_errors = list(session_policy("f", _policy(letter, times=times), latin=latin))
    assert (field_errors == []) is fits


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\u4e2d", "\u2028"])
def test_what_aws_is_sent_has_letters_of_its_pattern_alone(letter: str) -> None:
    """Tab, line breaks and U+0020 to U+00FF, by the API reference; and the same document."""
    document = _policy(letter, times=3)
    text = policy_text(document, latin=True)
    assert max(text) <= "\u00ff"
    assert json.loads(text) == document


@pytest.mark.parametrize(("letter", "fits"), [("\u4e2d", False), ("\u00e9", True)])
@pytest.mark.parametrize("kind", ["bedrockShortTermKey", "sessionCredentials"])
def test_a_policy_of_a_grant_is_counted_as_sts_of_aws_counts_it(
    kind: str, letter: str, *, fits: bool
) -> None:
    """Before the operator calls STS, which would refuse the escapes."""
    limited = {kind: {"policy": _policy(letter, times=1500)}}
    found = parse_grant(grant_body(**({"bedrockShortTermKey": None} | limited)))
    problems = (
        validate_with_source(found, source=source()) if isinstance(found, ApiKeyGrant) else found
    )
    assert [problem.field for problem in problems] == ([] if fits else [f"spec.{kind}.policy"])
