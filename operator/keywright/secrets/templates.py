"""Templates of `spec.secret.data`: text with variables, filters and nothing else.

`${name}` stands for a value, `${name|json|base64}` for a filtered one, `$${` for a plain `${`.
Any other `$` is itself. There are no conditions and no loops, so a template cannot fail halfway.
What a value holds is never looked at for further variables.
"""

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from keywright.api.keys import KeyKind
from keywright.secrets.variables import OF_FORMATS_ALONE, VARIABLES_OF_KIND, Values, Variable

_KNOWN: Final = {
    variable.value: variable for variable in Variable if variable not in OF_FORMATS_ALONE
}


class Filter(StrEnum):
    """What may be done to a value."""

    JSON = "json"
    BASE64 = "base64"
    TRIM = "trim"

    def apply(self, value: str) -> str:
        """`json`: a JSON string with its quotes. `base64`: of UTF-8. `trim`: no outer blanks."""
        match self:
            case Filter.JSON:
                return json.dumps(value, ensure_ascii=False)
            case Filter.BASE64:
                return base64.b64encode(value.encode()).decode()
            case Filter.TRIM:
                return value.strip()


class TemplateError(ValueError):
    """A template cannot be read; the message says where and how to write it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value."""

    variable: Variable
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A template that has been read: plain text and slots in turn."""

    parts: tuple[str | Slot, ...]

    def render(self, values: Values) -> str:
        """The text with every slot filled.

        Raises:
            LayoutError: The credential lacks a value.
        """
        return "".join(
            part if isinstance(part, str) else _filled(part, values) for part in self.parts
        )

    @property
    def variables(self) -> frozenset[Variable]:
        """The variables that it uses."""
        return frozenset(part.variable for part in self.parts if isinstance(part, Slot))

    @property
    def only(self) -> Variable | None:
        """The one variable whose bare value the whole text is; None for any other template."""
        match self.parts:
            case (Slot(variable=variable, filters=()),):
                return variable
            case _:
                return None


@lru_cache(maxsize=1024)
def parse_template(text: str) -> Template:
    """The template that the text says; equal texts share one.

    Raises:
        TemplateError: An unknown variable or filter, or a `${` without its end.
    """
    parts: list[str | Slot] = []
    plain = ""
    rest = text
    while rest:
        before, dollar, after = rest.partition("$")
        plain += before
        if not dollar:
            break
        if after.startswith("${"):
            plain += "${"
            rest = after[2:]
        elif after.startswith("{"):
            inside, end, rest = after[1:].partition("}")
            if not end:
                raise TemplateError("a ${ has no }: close it, or write $${ for a plain ${")
            parts += [plain, _slot(inside)] if plain else [_slot(inside)]
            plain = ""
        else:
            plain += "$"
            rest = after
    return Template((*parts, plain) if plain else tuple(parts))


def unknown_variables(template: Template, *, kind: KeyKind) -> frozenset[Variable]:
    """The variables of a template that keys of this kind do not have."""
    return template.variables - VARIABLES_OF_KIND[kind]


def _slot(inside: str) -> Slot:
    name, *words = inside.split("|")
    variable = _KNOWN.get(name)
    if variable is None:
        known = ", ".join(_KNOWN)
        raise TemplateError(
            f"${{{inside}}} names no variable: use one of {known}, or write $${{ for a plain ${{"
        )
    try:
        filters = tuple(Filter(word) for word in words)
    except ValueError:
        raise TemplateError(
            f"${{{inside}}} has an unknown filter: use {', '.join(Filter)}"
        ) from None
    return Slot(variable, filters)


def _filled(slot: Slot, values: Values) -> str:
    value = values[slot.variable]
    for step in slot.filters:
        value = step.apply(value)
    return value
