"""Label and field selectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from testbed.clusters.embedded.documents import Document, Value, metadata_of
from testbed.clusters.embedded.field_errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

Predicate: TypeAlias = "Callable[[Document], bool]"

_TERM: Final = re.compile(
    r"""\s*(?:
        (?P<set_key>[^\s,!=()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>[^\s,!=()]+)\s*(?P<sign>==|=|!=)\s*(?P<value>[^\s,!=()]*)
      | !\s*(?P<absent>[^\s,!=()]+)
      | (?P<present>[^\s,!=()]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)
_EVENT_FIELDS: Final = frozenset(
    {
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "type",
    }
)
_KIND_FIELDS: Final[dict[str, frozenset[str]]] = {
    "Secret": frozenset({"type"}),
    "Namespace": frozenset({"status.phase"}),
    "Pod": frozenset({"status.phase", "spec.nodeName"}),
    "Event": _EVENT_FIELDS,
}
_ALWAYS: Final = frozenset({"metadata.name", "metadata.namespace"})


def parse_labels(text: str) -> Predicate | None:
    """A predicate over documents, None for no selector; raises ApiError (400)."""
    if not text.strip():
        return None
    tests: list[Callable[[Document], bool]] = []
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise bad_request(
                "unable to parse requirement: found "
                f"'{'' if text.count('(') > text.count(')') else text[position:]}', "
                "expected: ',' or ')'"
            )
        tests.append(_label_test(term))
        position = term.end()

    def matches(document: Document) -> bool:
        labels = metadata_of(document).get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _label_test(term: re.Match[str]) -> Callable[[Document], bool]:
    if term["set_key"]:
        key = term["set_key"]
        values = {value.strip() for value in term["values"].split(",")}
        if term["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if term["key"]:
        key, value = term["key"], term["value"]
        if term["sign"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if term["absent"]:
        key = term["absent"]
        return lambda labels: key not in labels
    key = term["present"]
    return lambda labels: key in labels


def parse_fields(text: str, *, kind: str, custom: bool) -> Predicate | None:
    """As `parse_labels`, for the few fields that the real server supports."""
    if not text.strip():
        return None
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for term in text.split(","):
        path, sign, value = (
            re.split(r"(!=|==|=)", term, maxsplit=1) if "=" in term else (term, "", "")
        )
        if path not in _ALWAYS | _KIND_FIELDS.get(kind, frozenset()):
            raise bad_request(_unknown_field(path, kind=kind, custom=custom))
        tests.append((tuple(path.split(".")), sign != "!=", value))

    def matches(document: Document) -> bool:
        return all((_read(document, path) == value) is wanted for path, wanted, value in tests)

    return matches


def _unknown_field(path: str, *, kind: str, custom: bool) -> str:
    if custom or kind in _KIND_FIELDS:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _read(document: Document, path: tuple[str, ...]) -> str:
    value: Value = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """Combine two predicates."""
    if first is None or second is None:
        return first or second
    return lambda document: first(document) and second(document)
