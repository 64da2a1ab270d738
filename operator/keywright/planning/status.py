"""The status that follows from a step and its outcome; pure, like the decision before it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from keywright.api.errors import Failure, FailureClass
from keywright.api.keys import MANAGED_KINDS
from keywright.api.status import GrantStatus, PendingCreate
from keywright.api.times import parse_time
from keywright.planning.conditions import PROGRESSING, condition_writer, with_state
from keywright.planning.contest import with_contest
from keywright.planning.deletion import deletion_attempts
from keywright.planning.failure_status import (
    after_failure,
    after_report,
    status_when_rejected,
    status_while_probing,
)
from keywright.planning.former import after_tending, with_former
from keywright.planning.retirement import retiring_keys, with_held_keys, with_strays
from keywright.planning.rollout_status import RolloutUpdate, begins, with_rollout
from keywright.planning.secret_status import (
    ready_message,
    status_from_secret,
    status_unchanged,
    with_names,
)
from keywright.planning.state import GrantState, SecretState
from keywright.planning.steps import (
    ClearPending,
    Fail,
    FormerTended,
    NoOp,
    Outcome,
    Pause,
    ProbePending,
    RecordIntent,
    Reject,
    Remove,
    ReportDeletion,
    ReportLost,
    Retire,
    Written,
)
from keywright.secrets.ownership import Ownership

# The limit in the CRD.
_REQUEST_LIMIT: Final = 256


def next_status(
    state: GrantState, outcome: Outcome | None, *, news: RolloutUpdate | None = None, now: datetime
) -> GrantStatus:
    """The new status; equal to the old one if there is no change.

    `outcome` is None if the step is to wait, `news` if no rollout is in progress.
    """
    status = state.status if outcome is None else _after(state, outcome, now=now)
    written = outcome.secret if isinstance(outcome, Written) else None
    kept = isinstance(outcome, NoOp)
    result = with_rollout(status, state, written=written, kept=kept, news=news, now=now)
    result = with_contest(with_held_keys(result, state, now=now), state, outcome, now=now)
    return with_state(with_former(result, state, now=now))


def begins_rollout(state: GrantState, outcome: Outcome | None) -> bool:
    """Whether the status of the outcome begins a rollout, which is then due immediately."""
    written = outcome.secret if isinstance(outcome, Written) else None
    return begins(state, written=written, kept=isinstance(outcome, NoOp)) is not None


def is_routine_renewal(before: GrantStatus, after: GrantStatus) -> bool:
    """Whether this is a routine renewal: only the key and its dates changed, so the write may wait.

    The Secret has the same facts, and would restore a lost status. A managed key has a journal,
    which cannot wait.
    """
    return (
        after.kind not in MANAGED_KINDS
        and after.revision > before.revision > 0
        and _conditions(before) == _conditions(after)
        and after
        == msgspec.structs.replace(
            before,
            conditions=after.conditions,
            issued_at=after.issued_at,
            expires_at=after.expires_at,
            renew_at=after.renew_at,
            revision=after.revision,
            key_id=after.key_id,
            fingerprint=after.fingerprint,
        )
    )


def _conditions(status: GrantStatus) -> list[tuple[object, ...]]:
    """The conditions without their messages, which contain the expiry of the key."""
    return [(c.type, c.status, c.reason, c.observed_generation) for c in status.conditions]


def _after(state: GrantState, outcome: Outcome, *, now: datetime) -> GrantStatus:
    match outcome:
        case Written():
            return _after_writing(state, outcome, now=now)
        case ProbePending(failure):
            return status_while_probing(state, failure, now=now)
        case Fail(failure):
            tries = deletion_attempts(state) if state.deleting else state.status.failed_attempts
            result = after_failure(state, failure, attempts=tries + 1, now=now)
            return (
                msgspec.structs.replace(result, pending=None) if failure.no_side_effect else result
            )
        case RecordIntent() | Remove() | Retire() | ClearPending():
            return _after_journal_step(state, outcome, now=now)
        case ReportLost() | ReportDeletion():
            return after_report(state, outcome, now=now)
        case Reject(failure):
            return status_when_rejected(state, failure, now=now)
        case NoOp() | Pause() | FormerTended():
            return _after_keeping(state, outcome, now=now)


def _after_keeping(
    state: GrantState, outcome: NoOp | Pause | FormerTended, *, now: datetime
) -> GrantStatus:
    """The status if the key in use does not change."""
    match outcome:
        case NoOp():
            return status_unchanged(state, now=now)
        case Pause():
            # The annotations of a changed Secret are not trusted.
            return state.status
        case FormerTended():
            return after_tending(state.status, outcome)


def _after_journal_step(
    state: GrantState,
    outcome: RecordIntent | Remove | Retire | ClearPending,
    *,
    now: datetime,
) -> GrantStatus:
    status = state.status
    match outcome:
        case RecordIntent(baseline):
            return _after_intending(state, baseline, now=now)
        case Remove(key_ids, lost=lost, unproved=unproved):
            gone = {*key_ids, *unproved}
            left = tuple(key for key in status.retiring if key.key_id not in gone)
            pending = None if lost else status.pending
            return msgspec.structs.replace(status, retiring=left, pending=pending)
        case Retire():
            return msgspec.structs.replace(status, retiring=with_strays(state, now=now))
        case ClearPending():
            return _settled(state, now=now)


def _after_writing(state: GrantState, written: Written, *, now: datetime) -> GrantStatus:
    grant = state.grant
    assert grant is not None
    warning = f" {written.warning}" if written.warning else ""
    return msgspec.structs.replace(
        status_from_secret(state, grant, written.secret),
        key_id=written.key_id or state.status.key_id,
        pending=None,
        retiring=retiring_keys(state, key_id=written.key_id or state.status.key_id, now=now),
        last_handled_reconcile_at=grant.renewal_request,
        conditions=condition_writer(state, now).ready(
            reason="Succeeded", message=ready_message(grant, written.secret) + warning
        ),
    )


def _after_intending(state: GrantState, baseline: tuple[str, ...], *, now: datetime) -> GrantStatus:
    grant, status = state.grant, state.status
    assert grant is not None
    conditions = status.conditions
    if not conditions:
        begun = Failure("a key is being made.", kind=FailureClass.TRANSIENT, reason=PROGRESSING)
        conditions = condition_writer(state, now).not_ready(begun, attempts=0)
    pending = PendingCreate(
        started_at=now.replace(microsecond=0),
        baseline=baseline,
        request=(grant.renewal_request or "")[:_REQUEST_LIMIT] or None,
    )
    return msgspec.structs.replace(
        # The name is available: if the operator is killed after the write, the status names the
        # Secret.
        with_names(state, grant, published=True),
        # A key of a kind that could be reissued freely is not one of the journal.
        key_id=_proved_id(state),
        pending=pending,
        retiring=with_strays(state, now=now),
        conditions=conditions,
    )


def _proved_id(state: GrantState) -> str | None:
    """The ID of the key in use, from the status, or from a Secret whose ID is proved."""
    secret, status = state.secret, state.status
    if status.kind in MANAGED_KINDS and status.key_id is not None:
        return status.key_id
    ours = secret is not None and secret.ownership is Ownership.OWNED
    return secret.key_id if ours and secret is not None else None


def _settled(state: GrantState, *, now: datetime) -> GrantStatus:
    secret, status = state.secret, state.status
    key_id = (secret.key_id if secret is not None else None) or status.key_id
    new = key_id != status.key_id
    # The request that the key was created for is answered, whatever its value.
    request = status.pending.request if status.pending is not None else None
    answered = new and _asked_before(state, secret)
    return msgspec.structs.replace(
        status,
        key_id=key_id,
        pending=None,
        last_handled_reconcile_at=(
            state.grant.renewal_request
            if answered and state.grant is not None
            else (request if new and request else status.last_handled_reconcile_at)
        ),
        retiring=retiring_keys(state, key_id=key_id, now=now),
    )


def _asked_before(state: GrantState, secret: SecretState | None) -> bool:
    """Whether the renewal request is not newer than the key, in whole seconds."""
    requested = state.grant.renewal_request if state.grant is not None else None
    issued_at = secret.issued_at if secret is not None else None
    try:
        return bool(
            requested and issued_at and parse_time(requested).replace(microsecond=0) <= issued_at
        )
    except ValueError:
        return False
