"""The status that follows from a step and its outcome; pure, like the decision before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KEPT_KINDS
from keywright.api.status import Condition, ConditionStatus, GrantStatus, PendingMint
from keywright.api.times import format_time, parse_time
from keywright.planning.conditions import (
    PROBE_FAILING,
    PROGRESSING,
    READY,
    SECRET_CONFLICT,
    ConditionWriter,
)
from keywright.planning.ending import tries_to_end
from keywright.planning.facts import Facts, SecretView
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.probing import PROBE_FAILED
from keywright.planning.retirement import retiring_after, with_held_keys
from keywright.planning.rollout_status import News, begins, with_rollout
from keywright.planning.windows import next_renewal


@dataclass(frozen=True, slots=True)
class Written:
    """The Secret was written: what it holds now, by which key, and a remark for its readers."""

    secret: SecretView
    key_id: str | None
    remark: str = ""
    renewed: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """The step was tried and did not succeed."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Unproven:
    """A new key is made and does not work yet: it is tried again at that time."""

    failure: Failure
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """The step was not even tried."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Kept:
    """Nothing was done."""


@dataclass(frozen=True, slots=True)
class Intended:
    """The journal says that a key is about to be created, and which existed before."""

    baseline: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """Keys are gone from the cloud; `lost` were those of the intent, which is over then."""

    key_ids: tuple[str, ...]
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is under way; the Secret says which key is in use."""


Outcome = Written | Unproven | Failed | Refused | Kept | Intended | Removed | Settled


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
    return with_held_keys(told, facts, now=now)


def begins_rollout(facts: Facts, outcome: Outcome | None) -> bool:
    """Whether the status that tells of the outcome begins a rollout, which is then due at once."""
    written = outcome.secret if isinstance(outcome, Written) else None
    return begins(facts, written=written, kept=isinstance(outcome, Kept)) is not None


def _after(facts: Facts, outcome: Outcome, *, now: datetime) -> GrantStatus:
    match outcome:
        case Written():
            return _after_writing(facts, outcome, now=now)
        case Unproven(failure):
            return _while_trying(facts, failure, now=now)
        case Failed(failure):
            tries = tries_to_end(facts) if facts.deleting else facts.status.failed_attempts
            told = _after_failure(facts, failure, attempts=tries + 1, now=now)
            return msgspec.structs.replace(told, pending=None) if failure.nothing_done else told
        case Intended(baseline):
            return _after_intending(facts, baseline, now=now)
        case Removed(key_ids, lost=lost):
            status = facts.status
            left = tuple(key for key in status.retiring if key.key_id not in key_ids)
            pending = None if lost else status.pending
            return msgspec.structs.replace(status, retiring=left, pending=pending)
        case Settled():
            return _settled(facts, now=now)
        case Refused(failure):
            return _after_refusal(facts, failure, now=now)
        case Kept():
            return _as_it_is(facts, now=now)


def _after_writing(facts: Facts, written: Written, *, now: datetime) -> GrantStatus:
    grant = facts.grant
    assert grant is not None
    remark = f" {written.remark}" if written.remark else ""
    return msgspec.structs.replace(
        _from_secret(facts, grant, written.secret),
        key_id=written.key_id or facts.status.key_id,
        pending=None,
        retiring=retiring_after(facts, key_id=written.key_id or facts.status.key_id, now=now),
        last_handled_reconcile_at=grant.renewal_request,
        conditions=_writer(facts, now).ready(
            reason="Succeeded", message=_told(grant, written.secret) + remark
        ),
    )


def _while_trying(facts: Facts, failure: Failure, *, now: datetime) -> GrantStatus:
    """What was there stays as it is told, and beside it what the new key was answered."""
    grant, status, writer = facts.grant, facts.status, _writer(facts, now)
    assert grant is not None
    told = tuple(each for each in status.conditions if each.type != PROBE_FAILING)
    if not told:
        begun = Failure("a new key is being tried.", kind=FailureClass.RETRY, reason=PROGRESSING)
        told = writer.not_ready(begun, attempts=0)
    return msgspec.structs.replace(
        _names(facts, grant), conditions=(*told, writer.probe_failing(failure))
    )


def _after_failure(facts: Facts, failure: Failure, *, attempts: int, now: datetime) -> GrantStatus:
    secret, status, writer = facts.secret, facts.status, _writer(facts, now)
    alive = secret is not None and secret.lives(now)
    if secret is not None and facts.grant is not None and alive:
        ready = status.condition(READY)
        if ready is None or ready.status is not ConditionStatus.TRUE:
            told = _told(facts.grant, secret)
            # Of the generation before this one, which has not been carried out.
            ready = msgspec.structs.replace(
                writer.ready(reason="Succeeded", message=told)[0],
                observed_generation=max(status.observed_generation, 0),
            )
        conditions: tuple[Condition, ...] = (ready, writer.failing(failure))
    elif secret is not None and secret.revision and not alive:
        message = f"The key ended at {_time(secret.expires_at)}. {failure.sentence()}"
        conditions = writer.not_ready(failure, attempts=attempts, reason="Expired", message=message)
    else:
        conditions = writer.not_ready(failure, attempts=attempts)
    if failure.reason == PROBE_FAILED:
        conditions += (writer.probe_failing(failure),)
    return msgspec.structs.replace(
        status if facts.grant is None else _names(facts, facts.grant),
        observed_generation=facts.subject.generation,
        failed_attempts=attempts,
        last_failure_time=now.replace(microsecond=0),
        conditions=conditions,
    )


