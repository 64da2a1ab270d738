"""What every check receives, and how it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from keywright.cli.findings import Finding, Rule
from keywright.cli.inventory import Inventory
from keywright.cli.kustomizations import Placed
from keywright.cli.linting.crd_schema import Path, format_path


@dataclass(frozen=True, slots=True)
class LintContext:
    """All objects, and namespace and name of the operator's ServiceAccount."""

    inventory: Inventory
    operator: tuple[str, str]


Check: TypeAlias = Callable[[LintContext], Iterator[Finding]]
"""A check finds violations of some rules among all objects."""


def finding(rule: Rule, placed: Placed, field: str | Path, message: str, *, cure: str) -> Finding:
    """A finding at a field of an object; `field` as in messages, or as a path."""
    manifest = placed.manifest
    if isinstance(field, str):
        position, name = manifest.position_of(field), field
    else:
        position, name = manifest.position(*field), format_path(field)
    return Finding(rule, position, message, cure, subject=placed.label, field=name)


def split_cure(message: str) -> tuple[str, str]:
    """Split a message of the product, `what is wrong: what to do`, into its two parts."""
    what, colon, cure = message.rpartition(": ")
    if not colon:
        return message, "see `kubectl explain` for what the field accepts"
    return what, cure
