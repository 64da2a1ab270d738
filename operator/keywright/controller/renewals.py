"""When a new key of a grant is due for renewal, and what its readers should know of that."""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.durations import parse_duration, parse_percent
from keywright.api.grant import ApiKeyGrant
from keywright.clouds.ways import Minted
from keywright.planning.renewal import margin, renew_at, rotation_due
from keywright.secrets.credential import Credential
from keywright.secrets.rereading import margin_of_readers, remark


def renewal_due(grant: ApiKeyGrant, credential: Credential) -> datetime | None:
    """Ahead of the key's end, and by its rotation; None for a key that has neither."""
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


def remark_for_readers(grant: ApiKeyGrant, minted: Minted) -> str:
    """What the readers of this key should know, in sentences; or nothing."""
    ends = minted.credential.expires_at
    if ends is None:
        return minted.remark
    lifetime = ends - minted.credential.issued_at
    kept = _margin(grant, lifetime=lifetime)
    return " ".join(filter(None, [minted.remark, remark(grant, lifetime=lifetime, margin=kept)]))


def _margin(grant: ApiKeyGrant, *, lifetime: timedelta) -> timedelta:
    before = grant.spec.renewal.before or ""
    percent = before.endswith("%")
    return margin(
        lifetime=lifetime,
        share=parse_percent(before) if percent else None,
        before=timedelta(seconds=parse_duration(before)) if before and not percent else None,
        readers=margin_of_readers(grant),
    )
