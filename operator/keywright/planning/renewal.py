"""When a credential is renewed: before its expiry, spread by a jitter, in its windows.

renewAt = expiry - margin - jitter, in whole seconds, never later than the margin allows. The jitter
only moves it EARLIER and is the same for the same object: ten thousand objects spread out, and a
restart moves nothing. It is smaller than the tenth of its lifetime in which a shared session may
sign (see `session_may_sign`), so that grants that share a session renew from the same one.

The renewal begins within the second before renewAt, at a moment that whole seconds cannot express:
otherwise a hundred keys of one second would all begin at its start, and the last would be late.

A renewal that is due waits for the next window, but never so long that the key would expire. One
that is requested, a repair, an expired key and a key that should be another one wait for no window.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from keywright.api.durations import parse_duration, parse_percent
from keywright.api.grant import ApiKeyGrant
from keywright.api.times import format_time
from keywright.api.windows import Window
from keywright.planning.state import SecretState
from keywright.secrets.credential import Credential
from keywright.secrets.formats import min_refresh_margin, short_lifetime_warning

_DEFAULT_SHARE = 1 / 3
_JITTER_SHARE = 0.08
_FRESH_FRACTION = 0.1
# Of the session that nobody else has renewed; a grant that renews at the last moment, two minutes
# before the end of an hour, finds the session of its source young.
_SOURCE_MARGIN_SHARE = 0.05
_SECOND = timedelta(seconds=1)
BEGINS_WITHIN = _SECOND
"""By how much a renewal may begin before the time that is told of it."""
# The kubelet brings a changed Secret into a mounted file within its sync period plus its cache's
# delay, one to two minutes; a margin below that would let a reader meet an expired key.
_FLOOR = timedelta(minutes=2)
_FLOOR_SHARE = 1 / 3
_READERS_SHARE = 2 / 3
# Whatever the margin: a key is not renewed while the session that signed it is young, which would
# sign the same key again; due times are cut to whole seconds.
_MIN_AGE = timedelta(seconds=2)
_BEYOND_YOUTH_SHARE = 0.02


def margin(
    *,
    lifetime: timedelta,
    share: float | None = None,
    before: timedelta | None = None,
    readers: timedelta | None = None,
) -> timedelta:
    """How long before expiry a renewal is due: `before`, or `share` of the lifetime, or a third.

    Never less than two minutes, or a third of the lifetime where that is shorter. `readers` is what
    the readers need, if they need more: never less than that, or two thirds of the lifetime.
    """
    requested = (
        before if before is not None else lifetime * (_DEFAULT_SHARE if share is None else share)
    )
    floor = min(_FLOOR, lifetime * _FLOOR_SHARE)
    if readers is not None:
        floor = max(floor, min(readers, lifetime * _READERS_SHARE))
    return min(max(requested, floor), lifetime - _min_age(lifetime))


def renew_at(*, issued_at: datetime, expires_at: datetime, margin: timedelta, uid: str) -> datetime:
    """When the renewal of the object with that uid is due, in whole seconds."""
    lifetime = expires_at - issued_at
    latest = expires_at - margin
    due = max(latest - _jitter(lifetime, uid=uid), issued_at + _min_age(lifetime))
    cut = due.replace(microsecond=0)
    for whole in (cut + _SECOND, cut):
        if issued_at < whole <= latest:
            return whole
    return due


def source_renews_at(*, issued_at: datetime, expires_at: datetime, uid: str) -> datetime:
    """When a source opens a session, if none of its grants has until then.

    Later than the renewal of any key that ends with the session: those open the sessions.
    """
    margin = (expires_at - issued_at) * _SOURCE_MARGIN_SHARE
    return renew_at(issued_at=issued_at, expires_at=expires_at, margin=margin, uid=uid)


def begins_at(due: datetime, *, lifetime: timedelta, uid: str) -> datetime:
    """When a renewal begins that is due then: within the second before, as its jitter has it."""
    return due - _jitter(lifetime, uid=uid) % BEGINS_WITHIN


def _jitter(lifetime: timedelta, *, uid: str) -> timedelta:
    return lifetime * (_JITTER_SHARE * hash_fraction(uid))


def _min_age(lifetime: timedelta) -> timedelta:
    """How long a key lives before it is renewed: a little over a tenth of its life."""
    return lifetime * _FRESH_FRACTION + min(_MIN_AGE, lifetime * _BEYOND_YOUTH_SHARE)


def rotation_due(grant: ApiKeyGrant, *, issued_at: datetime) -> datetime | None:
    """When a key that lives in the cloud is replaced by the spec; None where it says nothing."""
    managed = grant.managed
    if managed is None or managed.rotate_seconds is None:
        return None
    every = timedelta(seconds=managed.rotate_seconds)
    earlier = every * (_JITTER_SHARE * hash_fraction(grant.uid))
    return (issued_at + every - earlier).replace(microsecond=0)


def hash_fraction(uid: str) -> float:
    """Where an object stands in any spread: from 0 to 1, by its uid alone."""
    return int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=4).digest()) / 2**32


def session_may_sign(
    *,
    session_issued_at: datetime,
    session_expires_at: datetime | None,
    key_ends_at: datetime,
    now: datetime,
) -> bool:
    """Whether a cached session may sign a key that should live until `key_ends_at`.

    A key that ends before its session may be signed at any time, and so may any by a session that
    has no end; one that dies with the session only in the first tenth of the session's life, so
    that keys are not born old.
    """
    if session_expires_at is None:
        return True
    if now >= session_expires_at:
        return False
    return key_ends_at <= session_expires_at or is_fresh(
        issued_at=session_issued_at, expires_at=session_expires_at, now=now
    )


def is_fresh(*, issued_at: datetime, expires_at: datetime | None, now: datetime) -> bool:
    """Whether a session is in the first tenth of its life; one without an end always is."""
    return expires_at is None or now - issued_at <= (expires_at - issued_at) * _FRESH_FRACTION


# What is left of a life when a window is waited for no longer, where the margin is longer: room
# for many tries, for the readers, and for a person who has to look into it.
_REST_SHARE = 0.1
_LONGEST_REST = timedelta(days=1)
# Grants of one window begin within its first half, so that a failed try has the other half; and
# within so much of a life, so that those that share a session renew from the same one.
_SPREAD_SHARE = 0.5
_SPREAD_OF_LIFE = 0.08


def schedule_in_window(
    grant: ApiKeyGrant, *, due: datetime, by: datetime | None, lifetime: timedelta
) -> datetime:
    """When a renewal that is due then happens: then, in the next window, or last of all `by`."""
    opening = _next_opening(grant.spec.renewal.windows, moment=due)
    if by is not None and (opening is None or opening[0] >= by):
        return max(due, by)
    if opening is None or opening[0] == due:
        return due
    at, window = opening
    most = min(
        timedelta(seconds=window.duration_seconds) * _SPREAD_SHARE, lifetime * _SPREAD_OF_LIFE
    )
    spread = (at + most * hash_fraction(grant.uid)).replace(microsecond=0)
    return max(at, spread if by is None else min(spread, by))


def renewal_deadline_in_window(
    *,
    issued_at: datetime,
    expires_at: datetime,
    desired: timedelta,
    readers: timedelta | None,
    uid: str,
) -> datetime:
    """Until when a renewal may wait for a window: what is left then is safe for the readers.

    A tenth of the life, or a day where that is shorter; never more than the margin that was
    `asked`, and never less than the least margin and what readers need who read again.
    """
    lifetime = expires_at - issued_at
    rest = min(desired, lifetime * _REST_SHARE, _LONGEST_REST)
    left = margin(lifetime=lifetime, before=rest, readers=readers)
    return renew_at(issued_at=issued_at, expires_at=expires_at, margin=left, uid=uid)


def next_renewal(grant: ApiKeyGrant, secret: SecretState, *, now: datetime) -> datetime | None:
    """When the key of the Secret is renewed; None where nothing asks for it.

    As it was planned; a window that was missed makes it the next one.
    """
    due = secret.renew_at
    if due is None or now < due or not grant.spec.renewal.windows or secret.issued_at is None:
        return due
    end = secret.expires_at or now
    return schedule_in_window(
        grant, due=now, by=secret.renewal_deadline, lifetime=max(end, now) - secret.issued_at
    )


def renewal_begins(grant: ApiKeyGrant, secret: SecretState, *, now: datetime) -> datetime | None:
    """When the work on the next renewal begins: as it is planned, or within the second before.

    Never before a window opens. A key without an end is rotated as planned.
    """
    due = next_renewal(grant, secret, now=now)
    issued_at, expires_at = secret.issued_at, secret.expires_at
    if due is None or grant.spec.renewal.windows or issued_at is None or expires_at is None:
        return due
    return begins_at(due, lifetime=expires_at - issued_at, uid=grant.uid)


def _next_opening(
    windows: tuple[Window, ...], *, moment: datetime
) -> tuple[datetime, Window] | None:
    found = [(opening, window) for window in windows if (opening := window.open_from(moment))]
    return min(found, key=lambda each: each[0], default=None)


def planned_renewal(grant: ApiKeyGrant, credential: Credential) -> datetime | None:
    """When the key is renewed: before its expiry, by its rotation, in a window; None for never."""
    issued_at, expires_at = credential.issued_at, credential.expires_at
    due = _due(grant, credential)
    if due is None or not grant.spec.renewal.windows:
        return due
    by = renewal_deadline_of(grant, issued_at=issued_at, expires_at=expires_at)
    return schedule_in_window(grant, due=due, by=by, lifetime=(expires_at or due) - issued_at)


def renewal_deadline_of(
    grant: ApiKeyGrant, *, issued_at: datetime | None, expires_at: datetime | None
) -> datetime | None:
    """Until when the renewal of a key may wait for a window; None without windows or expiry."""
    if not grant.spec.renewal.windows or issued_at is None or expires_at is None:
        return None
    return renewal_deadline_in_window(
        issued_at=issued_at,
        expires_at=expires_at,
        desired=_margin_of(grant, lifetime=expires_at - issued_at),
        readers=min_refresh_margin(grant),
        uid=grant.uid,
    )


def warning_for_readers(grant: ApiKeyGrant, credential: Credential, *, issued: str) -> str:
    """What the readers of this key should know, in sentences; `issued` is what its issuer says."""
    ends = credential.expires_at
    if ends is None:
        return issued
    lifetime = ends - credential.issued_at
    kept = _margin_of(grant, lifetime=lifetime)
    warnings = [
        issued,
        short_lifetime_warning(grant, lifetime=lifetime, margin=kept),
        _no_window(grant, credential),
    ]
    return " ".join(filter(None, warnings))


def _no_window(grant: ApiKeyGrant, credential: Credential) -> str:
    """That the key is renewed outside of its windows, where it is."""
    at = planned_renewal(grant, credential)
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
        margin=_margin_of(grant, lifetime=credential.expires_at - credential.issued_at),
        uid=grant.uid,
    )
    return end if rotation is None else min(end, rotation)


def _margin_of(grant: ApiKeyGrant, *, lifetime: timedelta) -> timedelta:
    before = grant.spec.renewal.before or ""
    percent = before.endswith("%")
    return margin(
        lifetime=lifetime,
        share=parse_percent(before) if percent else None,
        before=timedelta(seconds=parse_duration(before)) if before and not percent else None,
        readers=min_refresh_margin(grant),
    )
