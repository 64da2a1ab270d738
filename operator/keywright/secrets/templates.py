"""Templates of `spec.secret.data`: text with variables and filters only.

`${name}` is replaced by a value, `${name|json|base64}` by a filtered one, `$${` by a literal `${`.
Any other `$` is literal. There are no conditions and no loops, so a template cannot fail halfway.
Values are never scanned for further variables.
"""

import base64
import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from keywright.api.errors import FieldError, RenderError
from keywright.api.formats import FORMAT_ONLY_VARIABLES, Variable
from keywright.secrets.variables import Values

_KNOWN: Final = {
    variable.value: variable for variable in Variable if variable not in FORMAT_ONLY_VARIABLES
}


class Filter(StrEnum):
    """The filters for a value."""

    JSON = "json"
    BASE64 = "base64"
    TRIM = "trim"

    def apply(self, value: str) -> str:
        """`json`: a JSON string with quotes. `base64`: of UTF-8. `trim`: no outer whitespace."""
        match self:
            case Filter.JSON:
                return json.dumps(value, ensure_ascii=False)
            case Filter.BASE64:
                return base64.b64encode(value.encode()).decode()
            case Filter.TRIM:
                return value.strip()


MAX_FILTERS: Final = 4
"""The maximum length of a chain: most filters lengthen the value, up to exhausting memory."""
MAX_RENDERED: Final = 900 * 1024
"""The maximum length of a rendered text; a Secret may have 1 MiB, including its metadata."""


class TemplateError(ValueError):
    """A template is invalid; the message names the position and the correct syntax."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder for a value."""

    variable: Variable
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: plain text and placeholders alternately; `variables` are those it uses."""

    parts: tuple[str | Placeholder, ...]
    variables: frozenset[Variable] = field(init=False)

    def __post_init__(self) -> None:
        used = frozenset(part.variable for part in self.parts if isinstance(part, Placeholder))
        object.__setattr__(self, "variables", used)

    def render(self, values: Values) -> str:
        """Replace every placeholder by its value.

        Raises:
            RenderError: The credential lacks a value, or the text exceeds the limit of a Secret.
        """
        texts: list[str] = []
        length = 0
        for part in self.parts:
            text = part if isinstance(part, str) else values[part.variable]
            for step in () if isinstance(part, str) else part.filters:
                text = step.apply(text)
            texts.append(text)
            length += len(text)
            if length > MAX_RENDERED:
                raise RenderError(
                    FieldError(
                        "spec.secret.data",
                        f"a template becomes longer than {MAX_RENDERED} characters, more than a"
                        " Secret holds: use fewer variables",
                    )
                )
        return "".join(texts)

    @property
    def only(self) -> Variable | None:
        """The variable, if the text is exactly its unfiltered value; None for other templates."""
        match self.parts:
            case (Placeholder(variable=variable, filters=()),):
                return variable
            case _:
                return None


@lru_cache(maxsize=1024)
def parse_template(text: str) -> Template:
    """Parse a template; equal texts share one object.

    Raises:
        TemplateError: An unknown variable or filter, or a `${` without its closing brace.
    """
    parts: list[str | Placeholder] = []
    plain: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        plain.append(text[position:dollar])
        if text.startswith("$${", dollar):
            plain.append("${")
            position = dollar + 3
        elif text.startswith("${", dollar):
            end = text.find("}", dollar)
            if end < 0:
                raise TemplateError("a ${ has no }: close it, or write $${ for a plain ${")
            _add_text(parts, plain)
            plain = []
            parts.append(_slot(text[dollar + 2 : end]))
            position = end + 1
        else:
            plain.append("$")
            position = dollar + 1
    plain.append(text[position:])
    _add_text(parts, plain)
    return Template(tuple(parts))


def _add_text(parts: list[str | Placeholder], plain: list[str]) -> None:
    text = "".join(plain)
    if text:
        parts.append(text)


def _slot(inside: str) -> Placeholder:
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
    if len(filters) > MAX_FILTERS:
        raise TemplateError(
            f"${{{name}}} has {len(filters)} filters: {MAX_FILTERS} in a row are enough"
        )
    return Placeholder(variable, filters)
