"""Whose the keys in the cloud are: the grant's own, strays, those that an intent has made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from keywright.api.keys import KEPT_KINDS
from keywright.api.status import PendingMint
from keywright.planning.facts import CloudKey, Facts, Standing

# A key is created within this of its intent, or a new intent is written.
INTENT_LASTS: Final = timedelta(seconds=60)
# An API that verifies signatures refuses a clock that is further off.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
# How long after an intent a listing that does not show its key may still be behind.
_LISTING_SETTLES: Final = timedelta(seconds=30)


def known_ids(facts: Facts) -> frozenset[str]:
    """The keys that the grant knows as its own: in use, and retiring."""
    secret, status = facts.secret, facts.status
    found: set[str | None] = {retiring.key_id for retiring in status.retiring}
    if status.kind in KEPT_KINDS:
        found.add(status.key_id)
    if secret is not None and secret.standing is Standing.OURS:
        found |= {secret.key_id, secret.replaces}
    return frozenset(key_id for key_id in found if key_id)


def stray_keys(facts: Facts) -> tuple[str, ...]:
    """The keys that the cloud shows as the grant's own, and that nobody knows.

    Of many keys, only when the grant goes: one that is in use may have been taken up by another
    import already.
    """
    grant = facts.grant
    if grant is None or grant.keeping is None or not grant.keeping.marked:
        return ()
    if grant.is_many and not facts.deleting:
        return ()
    known = known_ids(facts)
    return tuple(sorted(key.id for key in facts.listed or () if key.id not in known))


def lost_keys(
    pending: PendingMint, *, listed: Iterable[CloudKey], known: frozenset[str]
) -> tuple[str, ...]:
    """The keys that an intent must have made: new since its baseline, nobody's, of its time."""
    began = pending.started_at
    if began is None:
        return ()
    earliest, latest = began - _CLOCKS_DIFFER, began + INTENT_LASTS + _CLOCKS_DIFFER
    return tuple(
        key.id
        for key in listed
        if key.here
        and key.id not in pending.baseline
        and key.id not in known
        and earliest <= key.created_at <= latest
    )


def listing_settles_at(pending: PendingMint) -> datetime | None:
    """From when on a listing without the key of the intent is believed."""
    return None if pending.started_at is None else pending.started_at + _LISTING_SETTLES
