"""The reconcile of grants, the same for every kind of key.

    state      build_state(record)             the grant, its source, its Secret
    decide     RULES, the first match wins     the next step
    execute    issue, rewrite, a journal step  the outcome
    rollout    advance(...)                    workloads to restart
    status     new_status(...), one patch      and when the grant is reconciled next

Each stage takes values and returns values. Only this module writes to the record of the grant,
except for the lookups of managed keys (`key_checks`).
"""

from __future__ import annotations

from datetime import datetime

from keywright.api.errors import (
    ConflictError,
    Failure,
    KeyUnreadableError,
    LostLeaseError,
    RenderError,
    SecretExistsUnwatchedError,
    StaleGrantError,
)
from keywright.api.names import SOURCE_KIND
from keywright.controller.api_errors import failure_from_api_error
from keywright.controller.context import Context, Result
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.grants import journal, key_checks
from keywright.controller.grants.audit import write_audit_records
from keywright.controller.grants.former import tend_former
from keywright.controller.grants.issue import issue_key
from keywright.controller.grants.rewrite import add_watch_label, rewrite_secret
from keywright.controller.grants.rollout import advance
from keywright.controller.grants.state import build_state
from keywright.controller.grants.status import new_status, read_again, write_status
from keywright.controller.key_records import NOTHING_FOUND, Finding, UnprobedKey
from keywright.controller.records import GrantRecord
from keywright.controller.tracing import record_outcome
from keywright.planning.audit import audit_records
from keywright.planning.contest import after_repair
from keywright.planning.decide import decide
from keywright.planning.lateness import renewal_lateness, resumed_since
from keywright.planning.requeue import requeue_at
from keywright.planning.state import GrantState
from keywright.planning.steps import (
    Fail,
    Issue,
    NoOp,
    Outcome,
    Pause,
    ProbePending,
    RecordIntent,
    Reject,
    Relabel,
    ReportDeletion,
    ReportLost,
    Retire,
    Rewrite,
    Step,
    TendFormer,
    Verify,
    Wait,
    Written,
)

_OF_THE_SOURCE = f"{SOURCE_KIND} "


async def reconcile(context: Context, uid: str) -> datetime | DeferredStatusWrite | None:
    """When the grant must be reconciled again; None leaves it to the next event.

    A deferred write, if the status may be written after other due grants.
    """
    record = context.store.grants.get(uid)
    if record is None:
        return None
    began = context.clock()
    state = await _state(context, record)
    if state.deleting and not state.has_finalizer:
        return None
    step = decide(state, now=context.clock())
    result = await _execute(context, step, state)
    outcome = result.outcome
    record = context.store.grants.get(uid)
    rolled = await advance(
        context, state, outcome, known=record.rollout_state if record is not None else None
    )
    record = context.store.grants.get(uid)
    if record is not None:
        record.rollout_state = rolled.course
    now = context.clock()
    done = audit_records(state, step, outcome, restarted=rolled.restarted)
    write_audit_records(context, state, done, began=began, ended=now)
    _count_lateness(context, state, step, outcome, now=now)
    if context.tracer is not None:
        record_outcome(context.tracer, step, outcome)
    if outcome is None and rolled.update is None:
        return requeue_at(state, step, now=now)
    status = new_status(context, state, outcome, rollout=rolled.update, now=now)
    due = await write_status(
        context, state, step, outcome, status=status, rollout=rolled.update, now=now
    )
    record = context.store.grants.get(uid)
    if isinstance(outcome, RecordIntent) and record is not None and status.pending is not None:
        record.finding = Finding(intent=status.pending.started_at)
    return due


def _count_lateness(
    context: Context, state: GrantState, step: Step, outcome: Outcome | None, *, now: datetime
) -> None:
    record = context.store.grants.get(state.subject.uid)
    resumed_at = None
    if record is not None:
        resumed_at = record.resumed_at
        if isinstance(outcome, Written):
            record.resumed_at = None
    found = renewal_lateness(state, step, outcome, resumed_at=resumed_at, now=now)
    if found is not None:
        context.metrics.renewed(late=found.late, margin=found.margin)


