"""When a credential is renewed.

renewAt = expiry - margin - jitter, in whole seconds, never later than the margin allows.
The jitter only moves it EARLIER and is the same for the same object: ten thousand objects spread
out, and a restart moves nothing. It is smaller than the tenth of its life in which a shared
session may sign (see `may_sign`), so that grants that share a session renew from the same one.

The renewal begins within the second before renewAt, at the place that whole seconds cannot tell:
else a hundred keys of one second would all begin at its start, and the last would be late.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from keywright.api.grant import ApiKeyGrant

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
