"""The status of a grant after a failed step: the key in use is kept, and the failure reported."""

from __future__ import annotations

from datetime import datetime

import msgspec

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import DeletionPolicy
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.api.times import format_time, format_time_or_dash
from keywright.planning.backoff import PROBE_FAILED
from keywright.planning.conditions import (
    DELETING,
    PROBE_FAILING,
    PROGRESSING,
    READY,
    RECONCILING,
    RENEWAL_FAILING,
    SECRET_CONFLICT,
    STALLED,
    SUSPENDED,
    TRIED_UNTIL,
    ConditionWriter,
    condition_writer,
    with_state,
)
from keywright.planning.key_check import KEY_LOST, loss
from keywright.planning.key_ownership import OWNED_BY_ANOTHER_CLUSTER
from keywright.planning.secret_status import ready_message, with_names
from keywright.planning.state import GrantState
from keywright.planning.steps import ReportDeletion, ReportLost


def status_while_probing(state: GrantState, failure: Failure, *, now: datetime) -> GrantStatus:
    """Keep the status of the key in use, and report the answer that the new key received."""
    grant, status, writer = state.grant, state.status, condition_writer(state, now)
    assert grant is not None
    result = tuple(each for each in status.conditions if each.type != PROBE_FAILING)
    if not result:
        begun = Failure(
            "a new key is being tried.", kind=FailureClass.TRANSIENT, reason=PROGRESSING
        )
        result = writer.not_ready(begun, attempts=0)
    return msgspec.structs.replace(
        with_names(state, grant), conditions=(*result, writer.probe_failing(failure))
    )


def after_failure(
    state: GrantState, failure: Failure, *, attempts: int, now: datetime
) -> GrantStatus:
    """Report the `attempts`-th failure in a row; a key that is valid stays Ready."""
    secret, status, writer = state.secret, state.status, condition_writer(state, now)
    alive = secret is not None and secret.is_unexpired(now) and not state.doubted
    if state.deleting:
        message = _revocation_failed(state, failure)
        conditions: tuple[Condition, ...] = writer.not_ready(
            failure, attempts=attempts, reason=DELETING, message=message
        )
    elif failure.reason == OWNED_BY_ANOTHER_CLUSTER:
        conditions = writer.not_ready(failure, attempts=attempts)
    elif secret is not None and state.grant is not None and alive:
        ready = status.condition(READY)
        resumed = ready is not None and ready.reason == SUSPENDED and not state.grant.spec.suspend
        if ready is None or ready.status is not ConditionStatus.TRUE or resumed:
            result = ready_message(state.grant, secret)
            # From the generation before this one, which was not carried out.
            ready = msgspec.structs.replace(
                writer.ready(reason="Succeeded", message=result)[0],
                observed_generation=max(status.observed_generation, 0),
            )
        conditions = (ready, writer.failing(failure))
    elif secret is not None and secret.lost and secret.key_id is not None:
        message = (
            f"{loss(state, secret.key_id).message_with_remedy()} {failure.message_with_remedy()}"
        )
        conditions = writer.not_ready(failure, attempts=attempts, reason=KEY_LOST, message=message)
    elif secret is not None and secret.revision and not alive and not state.doubted:
        ended = format_time_or_dash(secret.expires_at)
        message = f"The key ended at {ended}. {failure.message_with_remedy()}"
        conditions = writer.not_ready(failure, attempts=attempts, reason="Expired", message=message)
    else:
        conditions = writer.not_ready(failure, attempts=attempts)
    if failure.reason == PROBE_FAILED:
        conditions += (writer.probe_failing(failure),)
    return msgspec.structs.replace(
        status if state.grant is None else with_names(state, state.grant),
        observed_generation=state.subject.generation,
        failed_attempts=attempts,
        last_failure_time=now.replace(microsecond=0),
        conditions=conditions,
    )


def after_report(
    state: GrantState, report: ReportLost | ReportDeletion, *, now: datetime
) -> GrantStatus:
    """The status that reports a state before it is acted on."""
    if isinstance(report, ReportLost):
        return _after_loss(state, report.key_id, now=now)
    return _after_deletion(state, now=now)


