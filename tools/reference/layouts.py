"""The page of the formats and variables."""

from __future__ import annotations

from typing import Final

from keywright.api.formats import FORMAT_ONLY_VARIABLES, TEMPLATES, Format, Variable
from keywright.api.key_spec import KeySpec
from keywright.api.keys import KEY_TYPES
from keywright.api.source import Provider
from tools.reference.markdown import code, page, table

_ALL: Final = "every kind"


def layouts_page() -> str:
    """Each format with its entries, and each variable with the kinds that have it."""
    return page(
        [
            "# Formats and variables",
            "",
            (
                "A format in `spec.secret.formats` writes a fixed set of entries, for"
                " clients that read these names. `spec.secret.data` writes any other"
                " entries from templates with"
                " [variables](../reference.md#variables-of-specsecretdata). This page is"
                " generated from"
                " [operator/keywright/api/formats.py](../../operator/keywright/api/formats.py)"
                " and"
                " [operator/keywright/api/keys.py](../../operator/keywright/api/keys.py)."
            ),
            "",
            "## Formats",
            "",
            *table(
                ("format", "entries of the Secret", "kinds of keys"),
                ((code(form), _entries(form), _kinds_with(form)) for form in Format),
            ),
            "These formats are the default of a kind:",
            "",
            *table(
                ("kind of key", "default of `spec.secret.formats`"),
                ((code(kind), _defaults(key_type)) for kind, key_type in KEY_TYPES.items()),
            ),
            "## Variables",
            "",
            *table(
                ("variable", "kinds of keys"),
                (
                    (code(f"${{{name}}}"), _kinds_having(name))
                    for name in Variable
                    if name not in FORMAT_ONLY_VARIABLES
                ),
            ),
        ]
    )


def _entries(form: Format) -> str:
    return ", ".join(
        code(key) if isinstance(text, Variable) else f"`{key}` (`{text}`)"
        for key, text in TEMPLATES[form].items()
    )


def _defaults(key_type: type[KeySpec]) -> str:
    """The default formats; with the source's cloud if they differ."""
    by_cloud = {cloud: key_type.default_formats_for(cloud) for cloud in Provider}
    texts = {cloud: ", ".join(map(code, formats)) for cloud, formats in by_cloud.items()}
    if len(set(texts.values())) == 1:
        return texts[Provider.AWS]
    return "; ".join(f"{cloud}: {text}" for cloud, text in texts.items())


def _kinds_with(form: Format) -> str:
    return _listed([kind for kind, key_type in KEY_TYPES.items() if form in key_type.formats])


def _kinds_having(name: Variable) -> str:
    return _listed([kind for kind, key_type in KEY_TYPES.items() if name in key_type.variables])


def _listed(kinds: list[str]) -> str:
    return _ALL if len(kinds) == len(KEY_TYPES) else ", ".join(map(code, kinds))
