"""The renewal requests that were handled, as recorded in an annotation of the Secret."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import Final

MAX_REQUESTS: Final = 8
"""How many are recorded: restoring an older value requests another renewal."""
_LIMIT: Final = 256


def parse_requests(text: str | None) -> tuple[str, ...]:
    """The values of the annotation, newest first."""
    if not text:
        return ()
    return tuple(intern(each[:_LIMIT]) for each in text.split("\n")[:MAX_REQUESTS])


def format_requests(newest: str | None, handled: Iterable[str]) -> str:
    """Format the annotation with a newer handled request; empty if there is none."""
    values = [*([_line(newest)] if newest else []), *handled]
    return "\n".join(list(dict.fromkeys(values))[:MAX_REQUESTS])


def is_handled(request: str, handled: Iterable[str]) -> bool:
    """Whether a request is listed in the annotation."""
    return _line(request) in handled


def _line(request: str) -> str:
    """A value as it is recorded; a line break would split it in two."""
    return request.replace("\n", " ")[:_LIMIT]
