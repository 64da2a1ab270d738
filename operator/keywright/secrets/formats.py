"""The templates of the predefined formats, in the same syntax as `spec.secret.data`."""

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
    # A format may use variables that templates of users may not.
    return Template((Placeholder(text),)) if isinstance(text, Variable) else parse_template(text)


FORMATS: Final[Mapping[Format, Mapping[str, Template]]] = {
    form: {key: _template(text) for key, text in TEMPLATES[form].items()} for form in Format
}
"""What each format writes: key of the Secret -> its template."""


@lru_cache(maxsize=256)
def templates_of(formats: tuple[Format, ...]) -> Mapping[str, Template]:
    """The keys of several formats together; equal combinations share one mapping.

    A key of two formats has the same meaning in both, otherwise CEL rejects the combination.
    """
    return {key: template for form in formats for key, template in FORMATS[form].items()}


# SDKs run a credential_process again from 15 minutes before the expiry on (botocore,
# credentials.py, `_advisory_refresh_timeout`); the kubelet needs two to update the file in the pod.
_NEEDED: Final = timedelta(minutes=20)


def min_refresh_margin(grant: ApiKeyGrant) -> timedelta | None:
    """The minimum time before expiry at which clients of this layout need the next credential.

    None for a layout that no client reads again by itself.
    """
    again = _is_read_again(grant.formats, tuple(grant.spec.secret.data.values()))
    return _NEEDED if again else None


@lru_cache(maxsize=256)
def _is_read_again(formats: tuple[Format, ...], texts: tuple[str, ...]) -> bool:
    templates = [*templates_of(formats).values(), *map(parse_template, texts)]
    return any(Variable.AWS_CREDENTIAL_PROCESS in template.variables for template in templates)


def short_lifetime_warning(grant: ApiKeyGrant, *, lifetime: timedelta, margin: timedelta) -> str:
    """A warning if the lifetime leaves clients less time than they need; otherwise empty."""
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
