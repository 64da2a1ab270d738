"""Validation that the schemas cannot express, or that an API server without our CRDs would skip.

The API server rejects most invalid objects on apply. The checks here cover what would break the
code that reads the values, and what CEL cannot express. Each check yields errors that name the
field and the remedy.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keywright.api.durations import format_duration, parse_duration, parse_percent
from keywright.api.errors import FieldError
from keywright.api.names import RESERVED_PREFIX
from keywright.api.schema import Policy

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_OBJECT_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
MAX_SESSION_POLICY = 2048
_LAST_LATIN = "\u00ff"
"""The maximum number of characters of an inline session policy in STS of both clouds."""


def exactly_one(field: str, *, chosen: list[str], choices: list[str]) -> Iterator[FieldError]:
    """Require exactly one choice."""
    if len(chosen) != 1:
        found = " and ".join(chosen) or "none"
        yield FieldError(field, f"set exactly one of {', '.join(choices)}; found {found}")


def at_most_one(field: str, *, chosen: list[str]) -> Iterator[FieldError]:
    """Allow at most one choice."""
    if len(chosen) > 1:
        yield FieldError(field, f"set at most one of {' and '.join(chosen)}")


def own_tags(field: str, tags: Mapping[str, str]) -> Iterator[FieldError]:
    """Reject tag keys that are reserved for the operator or AWS, in any letter case."""
    for key in tags:
        if key.casefold().startswith((RESERVED_PREFIX, "aws:")):
            yield FieldError(
                f"{field}[{key}]",
                f"keys that begin with {RESERVED_PREFIX} or aws: are reserved: rename it",
            )


def object_name(field: str, text: str) -> Iterator[FieldError]:
    """Require a valid name of a Kubernetes object, which becomes part of a URL path."""
    if not _OBJECT_NAME.fullmatch(text):
        yield FieldError(
            field, "must be a name of lower case letters, digits, '-' and '.', such as chat-key"
        )


def duration(
    field: str, text: str | None, *, least: float = 0, most: float | None = None
) -> Iterator[FieldError]:
    """Require a duration within the bounds, in seconds; the text may be absent."""
    if text is None:
        return
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        yield FieldError(field, str(error))
        return
    if seconds < least or (most is not None and seconds > most) or seconds == 0:
        bounds = f"at least {format_duration(least)}" if least else "more than 0s"
        if most is not None:
            bounds += f" and at most {format_duration(most)}"
        yield FieldError(field, f"{text} is out of bounds: set {bounds}")


def duration_or_percent(field: str, text: str | None) -> Iterator[FieldError]:
    """Require a duration or a percentage; the text may be absent."""
    if text is not None and text.endswith("%"):
        try:
            parse_percent(text)
        except ValueError as error:
            yield FieldError(field, str(error))
        return
    yield from duration(field, text)


def shorter(
    field: str, text: str | None, *, than_field: str, than: str | None
) -> Iterator[FieldError]:
    """Require the first duration to be shorter, if both texts are valid durations."""
    if text is None or than is None:
        return
    try:
        fits = parse_duration(text) < parse_duration(than)
    except ValueError:
        return
    if not fits:
        yield FieldError(field, f"{text} must be shorter than {than_field}, which is {than}")


def policy(field: str, document: Policy) -> Iterator[FieldError]:
    """Require the structure of a policy document; the cloud validates its content."""
    if is_deeper(document, than=MAX_POLICY_LEVELS):
        yield FieldError(
            field, f"is nested more than {MAX_POLICY_LEVELS} levels deep: write a policy document"
        )
    elif not document.get("Statement"):
        yield FieldError(field, "has no Statement: write a policy document")


def session_policy(
    field: str, document: Policy | None, *, latin: bool = False
) -> Iterator[FieldError]:
    """Require a policy that STS accepts, if there is one; `latin` as for `policy_text`."""
    if document is None:
        return
    yield from policy(field, document)
    if is_deeper(document, than=MAX_POLICY_LEVELS):
        return
    length = len(policy_text(document, latin=latin))
    if length > MAX_SESSION_POLICY:
        yield FieldError(
            field, f"has {length} characters: shorten it to {MAX_SESSION_POLICY}, STS's limit"
        )


def policy_text(document: Policy, *, latin: bool) -> str:
    """The policy as it is sent to STS, which counts its characters.

    `latin`: STS of AWS only accepts characters up to U+00FF, so all others are escaped.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    if latin and any(character > _LAST_LATIN for character in text):
        return json.dumps(document, separators=(",", ":"))
    return text


MAX_LEVELS: Final = 100
"""Maximum nesting of an object; its schema and the largest policy of any cloud need about twenty.
"""
MAX_POLICY_LEVELS: Final = 20
"""Maximum nesting of a policy document; those of AWS and Alibaba Cloud need six levels."""
CUT: Final = "cut off by Keywright: nested too deeply"
"""Replaces a value that is nested too deeply."""


def is_deeper(value: object, *, than: int) -> bool:
    """Whether a JSON value has more levels of objects and arrays than `than`; not recursive."""
    level = [value] if isinstance(value, Mapping | list) else []
    for _ in range(than):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list)
        ]
        if not level:
            return False
    return bool(level)


def without_depths(value: Any, *, levels: int = MAX_LEVELS) -> Any:
    """The value, with everything nested too deeply replaced by `CUT`."""
    if not isinstance(value, Mapping | list):
        return value
    if not levels:
        return CUT
    if isinstance(value, Mapping):
        return {name: without_depths(inner, levels=levels - 1) for name, inner in value.items()}
    return [without_depths(inner, levels=levels - 1) for inner in value]
