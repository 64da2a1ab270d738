"""Run all checks over what the reader has read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keywright.cli.findings import Finding
from keywright.cli.inventory import Inventory
from keywright.cli.kustomizations import place
from keywright.cli.linting import rules
from keywright.cli.linting.context import Check, LintContext
from keywright.cli.linting.reference_checks import (
    check_referenced_secrets,
    check_secrets,
    check_sources,
    check_tokens,
)
from keywright.cli.linting.renewal_checks import check_renewals
from keywright.cli.linting.schema_checks import check_kinds, check_specs
from keywright.cli.linting.suppressions import apply_suppressions
from keywright.cli.linting.workload_checks import check_reads, check_rollouts
from keywright.cli.manifests import ProblemKind, ReadNote, ReadProblem, ReadResult

CHECKS: Final[tuple[Check, ...]] = (
    check_kinds,
    check_specs,
    check_sources,
    check_secrets,
    check_tokens,
    check_referenced_secrets,
    check_renewals,
    check_reads,
    check_rollouts,
)
_RULE_OF_PROBLEM: Final = {
    ProblemKind.SYNTAX: rules.INVALID_YAML,
    ProblemKind.DUPLICATE: rules.DUPLICATE_FIELD,
    ProblemKind.UNREADABLE: rules.UNREADABLE,
    ProblemKind.INCOMPLETE: rules.INVALID_FIELD,
}


@dataclass(frozen=True, slots=True)
class LintResult:
    """Findings by place, notes, the number of suppressed findings and of checked objects."""

    findings: tuple[Finding, ...]
    notes: tuple[ReadNote, ...]
    suppressed: int
    checked: int


def lint(read: ReadResult, *, operator: tuple[str, str]) -> LintResult:
    """Check everything that was read; `operator` is namespace and name of its ServiceAccount."""
    objects = tuple(place(read))
    inventory = Inventory(objects)
    context = LintContext(inventory, operator)
    found = {each: None for problem in read.problems for each in [_of_problem(problem)]}
    for check in CHECKS:
        found.update(dict.fromkeys(check(context)))
    kept, suppressed = apply_suppressions(found, objects)
    return LintResult(
        findings=tuple(sorted(dict.fromkeys(kept), key=lambda each: each.sort_key)),
        notes=tuple(read.notes),
        suppressed=suppressed,
        checked=len({id(placed.manifest) for placed in objects}),
    )


def _of_problem(problem: ReadProblem) -> Finding:
    rule = _RULE_OF_PROBLEM[problem.kind]
    return Finding(rule, problem.position, problem.message, problem.cure)
