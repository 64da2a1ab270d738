"""What the schemas cannot say, or what an API server without our CRDs would let through.

The API server refuses most of this at apply; here stands what would otherwise break the code that
reads the values, and what CEL cannot see. Each check yields problems that name field and remedy.
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
LONGEST_SESSION_POLICY = 2048
_LAST_LATIN = "\u00ff"
"""Characters of an inline session policy; the limit of STS of both clouds."""


def exactly_one(field: str, *, chosen: list[str], choices: list[str]) -> Iterator[FieldError]:
    """Nothing if one choice is made."""
    if len(chosen) != 1:
        found = " and ".join(chosen) or "none"
        yield FieldError(field, f"set exactly one of {', '.join(choices)}; found {found}")


def at_most_one(field: str, *, chosen: list[str]) -> Iterator[FieldError]:
    """Nothing if no two choices are made."""
    if len(chosen) > 1:
        yield FieldError(field, f"set at most one of {' and '.join(chosen)}")


def own_tags(field: str, tags: Mapping[str, str]) -> Iterator[FieldError]:
    """Nothing if no tag key is one of the operator's own or of AWS's, in any letter case."""
    for key in tags:
        if key.casefold().startswith((RESERVED_PREFIX, "aws:")):
            yield FieldError(
                f"{field}[{key}]",
                f"keys that begin with {RESERVED_PREFIX} or aws: are reserved: rename it",
            )


def object_name(field: str, text: str) -> Iterator[FieldError]:
    """Nothing if the text can be the name of a Kubernetes object, and so part of a URL path."""
    if not _OBJECT_NAME.fullmatch(text):
        yield FieldError(
            field, "must be a name of lower case letters, digits, '-' and '.', such as chat-key"
        )


def duration(
    field: str, text: str | None, *, least: float = 0, most: float | None = None
) -> Iterator[FieldError]:
    """Nothing if the text is absent, or a duration within the bounds in seconds."""
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
    """Nothing if the text is absent, a duration or a percentage."""
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
    """Nothing if one of the two is absent or no duration, or the first is the shorter."""
    if text is None or than is None:
        return
    try:
        fits = parse_duration(text) < parse_duration(than)
    except ValueError:
        return
    if not fits:
        yield FieldError(field, f"{text} must be shorter than {than_field}, which is {than}")


def policy(field: str, document: Policy) -> Iterator[FieldError]:
    """Nothing if the document has the form of a policy; its language is the cloud's to check."""
    if is_deeper(document, than=MOST_POLICY_LEVELS):
        yield FieldError(
            field, f"is nested more than {MOST_POLICY_LEVELS} levels deep: write a policy document"
        )
    elif not document.get("Statement"):
        yield FieldError(field, "has no Statement: write a policy document")


def session_policy(
    field: str, document: Policy | None, *, latin: bool = False
) -> Iterator[FieldError]:
    """Nothing if the document is absent, or a policy that STS would take; `latin` as below."""
    if document is None:
        return
    yield from policy(field, document)
    if is_deeper(document, than=MOST_POLICY_LEVELS):
        return
    length = len(policy_text(document, latin=latin))
    if length > LONGEST_SESSION_POLICY:
        yield FieldError(
            field, f"has {length} characters: shorten it to {LONGEST_SESSION_POLICY}, STS's limit"
        )


def policy_text(document: Policy, *, latin: bool) -> str:
    """A policy as STS is sent it, whose characters STS counts.

    `latin`: STS of AWS takes characters up to U+00FF alone, so that others are written as escapes.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    if latin and any(character > _LAST_LATIN for character in text):
        return json.dumps(document, separators=(",", ":"))
    return text


MOST_LEVELS: Final = 100
"""Levels of a whole object; its schema and the largest policy of any cloud need some twenty."""
MOST_POLICY_LEVELS: Final = 20
"""Levels of a policy document; those of AWS and Alibaba Cloud have six."""
CUT: Final = "cut off by Keywright: nested too deeply"
"""Stands where something deeper was."""


def is_deeper(value: object, *, than: int) -> bool:
    """Whether a JSON value has more levels of objects and arrays; does not recurse."""
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


def without_depths(value: Any, *, levels: int = MOST_LEVELS) -> Any:
    """The value, with what is deeper replaced by `CUT`."""
    if not isinstance(value, Mapping | list):
        return value
    if not levels:
        return CUT
    if isinstance(value, Mapping):
        return {name: without_depths(inner, levels=levels - 1) for name, inner in value.items()}
    return [without_depths(inner, levels=levels - 1) for inner in value]
