"""The requests for a renewal that were handled, as an annotation of the Secret records them."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import Final

MAX_REQUESTS: Final = 8
"""How many are recorded: an older value that is put back later requests a renewal again."""
_LIMIT: Final = 256


def parse_requests(text: str | None) -> tuple[str, ...]:
    """The values of the annotation, the newest first."""
    if not text:
        return ()
    return tuple(intern(each[:_LIMIT]) for each in text.split("\n")[:MAX_REQUESTS])


def format_requests(newest: str | None, handled: Iterable[str]) -> str:
    """The annotation once a newer request is handled too; empty without any."""
    values = [*([_line(newest)] if newest else []), *handled]
    return "\n".join(list(dict.fromkeys(values))[:MAX_REQUESTS])


def is_handled(request: str, handled: Iterable[str]) -> bool:
    """Whether a request is one of those of the annotation."""
    return _line(request) in handled


def _line(request: str) -> str:
    """A value as it is recorded: a line break would make two of it."""
    return request.replace("\n", " ")[:_LIMIT]
