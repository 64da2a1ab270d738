"""The schema of a custom kind as one object: prune, set defaults, validate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded import field_errors, shaping, validation
from testbed.clusters.embedded.documents import Document, Value, compact
from testbed.clusters.embedded.field_errors import FieldProblem
from testbed.clusters.embedded.nodes import MISSING, Node, below_path
from testbed.clusters.embedded.rules import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clusters.embedded.rules import Rule

_ALWAYS_KNOWN: Final = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled schema."""

    root: Node

    def shape(self, document: Document) -> tuple[Document, list[str]]:
        """The document pruned and with defaults, and the paths of the removed fields."""
        unknown: list[str] = []
        head = {name: document[name] for name in _ALWAYS_KNOWN if name in document}
        rest = {name: value for name, value in document.items() if name not in head}
        pruned = shaping.prune(rest, self.root, path="", unknown=unknown)
        return {**head, **shaping.with_defaults(pruned, self.root)}, sorted(unknown)

    def field_errors(self, document: Document, old: Document | None) -> list[FieldProblem]:
        """The errors of a document, on an update compared with its earlier version."""
        before: Value = MISSING if old is None else old
        found = validation.structural_problems(document, self.root, old=before)
        if not self.root.has_rules:
            return found
        if any(problem.blocks_rules for problem in found):
            return [*found, field_errors.RULES_UNCHECKED]
        return found + list(_run_rules(document, self.root, path="", old=before))


def _run_rules(value: Value, node: Node, *, path: str, old: Value) -> Iterator[FieldProblem]:
    if not node.has_rules or value is None:
        return
    yield from _run_own_rules(value, node, path=path, old=old)
    if isinstance(value, dict):
        earlier = old if isinstance(old, dict) else {}
        for name, member in value.items():
            if (below := node.member(name)) is not None:
                place = below_path(path, name, node)
                yield from _run_rules(member, below, path=place, old=earlier.get(name, MISSING))
    elif isinstance(value, list) and node.items is not None:
        find = validation.correlate(old, node)
        for index, item in enumerate(value):
            yield from _run_rules(item, node.items, path=f"{path}[{index}]", old=find(item))


def _run_own_rules(value: Value, node: Node, *, path: str, old: Value) -> Iterator[FieldProblem]:
    if not node.rules:
        return
    same = old is not MISSING and (old is value or old == value)
    shown = _as_cel(value, node)
    before = None if old is MISSING else _as_cel(old, node)
    for rule in node.rules:
        if rule.is_transition and old is MISSING and not rule.optional_old:
            continue
        if same and not rule.is_transition:
            continue
        try:
            text = rule.problem(shown, before)
        except EvaluationError as error:
            yield field_errors.invalid_value(path or "<nil>", node.type, str(error))
            continue
        if text is not None:
            yield _rule_problem(rule, text, value=value, path=path)


def _rule_problem(rule: Rule, text: str, *, value: Value, path: str) -> FieldProblem:
    place = f"{path}{rule.field_path}" if path else rule.field_path.lstrip(".") or "<nil>"
    match rule.reason:
        case "FieldValueForbidden":
            message = f"Forbidden: {text}"
        case "FieldValueRequired":
            message = f"Required value: {text}"
        case "FieldValueDuplicate":
            message = f"Duplicate value: {compact(value)}"
        case _ if isinstance(value, dict | list):
            message = f"Invalid value: {text}"
        case _:
            message = f"Invalid value: {compact(value)}: {text}"
    return FieldProblem(field=place, reason=rule.reason, message=message)


def _as_cel(value: Value, node: Node) -> Value:
    """The value with the types and names that rules see."""
    if not node.converts:
        return value
    if isinstance(value, dict):
        return {
            node.renamed.get(name, name): (
                _as_cel(member, below) if (below := node.member(name)) is not None else member
            )
            for name, member in value.items()
        }
    if isinstance(value, list) and node.items is not None:
        return [_as_cel(item, node.items) for item in value]
    if node.type == "number" and isinstance(value, int):
        return float(value)
    return value
