"""The last stage: one patch of the status, its Events and log lines, and the next due time."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

import msgspec

from keywright.api.errors import ApiError, ConflictError
from keywright.api.names import GRANT_PLURAL
from keywright.api.status import GrantStatus
from keywright.controller.context import Context
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.grants import key_checks
from keywright.controller.grants.audit import event_reference
from keywright.controller.grants.journal import report_unproved_keys
from keywright.planning.contest import contest_notice
from keywright.planning.decide import decide
from keywright.planning.docs_links import with_links
from keywright.planning.events import Event, event_for, renewal_answer
from keywright.planning.former import former_notice
from keywright.planning.requeue import requeue_at
from keywright.planning.retirement import retirement_notice
from keywright.planning.rollout_status import RolloutUpdate, rollout_notice
from keywright.planning.state import GrantState, IssueReason, ObjectRef
from keywright.planning.status import begins_rollout, is_routine_renewal, next_status
from keywright.planning.steps import (
    Fail,
    Issue,
    NoOp,
    Outcome,
    ProbePending,
    Rewrite,
    Step,
    Written,
)

_LOG = logging.getLogger(__name__)


def new_status(
    context: Context,
    state: GrantState,
    outcome: Outcome | None,
    *,
    rollout: RolloutUpdate | None,
    now: datetime,
) -> GrantStatus:
    """The status that follows from the outcome and the rollout, with the operator's proofs."""
    status = next_status(state, outcome, news=rollout, now=now)
    return context.proofs.signed(status, state, outcome)


async def write_status(
    context: Context,
    state: GrantState,
    step: Step,
    outcome: Outcome | None,
    *,
    status: GrantStatus,
    rollout: RolloutUpdate | None,
    now: datetime,
) -> datetime | DeferredStatusWrite | None:
    """Patch the status, post Events, and return when the grant is reconciled next.

    The write for a routine renewal is returned, to be deferred.
    """
    due = partial(_due, context, state, step, outcome, status=status, rollout=rollout, now=now)
    if is_routine_renewal(state.status, status) and _is_latest(context, state.subject):
        # There may be hundreds: none of them retains the state.
        return DeferredStatusWrite(partial(_write_later, context, state.subject, status, due()))
    if status != state.status:
        await _patch(context, state.subject, status)
        await _post_events(context, state, status, rollout=rollout)
        left_behind = former_notice(state.status, status, outcome)
        if left_behind is not None:
            await _post(context, state.subject, left_behind)
        await _answer_request(context, state, step, outcome)
        await report_unproved_keys(context, state, status, outcome)
    return due()


async def _answer_request(
    context: Context, state: GrantState, step: Step, outcome: Outcome | None
) -> None:
    """Post an Event for a requested renewal, unless the new key is sufficient evidence."""
    requested = isinstance(step, Issue) and step.cause is IssueReason.REQUESTED
    if not requested or state.grant is None or not isinstance(outcome, Written):
        return
    source = context.store.sources.get(state.grant.source_key)
    answer = renewal_answer(
        state.grant,
        before_id=state.status.key_id,
        after_id=outcome.key_id,
        before_expires=state.status.expires_at,
        identity=(source.status.identity or "") if source is not None else "",
    )
    if answer is not None:
        await _post(context, state.subject, answer)


def _is_latest(context: Context, subject: ObjectRef) -> bool:
    """Whether the status in the state is still the current one."""
    known = context.store.grants.get(subject.uid)
    return known is None or str(known.version) == subject.resource_version


async def report_status(
    context: Context, subject: ObjectRef, before: GrantStatus, after: GrantStatus
) -> None:
    """Write a status without a step, and post its Events.

    Raises:
        ConflictError: the grant has a newer version; it was read again.
    """
    await _patch(context, subject, after)
    await _post_events(context, GrantState(subject=subject, status=before), after, rollout=None)


