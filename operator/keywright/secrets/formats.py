"""The templates of the ready-made formats, by the same engine as those of `spec.secret.data`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Final

from keywright.api.durations import format_duration
from keywright.api.formats import CREDENTIAL_PROCESS_FILE, TEMPLATES, Format, Variable
from keywright.api.grant import ApiKeyGrant
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


# SDKs run a credential_process again from 15 minutes before the end on (botocore, credentials.py,
# `_advisory_refresh_timeout`); the kubelet needs two to bring the new file into the pod.
_NEEDED: Final = timedelta(minutes=20)


def min_refresh_margin(grant: ApiKeyGrant) -> timedelta | None:
    """The least time before expiry at which readers of this layout want the next credential.

    None for a layout that no reader reads again by itself.
    """
    again = _is_read_again(grant.formats, tuple(grant.spec.secret.data.values()))
    return _NEEDED if again else None


@lru_cache(maxsize=256)
def _is_read_again(formats: tuple[Format, ...], texts: tuple[str, ...]) -> bool:
    templates = [*templates_of(formats).values(), *map(parse_template, texts)]
    return any(Variable.AWS_CREDENTIAL_PROCESS in template.variables for template in templates)


def short_lifetime_warning(grant: ApiKeyGrant, *, lifetime: timedelta, margin: timedelta) -> str:
    """What the readers must know where the lifetime leaves them less than they need; or nothing."""
    needed = min_refresh_margin(grant)
    if needed is None or margin >= needed:
        return ""
    return (
        f"SDKs read {CREDENTIAL_PROCESS_FILE} again 15m before its end and want the next one"
        f" {format_duration(needed.total_seconds())} before it; a life of"
        f" {format_duration(lifetime.total_seconds())} leaves them"
        f" {format_duration(margin.total_seconds())}, and they read it before every call: ask for"
        " 30m or more."
    )
