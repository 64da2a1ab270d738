"""The status that follows from a step and its outcome; pure, like the decision before it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from keywright.api.keys import KEPT_KINDS
from keywright.api.status import GrantStatus, PendingMint
from keywright.api.times import parse_time
from keywright.planning.conditions import PROGRESSING
from keywright.planning.contest import with_contest
from keywright.planning.ending import tries_to_end
from keywright.planning.facts import Facts, SecretView, Standing
from keywright.planning.failure_status import (
    after_failure,
    after_refusal,
    after_report,
    while_trying,
)
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.former import after_tending, with_former
from keywright.planning.outcomes import (
    Deleting,
    Failed,
    FormerTended,
    Intended,
    Kept,
    Lost,
    Outcome,
    Paused,
    Refused,
    Removed,
    Retired,
    Settled,
    Unproven,
    Written,
)
from keywright.planning.retirement import retiring_after, with_held_keys, with_strays
from keywright.planning.rollout_status import News, begins, with_rollout
from keywright.planning.secret_status import as_it_is, condition_writer, holds, named, of_secret

# As the CRD has it.
_REQUEST_LIMIT: Final = 256


def record(
    facts: Facts, outcome: Outcome | None, *, news: News | None = None, now: datetime
) -> GrantStatus:
    """The new status; equal to the old one where there is nothing to tell.

    `outcome` is None where the step is to wait, `news` where no rollout is under way.
    """
    status = facts.status if outcome is None else _after(facts, outcome, now=now)
    written = outcome.secret if isinstance(outcome, Written) else None
    kept = isinstance(outcome, Kept)
    told = with_rollout(status, facts, written=written, kept=kept, news=news, now=now)
    told = with_contest(with_held_keys(told, facts, now=now), facts, outcome, now=now)
    return with_former(told, facts, condition_writer(facts, now))


def begins_rollout(facts: Facts, outcome: Outcome | None) -> bool:
    """Whether the status that tells of the outcome begins a rollout, which is then due at once."""
    written = outcome.secret if isinstance(outcome, Written) else None
    return begins(facts, written=written, kept=isinstance(outcome, Kept)) is not None


def tells_only_of_another_key(before: GrantStatus, after: GrantStatus) -> bool:
    """Whether one key has followed another, and all is as well as it was: nobody waits for it.

    The Secret says as much; were the status lost, it would be told from there. A key that lives in
    the cloud has a journal, which does wait.
    """
    return (
        after.kind not in KEPT_KINDS
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
    """All but the words for people, which tell when the key ends."""
    return [(c.type, c.status, c.reason, c.observed_generation) for c in status.conditions]


def _after(facts: Facts, outcome: Outcome, *, now: datetime) -> GrantStatus:
    match outcome:
        case Written():
            return _after_writing(facts, outcome, now=now)
        case Unproven(failure):
            return while_trying(facts, failure, now=now)
        case Failed(failure):
            tries = tries_to_end(facts) if facts.deleting else facts.status.failed_attempts
            told = after_failure(facts, failure, attempts=tries + 1, now=now)
            return msgspec.structs.replace(told, pending=None) if failure.nothing_done else told
        case Intended() | Removed() | Retired() | Settled():
            return _after_journal_step(facts, outcome, now=now)
        case Lost() | Deleting():
            return after_report(facts, outcome, now=now)
        case Refused(failure):
            return after_refusal(facts, failure, now=now)
        case Kept() | Paused() | FormerTended():
            return _after_keeping(facts, outcome, now=now)


def _after_keeping(
    facts: Facts, outcome: Kept | Paused | FormerTended, *, now: datetime
) -> GrantStatus:
    """The key stays what it is."""
    match outcome:
        case Kept():
            return as_it_is(facts, now=now)
        case Paused():
            # What a changed Secret says of its key is not believed.
            return facts.status
        case FormerTended():
            return after_tending(facts.status, outcome)


def _after_journal_step(
    facts: Facts, outcome: Intended | Removed | Retired | Settled, *, now: datetime
) -> GrantStatus:
    status = facts.status
    match outcome:
        case Intended(baseline):
            return _after_intending(facts, baseline, now=now)
        case Removed(key_ids, lost=lost):
            left = tuple(key for key in status.retiring if key.key_id not in key_ids)
            pending = None if lost else status.pending
            return msgspec.structs.replace(status, retiring=left, pending=pending)
        case Retired():
            return msgspec.structs.replace(status, retiring=with_strays(facts, now=now))
        case Settled():
            return _settled(facts, now=now)


def _after_writing(facts: Facts, written: Written, *, now: datetime) -> GrantStatus:
    grant = facts.grant
    assert grant is not None
    remark = f" {written.remark}" if written.remark else ""
    return msgspec.structs.replace(
        of_secret(facts, grant, written.secret),
        key_id=written.key_id or facts.status.key_id,
        pending=None,
        retiring=retiring_after(facts, key_id=written.key_id or facts.status.key_id, now=now),
        last_handled_reconcile_at=grant.renewal_request,
        conditions=condition_writer(facts, now).ready(
            reason="Succeeded", message=holds(grant, written.secret) + remark
        ),
    )


def _after_intending(facts: Facts, baseline: tuple[str, ...], *, now: datetime) -> GrantStatus:
    grant, status = facts.grant, facts.status
    assert grant is not None
    conditions = status.conditions
    if not conditions:
        begun = Failure("a key is being made.", kind=FailureClass.RETRY, reason=PROGRESSING)
        conditions = condition_writer(facts, now).not_ready(begun, attempts=0)
    pending = PendingMint(
        started_at=now.replace(microsecond=0),
        baseline=baseline,
        request=(grant.renewal_request or "")[:_REQUEST_LIMIT] or None,
    )
    return msgspec.structs.replace(
        named(facts, grant),
        # One of a kind that was free to be made again is no key of the journal.
        key_id=_proved_id(facts),
        pending=pending,
        retiring=with_strays(facts, now=now),
        conditions=conditions,
    )


def _proved_id(facts: Facts) -> str | None:
    """The key in use, by the status, or else by a Secret whose id is proved."""
    secret, status = facts.secret, facts.status
    if status.kind in KEPT_KINDS and status.key_id is not None:
        return status.key_id
    ours = secret is not None and secret.standing is Standing.OURS
    return secret.key_id if ours and secret is not None else None


def _settled(facts: Facts, *, now: datetime) -> GrantStatus:
    secret, status = facts.secret, facts.status
    key_id = (secret.key_id if secret is not None else None) or status.key_id
    new = key_id != status.key_id
    # The request that the key was made for is answered, whatever its value looks like.
    request = status.pending.request if status.pending is not None else None
    answered = new and _asked_before(facts, secret)
    return msgspec.structs.replace(
        status,
        key_id=key_id,
        pending=None,
        last_handled_reconcile_at=(
            facts.grant.renewal_request
            if answered and facts.grant is not None
            else (request if new and request else status.last_handled_reconcile_at)
        ),
        retiring=retiring_after(facts, key_id=key_id, now=now),
    )


def _asked_before(facts: Facts, secret: SecretView | None) -> bool:
    """Whether the request for a renewal is not younger than the key, by whole seconds."""
    asked = facts.grant.renewal_request if facts.grant is not None else None
    issued_at = secret.issued_at if secret is not None else None
    try:
        return bool(asked and issued_at and parse_time(asked).replace(microsecond=0) <= issued_at)
    except ValueError:
        return False
