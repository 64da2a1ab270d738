"""Suppression of findings by annotations: `lint.keywright.dev/ignore-KW303: REASON`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from keywright.cli.findings import Finding
from keywright.cli.kustomizations import Placed
from keywright.cli.linting import rules
from keywright.cli.linting.context import finding

PREFIX: Final = "lint.keywright.dev/ignore-"


def apply_suppressions(
    found: Iterable[Finding], objects: Iterable[Placed]
) -> tuple[list[Finding], int]:
    """Return the findings that remain, and how many were suppressed."""
    suppressed: set[tuple[str, str, str]] = set()
    kept: list[Finding] = []
    for placed in objects:
        for name, reason in placed.manifest.annotations.items():
            if not name.startswith(PREFIX):
                continue
            rule = name.removeprefix(PREFIX)
            problems = list(_problems(placed, name, rule, reason))
            kept += problems
            if not problems:
                suppressed.add((rule, placed.manifest.file, placed.label))
    number = 0
    for each in found:
        if (each.rule.id, each.position.file, each.subject) in suppressed:
            number += 1
        else:
            kept.append(each)
    return kept, number


def _problems(placed: Placed, name: str, rule: str, reason: object) -> Iterator[Finding]:
    path = ("metadata", "annotations", name)
    if rule not in rules.RULES:
        yield finding(
            rules.INVALID_SUPPRESSION,
            placed,
            path,
            f"there is no rule {rule}",
            cure=f"use an ID of docs/lint.md, such as {rules.NO_ROTATION.id}",
        )
    elif not isinstance(reason, str) or not reason.strip():
        yield finding(
            rules.INVALID_SUPPRESSION,
            placed,
            path,
            f"the suppression of {rule} has no reason",
            cure="write as its value why the finding does not apply",
        )
