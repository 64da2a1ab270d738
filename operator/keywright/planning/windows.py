"""Renewals that are put off to the next window, but never so far that the key would end.

Only a renewal whose time has come waits for a window. One that is asked for, a repair, a key that
ended and one that should be another go ahead at any time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.grant import ApiKeyGrant
from keywright.api.windows import Window
from keywright.planning.renewal import begins_at, hash_fraction, margin, renew_at
from keywright.planning.state import SecretState

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
