"""The status of a grant whose step did not succeed: what it has stays told, and what is wrong."""

from __future__ import annotations

from datetime import datetime

import msgspec

from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.conditions import (
    DELETING,
    PROBE_FAILING,
    PROGRESSING,
    READY,
    SECRET_CONFLICT,
    TRIED_UNTIL,
)
from keywright.planning.facts import Facts
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.key_check import KEY_LOST, loss
from keywright.planning.outcomes import Deleting, Lost
from keywright.planning.ownership import OWNED_BY_ANOTHER_CLUSTER
from keywright.planning.probing import PROBE_FAILED
from keywright.planning.secret_status import condition_writer, holds, named, time_told


def while_trying(facts: Facts, failure: Failure, *, now: datetime) -> GrantStatus:
    """What was there stays as it is told, and beside it what the new key was answered."""
    grant, status, writer = facts.grant, facts.status, condition_writer(facts, now)
    assert grant is not None
    told = tuple(each for each in status.conditions if each.type != PROBE_FAILING)
    if not told:
        begun = Failure("a new key is being tried.", kind=FailureClass.RETRY, reason=PROGRESSING)
        told = writer.not_ready(begun, attempts=0)
    return msgspec.structs.replace(
        named(facts, grant), conditions=(*told, writer.probe_failing(failure))
    )


def after_failure(facts: Facts, failure: Failure, *, attempts: int, now: datetime) -> GrantStatus:
    """A step failed for the `attempts`-th time in a row; a key that lives stays Ready."""
    secret, status, writer = facts.secret, facts.status, condition_writer(facts, now)
    alive = secret is not None and secret.lives(now) and not facts.doubted
    if facts.deleting:
        message = _revocation_failed(facts, failure)
        conditions: tuple[Condition, ...] = writer.not_ready(
            failure, attempts=attempts, reason=DELETING, message=message
        )
    elif failure.reason == OWNED_BY_ANOTHER_CLUSTER:
        conditions = writer.not_ready(failure, attempts=attempts)
    elif secret is not None and facts.grant is not None and alive:
        ready = status.condition(READY)
        if ready is None or ready.status is not ConditionStatus.TRUE:
            told = holds(facts.grant, secret)
            # Of the generation before this one, which has not been carried out.
            ready = msgspec.structs.replace(
                writer.ready(reason="Succeeded", message=told)[0],
                observed_generation=max(status.observed_generation, 0),
            )
        conditions = (ready, writer.failing(failure))
    elif secret is not None and secret.lost and secret.key_id is not None:
        message = f"{loss(facts, secret.key_id).sentence()} {failure.sentence()}"
        conditions = writer.not_ready(failure, attempts=attempts, reason=KEY_LOST, message=message)
    elif secret is not None and secret.revision and not alive and not facts.doubted:
        message = f"The key ended at {time_told(secret.expires_at)}. {failure.sentence()}"
        conditions = writer.not_ready(failure, attempts=attempts, reason="Expired", message=message)
    else:
        conditions = writer.not_ready(failure, attempts=attempts)
    if failure.reason == PROBE_FAILED:
        conditions += (writer.probe_failing(failure),)
    return msgspec.structs.replace(
        status if facts.grant is None else named(facts, facts.grant),
        observed_generation=facts.subject.generation,
        failed_attempts=attempts,
        last_failure_time=now.replace(microsecond=0),
        conditions=conditions,
    )


def after_report(facts: Facts, report: Lost | Deleting, *, now: datetime) -> GrantStatus:
    """What is told before anything is done about it."""
    if isinstance(report, Lost):
        return _after_loss(facts, report.key_id, now=now)
    return _after_deletion(facts, now=now)


def _after_loss(facts: Facts, key_id: str, *, now: datetime) -> GrantStatus:
    """The key that readers have does not work: Ready is False until another is published."""
    status, writer = facts.status, condition_writer(facts, now)
    conditions = writer.not_ready(loss(facts, key_id), attempts=0)
    return msgspec.structs.replace(
        status if facts.grant is None else named(facts, facts.grant), conditions=conditions
    )


def _after_deletion(facts: Facts, *, now: datetime) -> GrantStatus:
    """The key is being revoked: from here on nobody may rely on it."""
    writer = condition_writer(facts, now)
    begun = Failure("the key is being revoked.", kind=FailureClass.RETRY, reason=DELETING)
    return msgspec.structs.replace(
        facts.status,
        observed_generation=facts.subject.generation,
        failed_attempts=0,
        last_failure_time=None,
        conditions=writer.not_ready(begun, attempts=0),
    )


def _revocation_failed(facts: Facts, failure: Failure) -> str:
    gives_up_at = facts.gives_up_at
    until = f" until {time_told(gives_up_at)}, at least" if gives_up_at is not None else ""
    return (
        f"The key could not be revoked: {failure.sentence()}{TRIED_UNTIL}{until}; then the grant"
        " goes and its key stays in the cloud."
    )


def after_refusal(facts: Facts, failure: Failure, *, now: datetime) -> GrantStatus:
    """Told once: a refusal that is there already is not written again."""
    status, writer = facts.status, condition_writer(facts, now)
    if failure is facts.source_problem:
        told = after_failure(facts, failure, attempts=status.failed_attempts, now=now)
        return msgspec.structs.replace(told, last_failure_time=status.last_failure_time)
    conditions = writer.not_ready(failure, attempts=0)
    if failure.reason == SECRET_CONFLICT:
        conditions += (
            writer.condition(
                SECRET_CONFLICT, true=True, reason=failure.reason, message=failure.sentence()
            ),
        )
    return msgspec.structs.replace(
        status if facts.grant is None else named(facts, facts.grant),
        observed_generation=facts.subject.generation,
        conditions=conditions,
    )
