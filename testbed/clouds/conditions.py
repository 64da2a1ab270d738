"""Conditions of IAM policies, and the matching that they share with actions and resources.

"IAM JSON policy elements: Condition operators" of the IAM user guide; those that trust policies and
the policies of IAM, Bedrock and API Gateway use.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class MalformedPolicyError(ValueError):
    """The document is not a policy, or uses an unsupported element."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator applied to one context key."""

    operator: str
    key: str
    values: tuple[str, ...]

    def holds(self, context: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether the key's values in the context match those of the policy.

        Any value of the policy may match a value of the call; with ForAllValues each value of the
        call must match, which is also true if the key is absent.
        """
        quantifier, name = _parts(self.operator)
        found = context.get(self.key, ())
        if name == _NULL:
            return any((wanted == "true") is not bool(found) for wanted in self.values)
        if_exists = name.endswith("IfExists")
        matches, negated = _OPERATORS[name.removesuffix("IfExists")]
        if quantifier == "ForAllValues":
            return all(self._any(matches, actual) is not negated for actual in found)
        if not found:
            return if_exists or negated
        return any(self._any(matches, actual) for actual in found) is not negated

    def _any(self, matches: Callable[[str, str], bool], actual: str) -> bool:
        return any(matches(wanted, actual) for wanted in self.values)


def parse(body: object) -> tuple[Condition, ...]:
    """The conditions of a statement's Condition element; raises MalformedPolicyError."""
    if not isinstance(body, dict) or not all(isinstance(keys, dict) for keys in body.values()):
        raise MalformedPolicyError("Syntax errors in policy.")
    return tuple(
        _condition(operator, key, values)
        for operator, keys in body.items()
        for key, values in keys.items()
    )


def strings(body: object) -> tuple[str, ...]:
    """A value or a list of values, as a policy may write either."""
    items = body if isinstance(body, list) else [body]
    if not all(isinstance(item, str | bool | int) for item in items):
        raise MalformedPolicyError("Syntax errors in policy.")
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in items)


@functools.lru_cache(maxsize=4096)
def pattern(text: str, *, ignore_case: bool) -> re.Pattern[str]:
    """A pattern with the wildcards `*` and `?` as a regular expression for a full match."""
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in text)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _parts(operator: str) -> tuple[str, str]:
    """The quantifier, empty if there is none, and the operator itself."""
    quantifier, _, name = operator.rpartition(":")
    return quantifier, name


def _condition(operator: str, key: str, values: object) -> Condition:
    quantifier, name = _parts(operator)
    known = name == _NULL or name.removesuffix("IfExists") in _OPERATORS
    if not known or quantifier not in {"", "ForAnyValue", "ForAllValues"}:
        raise MalformedPolicyError(f"Invalid Condition type : {operator}.")
    return Condition(operator, key.lower(), strings(values))


def _like(wanted: str, actual: str) -> bool:
    return pattern(wanted, ignore_case=False).fullmatch(actual) is not None


def _in_network(network: str, actual: str) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(network, strict=False)


def _before(limit: str, actual: str) -> bool:
    return datetime.datetime.fromisoformat(actual) < datetime.datetime.fromisoformat(limit)


def _after(limit: str, actual: str) -> bool:
    return datetime.datetime.fromisoformat(actual) > datetime.datetime.fromisoformat(limit)


def _equal(wanted: str, actual: str) -> bool:
    return wanted == actual


def _equal_but_for_case(wanted: str, actual: str) -> bool:
    return wanted.lower() == actual.lower()


def _at_most(limit: str, actual: str) -> bool:
    return float(actual) <= float(limit)


def _at_least(limit: str, actual: str) -> bool:
    return float(actual) >= float(limit)


def _less(limit: str, actual: str) -> bool:
    return float(actual) < float(limit)


def _more(limit: str, actual: str) -> bool:
    return float(actual) > float(limit)


def _same_number(wanted: str, actual: str) -> bool:
    return float(wanted) == float(actual)


_NULL = "Null"
# operator -> the comparison of a value of the policy with one of the call, and whether negated
_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_but_for_case, False),
    "StringNotEqualsIgnoreCase": (_equal_but_for_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_like, False),
    "ArnLike": (_like, False),
    "ArnNotEquals": (_like, True),
    "ArnNotLike": (_like, True),
    "NumericEquals": (_same_number, False),
    "NumericNotEquals": (_same_number, True),
    "NumericLessThanEquals": (_at_most, False),
    "NumericGreaterThanEquals": (_at_least, False),
    "NumericLessThan": (_less, False),
    "NumericGreaterThan": (_more, False),
    "Bool": (_equal, False),
    "IpAddress": (_in_network, False),
    "NotIpAddress": (_in_network, True),
    "DateLessThan": (_before, False),
    "DateGreaterThan": (_after, False),
}
