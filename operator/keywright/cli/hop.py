"""One step of a diagnosis: what was tried, its result, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from keywright.api.errors import Failure
from keywright.cli.screen import Screen, Span, Style, wrap

DOCS: Final = "docs/troubleshooting.md"
_INDENT: Final = "    "


class Result(Enum):
    """The result of a step."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


_MARKS: Final = {
    Result.OK: ("✓", "ok", Style.GOOD),
    Result.WARNING: ("!", "warn", Style.WARN),
    Result.FAILED: ("✗", "FAIL", Style.BAD),
    Result.SKIPPED: ("-", "skip", Style.DIM),
}


@dataclass(frozen=True, slots=True)
class Hop:
    """A step with its id in docs/troubleshooting.md.

    `facts` are lines of what was found, and `cure` what to do, if it did not succeed.
    """

    id: str
    title: str
    result: Result = Result.OK
    facts: Sequence[str] = ()
    cure: str = ""

    def document(self) -> dict[str, Any]:
        """The item of `-o json`."""
        return {
            "id": self.id,
            "title": self.title,
            "result": self.result.value,
            "facts": list(self.facts),
            "cure": self.cure,
        }


def failed(id_: str, title: str, failure: Failure) -> Hop:
    """The step of a failure, with its field, reason and remedy."""
    place = f"{failure.field}: " if failure.field else ""
    return Hop(
        id_,
        title,
        Result.FAILED,
        facts=(f"{failure.reason}: {place}{failure.message}",),
        cure=failure.remedy,
    )


def write_hop(screen: Screen, hop: Hop) -> None:
    """Write a step as it comes: its mark, title and id, then its facts and its cure."""
    mark, word, style = _MARKS[hop.result]
    screen.line(
        Span(mark if screen.unicode else word, style), f" {hop.title}  ", Span(hop.id, Style.DIM)
    )
    for fact in hop.facts:
        _write_wrapped(screen, fact, Style.PLAIN)
    if hop.cure:
        _write_wrapped(screen, f"Fix: {hop.cure}", Style.BOLD)
    screen.flush()


def has_failed(hops: Iterable[Hop]) -> bool:
    """Whether a step has failed."""
    return any(hop.result is Result.FAILED for hop in hops)


def _write_wrapped(screen: Screen, text: str, style: Style) -> None:
    for line in text.split("\n"):
        for piece in wrap(line, max(40, screen.width - len(_INDENT))):
            screen.line(_INDENT, Span(piece, style))
