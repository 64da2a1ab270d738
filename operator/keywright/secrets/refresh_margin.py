"""Readers that fetch a renewed credential by themselves, and the time that they need for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from keywright.api.durations import format_duration
from keywright.api.formats import CREDENTIAL_PROCESS_FILE, Variable
from keywright.api.grant import ApiKeyGrant
from keywright.secrets.formats import templates_of
from keywright.secrets.templates import parse_template

# SDKs run a credential_process again from 15 minutes before the end on (botocore, credentials.py,
# `_advisory_refresh_timeout`); the kubelet needs two to bring the new file into the pod.
_NEEDED: Final = timedelta(minutes=20)


def min_refresh_margin(grant: ApiKeyGrant) -> timedelta | None:
    """The least time before expiry at which readers of this layout want the next credential.

    None for a layout that nobody reads again by itself.
    """
    templates = [
        *templates_of(grant.formats).values(),
        *(parse_template(text) for text in grant.spec.secret.data.values()),
    ]
    process = any(Variable.AWS_CREDENTIAL_PROCESS in template.variables for template in templates)
    return _NEEDED if process else None


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
