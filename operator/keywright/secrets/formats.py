"""The templates of the ready-made formats, by the same engine as those of `spec.secret.data`."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from keywright.api.formats import TEMPLATES, Format, Variable
from keywright.secrets.templates import Placeholder, Template, parse_template


def _template(text: str | Variable) -> Template:
    # A format may use variables that a user's template may not.
    return Template((Placeholder(text),)) if isinstance(text, Variable) else parse_template(text)


FORMATS: Final[Mapping[Format, Mapping[str, Template]]] = {
    form: {key: _template(text) for key, text in TEMPLATES[form].items()} for form in Format
}
"""What each format writes: key of the Secret -> its template."""


@lru_cache(maxsize=256)
def templates_of(formats: tuple[Format, ...]) -> Mapping[str, Template]:
    """The keys of several formats together; equal combinations share one mapping.

    A key that two of them have means the same in both, or CEL has refused the pair.
    """
    return {key: template for form in formats for key, template in FORMATS[form].items()}