def _after_loss(state: GrantState, key_id: str, *, now: datetime) -> GrantStatus:
    """The key in use does not work: Ready is False until another is published."""
    status, writer = state.status, condition_writer(state, now)
    conditions = writer.not_ready(loss(state, key_id), attempts=0)
    return msgspec.structs.replace(
        status if state.grant is None else with_names(state, state.grant), conditions=conditions
    )


def _after_deletion(state: GrantState, *, now: datetime) -> GrantStatus:
    """The key is being revoked: clients must not rely on it from here on."""
    writer = condition_writer(state, now)
    begun = Failure("the key is being revoked.", kind=FailureClass.TRANSIENT, reason=DELETING)
    return msgspec.structs.replace(
        state.status,
        observed_generation=state.subject.generation,
        failed_attempts=0,
        last_failure_time=None,
        conditions=writer.not_ready(begun, attempts=0),
    )


def _revocation_failed(state: GrantState, failure: Failure) -> str:
    grant = state.grant
    if grant is not None and grant.spec.deletion_policy is DeletionPolicy.RETAIN:
        return (
            f"Tagging the key as retained failed: {failure.message_with_remedy()} This is retried"
            " for about half a minute; then the grant goes, and its key stays in the cloud."
        )
    gives_up_at = state.gives_up_at
    until = (
        f" until {format_time_or_dash(gives_up_at)}, at least" if gives_up_at is not None else ""
    )
    return (
        f"The key could not be revoked: {failure.message_with_remedy()}{TRIED_UNTIL}{until};"
        " then the grant goes and its key stays in the cloud."
    )


def status_when_rejected(state: GrantState, failure: Failure, *, now: datetime) -> GrantStatus:
    """Report a rejection once: one that is already reported is not written again."""
    status, writer = state.status, condition_writer(state, now)
    if failure is state.source_problem:
        result = after_failure(state, failure, attempts=status.failed_attempts, now=now)
        return msgspec.structs.replace(result, last_failure_time=status.last_failure_time)
    conditions = writer.not_ready(failure, attempts=0)
    if failure.reason == SECRET_CONFLICT:
        conditions += (
            writer.condition(
                SECRET_CONFLICT,
                true=True,
                reason=failure.reason,
                message=failure.message_with_remedy(),
            ),
        )
    return msgspec.structs.replace(
        status if state.grant is None else with_names(state, state.grant),
        observed_generation=state.subject.generation,
        conditions=conditions,
    )


EXPIRED = "Expired"
_REPLACED = frozenset({READY, RECONCILING, RENEWAL_FAILING, STALLED})


def expired_status(
    status: GrantStatus, *, expires_at: datetime, now: datetime
) -> GrantStatus | None:
    """The status with Ready=False; None if it does not report Ready=True.

    The message keeps the reason for the failed renewal; the renewal continues and reports
    separately.
    """
    ready = status.condition(READY)
    if ready is None or ready.status is not ConditionStatus.TRUE:
        return None
    failing = status.condition(RENEWAL_FAILING)
    why = failing.message if failing is not None else "A new one has not been issued yet."
    message = f"The key ended at {format_time(expires_at)}. {why}"
    generation = status.observed_generation
    if ready.observed_generation is not None:
        generation = ready.observed_generation
    writer = ConditionWriter(status.conditions, generation=generation, now=now)
    suspended = ready.reason == SUSPENDED
    reason = SUSPENDED if suspended else EXPIRED
    conditions = [
        writer.condition(
            READY, true=False, reason=reason, message=ready.message if suspended else message
        )
    ]
    if not suspended:
        conditions.append(
            writer.condition(RECONCILING, true=True, reason="ProgressingWithRetry", message=message)
        )
    others = [each for each in status.conditions if each.type not in _REPLACED]
    return with_state(msgspec.structs.replace(status, conditions=(*conditions, *others)))
