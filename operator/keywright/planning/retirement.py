"""How an old key of the cloud goes: after the overlap, first inactive, then removed."""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.status import RetiringKey
from keywright.planning.cloud_keys import known_ids
from keywright.planning.facts import Deactivate, Facts, Look, Remove, Step


def retiring_after(facts: Facts, *, key_id: str | None, now: datetime) -> tuple[RetiringKey, ...]:
    """The keys that retire when `key_id` is the one in use, with those that do already."""
    grant, secret, status = facts.grant, facts.secret, facts.status
    assert grant is not None
    keeping = grant.keeping
    if keeping is None:
        # None was ever made: whatever stands there was written by somebody else.
        return ()
    overlap = timedelta(seconds=keeping.overlap_seconds)
    retiring = {key.key_id: key for key in status.retiring if key.key_id != key_id}
    at = (now + overlap).replace(microsecond=0)
    for old in sorted(known_ids(facts) - retiring.keys() - {key_id or ""}):
        replaced = secret is not None and old == secret.replaces and old != status.key_id
        if replaced and status.revision:
            # It was told of when it was replaced, and has gone since.
            continue
        since = secret.issued_at if replaced and secret is not None else None
        retiring[old] = RetiringKey(key_id=old, retire_at=since + overlap if since else at)
    return tuple(retiring.values())


def replaced_by(facts: Facts, *, key_id: str | None) -> str | None:
    """The key that the one in the Secret has replaced, and that may still be there."""
    if facts.grant is None or facts.grant.keeping is None:
        return None
    retiring = [key.key_id for key in facts.status.retiring]
    others = sorted(known_ids(facts) - {key_id or ""} - set(retiring))
    if others:
        return others[0]
    return retiring[0] if retiring else None


def retirement_due(facts: Facts) -> datetime | None:
    """When the next old key goes."""
    return min((key.retire_at for key in facts.status.retiring if key.retire_at), default=None)


def retirement(facts: Facts, *, now: datetime) -> Step | None:
    """An old key whose time has come: first inactive, then gone."""
    due = {
        key.key_id for key in facts.status.retiring if key.retire_at is None or key.retire_at <= now
    }
    if not due:
        return None
    if facts.listed is None:
        return Look(prepare=False)
    active = tuple(key.id for key in facts.listed if key.id in due and key.active)
    return Deactivate(active) if active else Remove(tuple(sorted(due)))