def _after_refusal(facts: Facts, failure: Failure, *, now: datetime) -> GrantStatus:
    """Told once: a refusal that is there already is not written again."""
    status, writer = facts.status, _writer(facts, now)
    if failure is facts.source_problem:
        told = _after_failure(facts, failure, attempts=status.failed_attempts, now=now)
        return msgspec.structs.replace(told, last_failure_time=status.last_failure_time)
    conditions = writer.not_ready(failure, attempts=0)
    if failure.reason == SECRET_CONFLICT:
        conditions += (
            writer.condition(
                SECRET_CONFLICT, true=True, reason=failure.reason, message=failure.sentence()
            ),
        )
    return msgspec.structs.replace(
        status if facts.grant is None else _names(facts, facts.grant),
        observed_generation=facts.subject.generation,
        conditions=conditions,
    )


def _after_intending(facts: Facts, baseline: tuple[str, ...], *, now: datetime) -> GrantStatus:
    grant, status = facts.grant, facts.status
    assert grant is not None
    conditions = status.conditions
    if not conditions:
        begun = Failure("a key is being made.", kind=FailureClass.RETRY, reason=PROGRESSING)
        conditions = _writer(facts, now).not_ready(begun, attempts=0)
    pending = PendingMint(started_at=now.replace(microsecond=0), baseline=baseline)
    return msgspec.structs.replace(
        _names(facts, grant),
        # One of a kind that was free to be made again is no key of the journal.
        key_id=status.key_id if status.kind in KEPT_KINDS else None,
        pending=pending,
        conditions=conditions,
    )


def _settled(facts: Facts, *, now: datetime) -> GrantStatus:
    secret, status = facts.secret, facts.status
    key_id = (secret.key_id if secret is not None else None) or status.key_id
    answered = key_id != status.key_id and _asked_before(facts, secret)
    return msgspec.structs.replace(
        status,
        key_id=key_id,
        pending=None,
        last_handled_reconcile_at=(
            facts.grant.renewal_request
            if answered and facts.grant is not None
            else status.last_handled_reconcile_at
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


def _as_it_is(facts: Facts, *, now: datetime) -> GrantStatus:
    grant, secret, writer = facts.grant, facts.secret, _writer(facts, now)
    assert grant is not None
    if grant.spec.suspend:
        return _suspended(facts, grant, now=now)
    assert secret is not None
    # Another key than the one last told of: we were ended between the writes of Secret and status.
    told = (facts.status.issued_at, facts.status.expires_at)
    known = told == (secret.issued_at, secret.expires_at)
    status = msgspec.structs.replace(
        _from_secret(facts, grant, secret),
        renew_at=next_renewal(grant, secret, now=now),
        key_id=secret.key_id or (facts.status.key_id if known else None),
        retiring=retiring_after(facts, key_id=secret.key_id or facts.status.key_id, now=now),
        pending=None if grant.keeping is None else facts.status.pending,
        # What is kept has answered the request, whether that was told or not.
        last_handled_reconcile_at=(grant.renewal_request or facts.status.last_handled_reconcile_at),
    )
    ready = facts.status.condition(READY)
    settled = (
        known
        and ready is not None
        and ready.status is ConditionStatus.TRUE
        and ready.reason == "Succeeded"
        and ready.observed_generation == grant.generation
    )
    conditions: tuple[Condition, ...] = (
        (ready,)
        if settled and ready is not None
        else writer.ready(reason="Succeeded", message=_told(grant, secret))
    )
    if facts.source_problem is not None:
        conditions += (writer.failing(facts.source_problem),)
    return msgspec.structs.replace(status, conditions=conditions)


def _suspended(facts: Facts, grant: ApiKeyGrant, *, now: datetime) -> GrantStatus:
    secret, writer = facts.secret, _writer(facts, now)
    lives = secret is not None and secret.lives(now)
    end = f" The key in Secret {grant.secret_name} " if secret is not None else ""
    if secret is not None:
        end += f"{'ends' if lives else 'ended'} at {_time(secret.expires_at)}."
    status = _names(facts, grant) if secret is None else _from_secret(facts, grant, secret)
    return msgspec.structs.replace(
        status,
        observed_generation=grant.generation,
        conditions=(
            writer.condition(
                READY,
                true=lives,
                reason="Suspended",
                message=f"spec.suspend is true: nothing is minted.{end}",
            ),
        ),
    )


def _from_secret(facts: Facts, grant: ApiKeyGrant, secret: SecretView) -> GrantStatus:
    """What the Secret's own annotations say, so that a lost status comes back without a mint."""
    return msgspec.structs.replace(
        _names(facts, grant),
        observed_generation=grant.generation,
        issued_at=secret.issued_at,
        expires_at=secret.expires_at,
        renew_at=secret.renew_at,
        revision=secret.revision,
        fingerprint=secret.fingerprint,
        failed_attempts=0,
        last_failure_time=None,
    )


def _names(facts: Facts, grant: ApiKeyGrant) -> GrantStatus:
    return msgspec.structs.replace(
        facts.status, kind=grant.kind.value, secret_name=grant.secret_name
    )


def _writer(facts: Facts, now: datetime) -> ConditionWriter:
    return ConditionWriter(facts.status.conditions, generation=facts.subject.generation, now=now)


def _told(grant: ApiKeyGrant, secret: SecretView) -> str:
    end = f" until {_time(secret.expires_at)}" if secret.expires_at else ""
    remark = f" {secret.remark}" if secret.remark else ""
    return f"Secret {grant.secret_name} holds a {grant.kind.value}{end}.{remark}"


def _time(moment: datetime | None) -> str:
    return format_time(moment) if moment else "no time"
