"""When a credential is renewed: before its expiry, spread by a jitter, in its windows.

renewAt = expiry - margin - jitter, in whole seconds, never later than the margin allows. The jitter
only makes it EARLIER and is the same for the same object: ten thousand objects are spread, and a
restart does not change it. It is smaller than the tenth of its lifetime in which a shared session
may sign (see `session_may_sign`), so that grants that share a session renew from the same one.

The renewal begins within the second before renewAt, at a moment that whole seconds cannot express:
otherwise a hundred keys of one second would all begin at its start, and the last would be late.

A due renewal waits for the next window, unless the key would expire before it. A requested renewal,
a repair, an expired key and a changed key do not wait for a window.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from keywright.api.durations import parse_duration, parse_percent
from keywright.api.grant import ApiKeyGrant
from keywright.api.times import Window, format_time
from keywright.planning.state import SecretState
from keywright.secrets.credential import Credential
from keywright.secrets.formats import min_refresh_margin, short_lifetime_warning

_DEFAULT_SHARE = 1 / 3
_JITTER_SHARE = 0.08
_FRESH_FRACTION = 0.1
# As a fraction of a session that nothing else has renewed. A grant that renews at the last moment,
# two minutes before the end of an hour, still finds a fresh session of its source.
_SOURCE_MARGIN_SHARE = 0.05
_SECOND = timedelta(seconds=1)
BEGINS_WITHIN = _SECOND
"""How long before its reported time a renewal may begin."""
# The kubelet updates a mounted file within its sync period plus its cache's delay, one to two
# minutes; with a smaller margin a client could read an expired key.
_FLOOR = timedelta(minutes=2)
_FLOOR_SHARE = 1 / 3
_READERS_SHARE = 2 / 3
# Regardless of the margin, a key is not renewed while the session that signed it is fresh, which
# would sign the same key again; due times are cut to whole seconds.
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

    At least two minutes, or a third of the lifetime if that is shorter. `readers` is the margin
    that clients need, if it is larger: at least that, or two thirds of the lifetime.
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
    """When a source opens a session if none of its grants has done so before.

    Later than the renewal of any key that expires with the session: those renewals open the
    sessions.
    """
    margin = (expires_at - issued_at) * _SOURCE_MARGIN_SHARE
    return renew_at(issued_at=issued_at, expires_at=expires_at, margin=margin, uid=uid)


def begins_at(due: datetime, *, lifetime: timedelta, uid: str) -> datetime:
    """When a renewal with this due time begins: within the second before, by its jitter."""
    return due - _jitter(lifetime, uid=uid) % BEGINS_WITHIN


def _jitter(lifetime: timedelta, *, uid: str) -> timedelta:
    return lifetime * (_JITTER_SHARE * hash_fraction(uid))


def _min_age(lifetime: timedelta) -> timedelta:
    """The minimum age of a key before it is renewed: a little over a tenth of its lifetime."""
    return lifetime * _FRESH_FRACTION + min(_MIN_AGE, lifetime * _BEYOND_YOUTH_SHARE)


def rotation_due(grant: ApiKeyGrant, *, issued_at: datetime) -> datetime | None:
    """When the spec's rotation interval replaces a managed key; None if there is none."""
    managed = grant.managed
    if managed is None or managed.rotate_seconds is None:
        return None
    every = timedelta(seconds=managed.rotate_seconds)
    earlier = every * (_JITTER_SHARE * hash_fraction(grant.uid))
    return (issued_at + every - earlier).replace(microsecond=0)


def hash_fraction(uid: str) -> float:
    """The fraction, from 0 to 1, that spreads objects over any interval; by uid only."""
    return int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=4).digest()) / 2**32


