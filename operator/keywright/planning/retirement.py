"""How an old managed key retires: after the overlap it is deactivated, then deleted.

A workload that reads the key only at startup uses the old one until it is restarted. So while a
rollout is in progress an old key stays beyond its overlap: for another overlap, and at least an
hour, but neither past its own expiry nor past the renewal of its successor.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.api.status import GrantStatus, RetiringKey
from keywright.api.times import format_time
from keywright.planning.conditions import ROLLOUT_PROGRESSING
from keywright.planning.events import Event
from keywright.planning.key_ownership import owned_key_ids, unknown_keys
from keywright.planning.rollout_status import is_rolling, rollout_is_owed
from keywright.planning.state import GrantState
from keywright.planning.steps import Deactivate, ListKeys, Remove, Step
from keywright.secrets.previous import PreviousKey

# A batch of workloads is waited for ten minutes: time for some of them, and for a person to react.
_MIN_GRACE: Final = timedelta(hours=1)
_HELD: Final = " The old key "


def retiring_keys(
    state: GrantState, *, key_id: str | None, now: datetime
) -> tuple[RetiringKey, ...]:
    """The keys that retire when `key_id` is the one in use, including those that already do."""
    grant, secret, status = state.grant, state.secret, state.status
    assert grant is not None
    managed = grant.managed
    if managed is None:
        # No key was ever created: another client wrote what the status names.
        return ()
    overlap = timedelta(seconds=managed.overlap_seconds)
    retiring = {key.key_id: key for key in status.retiring if key.key_id != key_id}
    at = (now + overlap).replace(microsecond=0)
    for old in sorted(owned_key_ids(state) - retiring.keys() - {key_id or ""}):
        replaced = secret is not None and old == secret.replaces and old != status.key_id
        if replaced and status.revision:
            # It was recorded when it was replaced, and has been deleted since.
            continue
        since = secret.issued_at if replaced and secret is not None else None
        retiring[old] = RetiringKey(
            key_id=old,
            retire_at=since + overlap if since else at,
            expires_at=status.expires_at if old == status.key_id else None,
        )
    return tuple(retiring.values())


def with_strays(state: GrantState, *, now: datetime) -> tuple[RetiringKey, ...]:
    """The retiring keys once a key of an intent of `now` is published, including orphaned ones.

    If the Secret or the status was lost, workloads may still use an orphaned key: it stays for the
    overlap.
    """
    grant, status = state.grant, state.status
    assert grant is not None
    assert grant.managed is not None
    at = _overlap_ends(now, grant.managed.overlap_seconds)
    strays = (RetiringKey(key_id=key_id, retire_at=at) for key_id in unknown_keys(state))
    return (*status.retiring, *strays)


def strays_of_intent(state: GrantState) -> frozenset[str]:
    """The retiring keys that were orphaned when the pending intent was written."""
    grant, pending = state.grant, state.status.pending
    if grant is None or grant.managed is None or pending is None or pending.started_at is None:
        return frozenset()
    at = _overlap_ends(pending.started_at, grant.managed.overlap_seconds)
    return frozenset(key.key_id for key in state.status.retiring if key.retire_at == at)


def _overlap_ends(begin: datetime, seconds: float) -> datetime:
    return (begin + timedelta(seconds=seconds)).replace(microsecond=0)


def predecessor_id(state: GrantState, *, key_id: str | None) -> str | None:
    """The predecessor of the key in the Secret, if it may still exist."""
    if state.grant is None or state.grant.managed is None:
        return None
    known = owned_key_ids(state)
    retiring = [key.key_id for key in state.status.retiring if key.key_id in known]
    others = sorted(known - {key_id or ""} - set(retiring))
    if others:
        return others[0]
    return retiring[0] if retiring else None


def previous_is_retired(state: GrantState) -> bool:
    """Whether the Secret contains the value of a key that is no longer retiring.

    Only if the status is about the key in the Secret: otherwise (after a crash between the two
    writes, or a restore without status) it does not list the old keys yet.
    """
    secret, status = state.secret, state.status
    if secret is None or secret.previous_id is None:
        return False
    recorded = status.revision > 0 and status.fingerprint == secret.fingerprint
    return recorded and secret.previous_id not in {key.key_id for key in status.retiring}


def previous_key(
    state: GrantState,
    *,
    key_id: str | None,
    present: Sensitive | None,
    recorded: Sensitive | None,
    now: datetime,
) -> PreviousKey | None:
    """The previous value for a Secret that is written with the key `key_id`; None for none.

    `present` and `recorded` are the key and the previous value that the Secret contains now. A key
    that does not work in the cloud is no previous value: it may be disabled because it has leaked.
    """
    secret = state.secret
    if secret is None or key_id is None:
        return None
    replaced = secret.key_id if secret.is_unexpired(now) else None
    pending = state.status.pending
    # The listing before the create lacks a key that was deleted by hand.
    exists = pending is None or replaced in pending.baseline
    if replaced is not None and replaced != key_id and exists and present is not None:
        return PreviousKey(replaced, present)
    older = secret.previous_id
    if older is None or older == key_id or recorded is None or previous_is_retired(state):
        return None
    return PreviousKey(older, recorded)


def retirement_time(key: RetiringKey, state: GrantState) -> datetime | None:
    """When an old key retires; the latest time while its clients are being restarted."""
    grant, at = state.grant, key.retire_at
    if at is None or grant is None or grant.managed is None or not grant.spec.rollout.restart:
        return at
    if not is_rolling(state.status) and not rollout_is_owed(state):
        return at
    grace = max(timedelta(seconds=grant.managed.overlap_seconds), _MIN_GRACE)
    renewed = state.secret.renew_at if state.secret is not None else None
    bounds = [bound for bound in (key.expires_at, renewed) if bound is not None]
    return max(at, min([at + grace, *bounds]))


def retirement_due(state: GrantState) -> datetime | None:
    """When the next old key retires."""
    found = (retirement_time(key, state) for key in state.status.retiring)
    return min((moment for moment in found if moment), default=None)


def with_held_keys(status: GrantStatus, state: GrantState, *, now: datetime) -> GrantStatus:
    """The new status, where RolloutProgressing also names old keys that stay for the rollout."""
    progress = status.condition(ROLLOUT_PROGRESSING)
    if progress is None:
        return status
    message = progress.message.partition(_HELD)[0] + _held(status, state, now=now)
    updated = msgspec.structs.replace(progress, message=message)
    conditions = tuple(updated if each is progress else each for each in status.conditions)
    return msgspec.structs.replace(status, conditions=conditions)


def _held(status: GrantStatus, state: GrantState, *, now: datetime) -> str:
    after = msgspec.structs.replace(state, status=status)
    due = [key for key in status.retiring if key.retire_at is not None and key.retire_at <= now]
    until = {key.key_id: at for key in due if (at := retirement_time(key, after)) and now < at}
    if not until:
        return ""
    last = format_time(max(until.values()))
    return f"{_HELD}{', '.join(until)} stays for those that are not yet, until {last} at most."


def retirement_notice(before: GrantStatus, after: GrantStatus) -> Event | None:
    """The Event for an old key that retires while workloads may still use it."""
    gone = {key.key_id for key in before.retiring} - {key.key_id for key in after.retiring}
    if not gone or not is_rolling(after):
        return None
    return Event(
        warning=True,
        reason="KeyRetiredInRollout",
        note=f"the old key {', '.join(sorted(gone))} could be kept no longer, and is removed:"
        " workloads that have not been restarted are refused from now on.",
    )


def next_retirement_step(state: GrantState, *, now: datetime) -> Step | None:
    """The step for a retiring key that is due: deactivate it, then delete it."""
    due = {
        key.key_id
        for key in state.status.retiring
        if (at := retirement_time(key, state)) is None or at <= now
    }
    if not due:
        return None
    if state.listed is None:
        return ListKeys(prepare=False)
    unproved = due & state.unproved_ids
    ours = due - unproved
    active = tuple(key.id for key in state.listed if key.id in ours and key.active)
    if active:
        return Deactivate(active)
    return Remove(tuple(sorted(ours)), unproved=tuple(sorted(unproved)))
