"""CEL rules of a schema (`x-kubernetes-validations`), compiled once.

Values are dynamically typed here, so a rule that the real server rejects for its types when the
CustomResourceDefinition is created (an undefined field, a comparison of text with a number) only
fails when it runs. The cost limits of the real server are not computed.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from testbed.clusters.embedded.documents import Document, Value

_RESERVED: Final = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"}
    | {"function", "if", "import", "let", "loop", "package", "namespace", "return"}
    | {"var", "void", "while"}
)
_ESCAPES: Final = (
    ("__", "__underscores__"),
    (".", "__dot__"),
    ("-", "__dash__"),
    ("/", "__slash__"),
)
_IDENTIFIER: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_USES_OLD: Final = re.compile(r"\boldSelf\b")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_TYPED: Final = {
    "duration": "duration({})",
    "date-time": "timestamp({})",
    "date": "timestamp({} + 'T00:00:00Z')",
}
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class RuleError(Exception):
    """A rule that does not compile."""

    def __init__(self, message: str, *, path: str, rule: Document) -> None:
        super().__init__(message)
        self.path = path
        self.rule = rule


class EvaluationError(Exception):
    """A rule that could not be evaluated, such as one that reads an absent member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One compiled rule."""

    text: str
    program: Any
    message: str
    message_program: Any
    reason: str
    field_path: str
    is_transition: bool
    optional_old: bool

    def problem(self, value: Value, old: Value | None) -> str | None:
        """The error that the rule finds in a value; None if it is valid, never empty.

        Raises:
            EvaluationError: the rule returns no boolean.
        """
        data = {"self": value, "oldSelf": old} if self.is_transition else {"self": value}
        result = self.program.eval(data=data)
        found = result.value()
        if found is True:
            return None
        if found is not False:
            _, _, why = str(result).partition(": ")
            why = why.replace("Key not found in map : ", "no such key: ").replace('"', "")
            raise EvaluationError(f"{why} evaluating rule: {self.message or self.text}")
        if self.message_program is not None:
            text = self.message_program.eval(data=data).value()
            if isinstance(text, str) and text.strip():
                return text
        return self.message or f"failed rule: {self.text}"


@cache
def _environment() -> Any:  # the binding has no type for it that mypy sees
    # Imported here: a server without CustomResourceDefinitions starts faster without it.
    from cel_expr_python import cel  # noqa: PLC0415
    from cel_expr_python.ext import (  # noqa: PLC0415
        ext_bindings,
        ext_math,
        ext_optional,
        ext_strings,
    )

    return cel.NewEnv(
        variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN},
        extensions=[
            ext_bindings.ExtBindings(),
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
        ],
    )


def compile_rule(rule: Document, *, path: str, text_format: str = "") -> Rule:
    """Compile one member of `x-kubernetes-validations`; raises RuleError.

    `text_format` is that of the string that the rule applies to: durations and times are typed if
    `self` is one. Below `self` they stay strings here, as the binding supports no others.
    """
    text = rule["rule"]
    expression = rule.get("messageExpression", "")
    typed = _TYPED.get(text_format, "{}")
    uses_old = bool(_USES_OLD.search(text))
    return Rule(
        text=text.strip(),
        program=_compile(_bound(text, typed, uses_old=uses_old), path=f"{path}.rule", rule=rule),
        message=rule.get("message", "").strip(),
        message_program=(
            _compile(expression, path=f"{path}.messageExpression", rule=rule)
            if expression
            else None
        ),
        reason=rule.get("reason", "FieldValueInvalid"),
        field_path=rule.get("fieldPath", ""),
        is_transition=uses_old,
        optional_old=bool(rule.get("optionalOldSelf")),
    )


def _bound(text: str, typed: str, *, uses_old: bool) -> str:
    if typed == "{}":
        return text
    if uses_old:
        text = f"cel.bind(oldSelf, {typed.format('oldSelf')}, {text})"
    return f"cel.bind(self, {typed.format('self')}, {text})"


def _compile(text: str, *, path: str, rule: Document) -> Any:
    try:
        return _environment().compile(text)
    except RuntimeError as error:
        message = str(error).partition(": ")[2].removesuffix(" [INVALID_ARGUMENT]")
        raise RuleError(message, path=path, rule=rule) from error


def escape_name(name: str) -> str:
    """The name of a property in rules."""
    if name in _RESERVED:
        return f"__{name}__"
    for plain, escaped in _ESCAPES:
        name = name.replace(plain, escaped)
    return name if _IDENTIFIER.match(name) else f"__{name}"


def parse_duration(text: str) -> datetime.timedelta:
    """A Go duration such as `1h30m`; raises ValueError."""
    body = text.lstrip("+-")
    parts = _DURATION_PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"no duration: {text}")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return datetime.timedelta(seconds=-seconds if text.startswith("-") else seconds)