def session_may_sign(
    *,
    session_issued_at: datetime,
    session_expires_at: datetime | None,
    key_ends_at: datetime,
    now: datetime,
) -> bool:
    """Whether a cached session may sign a key that should be valid until `key_ends_at`.

    A key that expires before its session may be signed at any time, and so may any key by a session
    without an expiry; one that expires with the session only in the first tenth of the session's
    lifetime, so that keys do not start with a short remaining lifetime.
    """
    if session_expires_at is None:
        return True
    if now >= session_expires_at:
        return False
    return key_ends_at <= session_expires_at or is_fresh(
        issued_at=session_issued_at, expires_at=session_expires_at, now=now
    )


def is_fresh(*, issued_at: datetime, expires_at: datetime | None, now: datetime) -> bool:
    """Whether a session is in the first tenth of its lifetime; one without expiry always is."""
    return expires_at is None or now - issued_at <= (expires_at - issued_at) * _FRESH_FRACTION


# The fraction of the lifetime that must remain after waiting for a window, if the margin is longer:
# enough for many attempts, for clients to refresh, and for a person to react.
_REST_SHARE = 0.1
_MAX_REST = timedelta(days=1)
# Grants of one window begin within its first half, so that a failed attempt can be retried in the
# other half; and within this fraction of a lifetime, so that those that share a session renew from
# the same one.
_SPREAD_SHARE = 0.5
_SPREAD_OF_LIFE = 0.08


def schedule_in_window(
    grant: ApiKeyGrant, *, due: datetime, by: datetime | None, lifetime: timedelta
) -> datetime:
    """The time of a due renewal: `due`, in the next window, or at the latest `by`."""
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
    """Until when a renewal may wait for a window: the remaining time is safe for clients.

    A tenth of the lifetime, or a day if that is shorter; at most the `desired` margin, and at least
    the minimum margin and what clients that refresh by themselves need.
    """
    lifetime = expires_at - issued_at
    rest = min(desired, lifetime * _REST_SHARE, _MAX_REST)
    left = margin(lifetime=lifetime, before=rest, readers=readers)
    return renew_at(issued_at=issued_at, expires_at=expires_at, margin=left, uid=uid)


def next_renewal(grant: ApiKeyGrant, secret: SecretState, *, now: datetime) -> datetime | None:
    """When the key of the Secret is renewed; None if nothing requires it.

    As planned; after a missed window, in the next one.
    """
    due = secret.renew_at
    if due is None or now < due or not grant.spec.renewal.windows or secret.issued_at is None:
        return due
    end = secret.expires_at or now
    return schedule_in_window(
        grant, due=now, by=secret.renewal_deadline, lifetime=max(end, now) - secret.issued_at
    )


def renewal_begins(grant: ApiKeyGrant, secret: SecretState, *, now: datetime) -> datetime | None:
    """When work on the next renewal begins: as planned, or within the second before.

    Never before a window opens. A key without expiry is rotated as planned.
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
    """Until when the renewal may wait for a window; None without windows or without expiry."""
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
    """A warning for clients that read this key, in sentences; `issued` is that of its issuer."""
    ends = credential.expires_at
    if ends is None:
        return issued
    warnings = [issued]
    if min_refresh_margin(grant) is not None:
        lifetime = ends - credential.issued_at
        kept = _margin_of(grant, lifetime=lifetime)
        warnings.append(short_lifetime_warning(grant, lifetime=lifetime, margin=kept))
    if grant.spec.renewal.windows:
        warnings.append(_no_window(grant, credential))
    return " ".join(filter(None, warnings))


def _no_window(grant: ApiKeyGrant, credential: Credential) -> str:
    """The warning for a key that is renewed outside its windows; empty if it is not."""
    at = planned_renewal(grant, credential)
    windows = grant.spec.renewal.windows
    if at is None or any(window.open_from(at) == at for window in windows):
        return ""
    return (
        f"No window of spec.renewal.windows opens in time: it is renewed at {format_time(at)}, as"
        " it would end before; ask for a longer life, or for windows that open more often."
    )


def _due(grant: ApiKeyGrant, credential: Credential) -> datetime | None:
    """When the key should be renewed, regardless of windows."""
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