async def _state(context: Context, record: GrantRecord) -> GrantState:
    """Build the state; one-time findings in the record are used for this decision only."""
    # An event from here on resets the back-off again.
    skip_backoff, record.skip_backoff = record.skip_backoff, False
    state = await build_state(context, record, skip_backoff=skip_backoff, finding=record.finding)
    current = context.store.grants.get(record.uid)
    if current is not None:
        current.finding = NOTHING_FOUND
        current.resumed_at = resumed_since(state, known=current.resumed_at, now=context.clock())
        if state.grant is not None:
            current.contest = state.contest
            if current is record and not state.deleting:
                current.valid_with = None if state.field_errors else state.source
            if state.pending_probe is None:
                current.pending_probe = None
    return state


async def _execute(context: Context, step: Step, state: GrantState) -> Result:
    """Execute the step, and record its result."""
    uid = state.subject.uid
    record = context.store.grants.get(uid)
    held, changed = None, False
    if record is not None and isinstance(step, Issue):
        # A change of the source's key from here on invalidates the new key as well.
        held, changed = record.pending_probe, record.source_key_changed
        record.source_key_changed = False
    result = Result()
    try:
        result = await execute(context, step, state, held=held)
    except LostLeaseError:
        # The key is kept: this replica may become the leader again.
        result = Result(pending_probe=held)
        raise
    except SecretExistsUnwatchedError as error:
        context.store.unwatched_secrets.add(error.name)
        raise
    except StaleGrantError:
        await read_again(context, state.subject)
        raise
    except KeyUnreadableError:
        _set_unreadable(context, uid)
        raise
    finally:
        issued = isinstance(result.outcome, Written | ProbePending)
        _remember(context, step, state, result, source_key_changed=changed and not issued)
    outcome = result.outcome
    of_source = isinstance(outcome, Fail) and outcome.failure.field.startswith(_OF_THE_SOURCE)
    if of_source and state.grant is not None:
        context.listener.source_failed(state.grant.source_key)
    return result


async def execute(
    context: Context, step: Step, state: GrantState, *, held: UnprobedKey | None
) -> Result:
    """Execute the step and return its outcome; a failure is an outcome as well.

    `held` is the key that waits for its probe.

    Raises:
        ConflictError: the grant must be decided again.
        LostLeaseError: nothing may be written.
    """
    try:
        return await _carry_out(context, step, state, held=held)
    except RenderError as error:
        return Result(Reject(error.failure))
    except (ConflictError, LostLeaseError):
        raise
    except Failure as failure:
        return Result(Fail(failure))
    except Exception as error:
        # Counted and reported like any other: every failure of a grant is reported.
        return Result(Fail(failure_from_api_error(error, state)))


async def _carry_out(
    context: Context, step: Step, state: GrantState, *, held: UnprobedKey | None
) -> Result:
    match step:
        case Wait():
            return Result()
        case NoOp() | Pause() | Reject() | Fail() | Retire() | ReportLost() | ReportDeletion():
            return Result(step)
        case Verify():
            await journal.verify_key(context, state)
            return Result()
        case Issue(cause):
            return await issue_key(context, state, cause=cause, held=held)
        case Rewrite(cause):
            return await rewrite_secret(context, state, cause=cause)
        case Relabel():
            return await add_watch_label(context, state)
        case TendFormer():
            return await tend_former(context, state, step)
        case _:
            return await journal.carry_out(context, step, state)


def _set_unreadable(context: Context, uid: str) -> None:
    record = context.store.grants.get(uid)
    if record is not None:
        record.unreadable = True


def _remember(
    context: Context, step: Step, state: GrantState, result: Result, *, source_key_changed: bool
) -> None:
    """Store in the record what the next reconcile needs."""
    # The current record: an event may have replaced it meanwhile.
    record = context.store.grants.get(state.subject.uid)
    if record is None:
        return
    record.source_key_changed = record.source_key_changed or source_key_changed
    if isinstance(step, Issue | Rewrite):
        record.pending_probe = result.pending_probe
    if result.finding is not None:
        record.finding = result.finding
    if result.former_due is not None:
        record.former_due = result.former_due
    if result.written is not None:
        record.last_written_secret_version = result.written.resource_version
        record.contest = after_repair(record.contest, state, now=context.clock())
    if isinstance(result.outcome, Written):
        record.unreadable = False
        key_checks.issued(context, record.uid, result.issued_id)
