"""Which documents are templates of Helm or Jinja, and no manifests yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keywright.api.names import GROUP

BRACES: Final = "{{"
# Possessive, so that the time stays linear in the length of hostile input.
_KEY: Final = r"""(?:"[^"\n]*+"|'[^'\n]*+'|[^\s#"'{:][^:#"'\n]*+):\s++"""
_LINE: Final = re.compile(rf"^[ \t]*+(?:-[ \t]++)*+(?:{_KEY})?+\{{\{{", re.MULTILINE)
_LAYOUT_FIELDS: Final = (("spec", "secret", "data"), ("spec", "secret", "annotations"))


def template_line(text: str) -> int | None:
    """The first line, from 0, that begins with `{{` after an optional key; None without one.

    Text in quotes is no template: YAML reads it, and another error must not be hidden by it.
    """
    found = _LINE.search(text)
    return None if found is None else text.count("\n", 0, found.end())


def is_template(body: Mapping[str, Any], *, group: str) -> bool:
    """Whether values of the object are still to be filled in by Helm or another tool.

    In an ApiKeyGrant, the layout of the Secret may have braces of its own. Of other objects, only
    the fields that this program reads count: many contain templates for a later program.
    """
    if group == GROUP:
        head: Any = _without_layout(body)
    else:
        metadata = _mapping(body.get("metadata"))
        head = [body.get("kind"), metadata.get("name"), metadata.get("namespace")]
    return any(BRACES in text for text in _texts(head))


def _without_layout(body: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = dict(_mapping(body.get("spec")))
    secret = {
        name: value
        for name, value in _mapping(spec.get("secret")).items()
        if ("spec", "secret", name) not in _LAYOUT_FIELDS
    }
    metadata = {
        name: value
        for name, value in _mapping(body.get("metadata")).items()
        if name != "annotations"
    }
    return {**body, "spec": {**spec, "secret": secret}, "metadata": metadata}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield key
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
