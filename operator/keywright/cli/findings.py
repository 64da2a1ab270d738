"""Findings of the commands that read manifests: what is wrong, where, and the cure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keywright.cli.manifests import Position

DOCUMENT: Final = "docs/lint.md"


class Severity(StrEnum):
    """How serious a finding is; both fail the command."""

    ERROR = "error"  # refused by the API server, or no key can be issued or read
    WARNING = "warning"  # works, with a risk that the author may not expect


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of `lint`: its stable ID, its name, and what it finds."""

    id: str
    name: str
    severity: Severity
    summary: str

    @property
    def link(self) -> str:
        """The section of the documentation."""
        return f"{DOCUMENT}#{self.id.lower()}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; `subject` is the object, `field` its field, both may be empty."""

    rule: Rule
    position: Position
    message: str
    cure: str
    subject: str = ""
    field: str = ""

    @property
    def sort_key(self) -> tuple[Position, str, str]:
        """By place, then by rule."""
        return self.position, self.rule.id, self.message
