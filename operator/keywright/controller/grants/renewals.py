"""When a new key of a grant is due for renewal, and what its readers should know of that."""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.durations import parse_duration, parse_percent
from keywright.api.grant import ApiKeyGrant
from keywright.api.times import format_time
from keywright.clouds.interfaces import IssuedKey
from keywright.planning.renewal import margin, renew_at, rotation_due
from keywright.planning.windows import renewal_deadline_in_window, schedule_in_window
from keywright.secrets.credential import Credential
from keywright.secrets.refresh_margin import min_refresh_margin, short_lifetime_warning


def renewal_due(grant: ApiKeyGrant, credential: Credential) -> datetime | None:
    """Ahead of the key's end, by its rotation, and in a window; None for a key without either."""
    issued_at, expires_at = credential.issued_at, credential.expires_at
    due = _due(grant, credential)
    if due is None or not grant.spec.renewal.windows:
        return due
    by = renewal_deadline_of(grant, issued_at=issued_at, expires_at=expires_at)
    return schedule_in_window(grant, due=due, by=by, lifetime=(expires_at or due) - issued_at)


def renewal_deadline_of(
    grant: ApiKeyGrant, *, issued_at: datetime | None, expires_at: datetime | None
) -> datetime | None:
    """Until when the renewal of a key may wait for a window; None where nothing is waited for."""
    if not grant.spec.renewal.windows or issued_at is None or expires_at is None:
        return None
    return renewal_deadline_in_window(
        issued_at=issued_at,
        expires_at=expires_at,
        desired=_margin(grant, lifetime=expires_at - issued_at),
        readers=min_refresh_margin(grant),
        uid=grant.uid,
    )


def remark_for_readers(grant: ApiKeyGrant, issued_key: IssuedKey) -> str:
    """What the readers of this key should know, in sentences; or nothing."""
    credential = issued_key.credential
    ends = credential.expires_at
    if ends is None:
        return issued_key.remark
    lifetime = ends - credential.issued_at
    kept = _margin(grant, lifetime=lifetime)
    remarks = [
        issued_key.remark,
        short_lifetime_warning(grant, lifetime=lifetime, margin=kept),
        _no_window(grant, credential),
    ]
    return " ".join(filter(None, remarks))


def _no_window(grant: ApiKeyGrant, credential: Credential) -> str:
    """That the key is renewed outside of its windows, where it is."""
    at = renewal_due(grant, credential)
    windows = grant.spec.renewal.windows
    if at is None or not windows or any(window.open_from(at) == at for window in windows):
        return ""
    return (
        f"No window of spec.renewal.windows opens in time: it is renewed at {format_time(at)}, as"
        " it would end before; ask for a longer life, or for windows that open more often."
    )


def _due(grant: ApiKeyGrant, credential: Credential) -> datetime | None:
    """When the key should be renewed, whatever the windows say."""
    rotation = rotation_due(grant, issued_at=credential.issued_at)
    if credential.expires_at is None:
        return rotation
    end = renew_at(
        issued_at=credential.issued_at,
        expires_at=credential.expires_at,
        margin=_margin(grant, lifetime=credential.expires_at - credential.issued_at),
        uid=grant.uid,
    )
    return end if rotation is None else min(end, rotation)


def _margin(grant: ApiKeyGrant, *, lifetime: timedelta) -> timedelta:
    before = grant.spec.renewal.before or ""
    percent = before.endswith("%")
    return margin(
        lifetime=lifetime,
        share=parse_percent(before) if percent else None,
        before=timedelta(seconds=parse_duration(before)) if before and not percent else None,
        readers=min_refresh_margin(grant),
    )