async def _write_later(
    context: Context, subject: ObjectRef, status: GrantStatus, due: datetime | None
) -> datetime | None:
    await _patch(context, subject, status)
    return due


def _due(
    context: Context,
    state: GrantState,
    step: Step,
    outcome: Outcome | None,
    *,
    status: GrantStatus,
    rollout: RolloutUpdate | None,
    now: datetime,
) -> datetime | None:
    due = [_due_of_key(context, state, step, outcome, status=status, now=now)]
    if begins_rollout(state, outcome):
        due.append(now)
    elif rollout is not None:
        due.append(rollout.again_at)
    return min((moment for moment in due if moment is not None), default=None)


def _due_of_key(
    context: Context,
    state: GrantState,
    step: Step,
    outcome: Outcome | None,
    *,
    status: GrantStatus,
    now: datetime,
) -> datetime | None:
    """When the next step of the key is due, by the state after this one."""
    if isinstance(outcome, ProbePending):
        return outcome.again_at
    contest = state.contest
    if isinstance(outcome, Written):
        record = context.store.grants.get(state.subject.uid)
        contest = record.contest if record is not None else None
    after = msgspec.structs.replace(
        state,
        status=status,
        secret=outcome.secret if isinstance(outcome, Written) else state.secret,
        listed=None,
        intent_written_by_this_process=False,
        pending_probe=None,
        skip_backoff=state.skip_backoff and not isinstance(outcome, Written | Fail),
        contest=contest,
        verify_at=key_checks.verify_at(context, state),
    )
    if isinstance(outcome, Written):
        return requeue_at(after, NoOp(), now=now)
    if isinstance(outcome, Fail):
        # The back-off decides: a reconcile now would only wait for it.
        step = decide(after, now=now)
        if isinstance(step, Issue | Rewrite):
            return now  # elapsed: it counts from the whole second in the status
    return requeue_at(after, step, now=now)


async def _patch(context: Context, subject: ObjectRef, status: GrantStatus) -> None:
    body = with_links(status, docs_url=context.docs_url).to_body()
    context.fence.check()
    try:
        version = await context.objects.patch_status(
            GRANT_PLURAL,
            namespace=subject.namespace,
            name=subject.name,
            resource_version=subject.resource_version,
            status=body,
        )
    except ApiError as error:
        if error.is_missing:
            context.listener.drop_grant(subject.uid)
            return
        if not error.is_conflict:
            raise
        await read_again(context, subject)
        raise ConflictError from error
    context.store.put_status(subject.uid, version=version, status=body)
    grant = f"{subject.namespace}/{subject.name}"
    _LOG.debug("status written", extra={"grant": grant, "revision": status.revision})


async def read_again(context: Context, subject: ObjectRef) -> None:
    """Read the grant again: its stored version is outdated."""
    found = await context.objects.object(
        GRANT_PLURAL, namespace=subject.namespace, name=subject.name
    )
    if found is None or found["metadata"]["uid"] != subject.uid:
        context.listener.drop_grant(subject.uid)
    elif subject.uid in context.store.grants:
        context.listener.grant(found)


async def _post_events(
    context: Context, state: GrantState, status: GrantStatus, *, rollout: RolloutUpdate | None
) -> None:
    events = (
        event_for(state.status, status),
        rollout_notice(state.status, status, news=rollout),
        retirement_notice(state.status, status),
        contest_notice(state.status, status),
    )
    for event in events:
        if event is not None:
            await _post(context, state.subject, event)


async def _post(context: Context, subject: ObjectRef, event: Event) -> None:
    """Log the Event and post it."""
    _LOG.log(
        logging.WARNING if event.warning else logging.INFO,
        "%s: %s",
        event.reason,
        event.note,
        extra={"grant": f"{subject.namespace}/{subject.name}"},
    )
    await context.events.post(
        event_reference(subject), warning=event.warning, reason=event.reason, note=event.note
    )
