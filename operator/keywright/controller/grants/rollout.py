"""Restart the workloads that read a Secret whose data has changed, batch by batch.

No workload is watched: while a rollout is in progress, its workloads are read at due times, and
otherwise never. `planning.rollout` decides which workloads are next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from keywright.api.errors import ApiError, ApiUnreachableError, LostLeaseError
from keywright.api.grant import ApiKeyGrant
from keywright.controller.api_errors import (
    lacks_right_to_restart,
    refusal_of_restart,
    refusal_of_rollout,
)
from keywright.controller.context import Context
from keywright.planning.backoff import retry_at
from keywright.planning.renewal import hash_fraction
from keywright.planning.rollout import ActiveRollout, RolloutState, WorkloadView, plan, under_way
from keywright.planning.rollout_status import (
    RolloutNotDue,
    RolloutProgress,
    RolloutUpdate,
    rollout_failure,
)
from keywright.planning.state import GrantState
from keywright.planning.steps import Outcome, Written
from keywright.secrets.fingerprint import data_hash
from keywright.secrets.ownership import managed_secret_from

_WATCH_CATCHES_UP: Final = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class Advance:
    """The progress of a rollout: for the status, and for the record of the grant.

    Both are None if no rollout is in progress. `restarted` are the workloads restarted just now.
    """

    update: RolloutUpdate | None
    course: RolloutState | None
    restarted: tuple[str, ...] = ()


NO_ROLLOUT: Final = Advance(None, None)


async def advance(
    context: Context, state: GrantState, outcome: Outcome | None, *, known: RolloutState | None
) -> Advance:
    """Advance the rollout after the step of the key; `known` is its state in the record.

    A failure of workloads is not a failure of the key: the status reports it beside the key.
    """
    secret = outcome.secret if isinstance(outcome, Written) else state.secret
    now = context.clock()
    of = under_way(state, secret, now=now)
    if of is None:
        return NO_ROLLOUT
    grant = state.grant
    assert grant is not None
    course = known if known is not None and known.of == of else RolloutState(of)
    if course.due is not None and now < course.due:
        return Advance(RolloutNotDue(course.due), known)
    try:
        if course.due is None and not await _secret_unchanged(context, grant, of):
            return Advance(RolloutNotDue(context.clock() + _WATCH_CATCHES_UP), known)
        return await _next_batch(context, grant, course)
    except LostLeaseError:
        raise
    except Exception as error:
        return _failed(context, grant, course, error)


async def _secret_unchanged(context: Context, grant: ApiKeyGrant, of: ActiveRollout) -> bool:
    """Whether the Secret has the data of the rollout: the watch may lag behind."""
    metadata = await context.objects.secret_metadata(
        namespace=grant.namespace, name=grant.secret_name
    )
    if metadata is None:
        return False
    secret = managed_secret_from(metadata)
    if data_hash(secret.fingerprint) == of.mark:
        return True
    context.store.put_secret(secret)
    return False


async def _next_batch(context: Context, grant: ApiKeyGrant, course: RolloutState) -> Advance:
    found = await context.workloads.find(
        grant.spec.rollout.restart, namespace=grant.namespace, secret=grant.secret_name
    )
    outlook = plan(found.workloads, rollout=grant.spec.rollout, course=course, now=context.clock())
    known = course.restarted
    course, error = await _restart(context, grant, outlook.batch, course)
    restarted = tuple(
        str(workload) for workload in outlook.batch if workload.uid in course.restarted - known
    )
    if error is not None:
        return replace(_failed(context, grant, course, error), restarted=restarted)
    left = outlook.pending - course.restarted
    if left and left <= course.put_off:
        # Each of them was refused: they are retried together after a back-off.
        course = _backed_off(context, grant, replace(course, put_off=frozenset()))
    elif outlook.again_at is not None:
        refusal = course.refusal if left else None
        attempts = course.attempts if refusal is not None else 0
        course = replace(course, due=outlook.again_at, attempts=attempts, refusal=refusal)
    over = outlook.again_at is None
    progress = RolloutProgress(
        None if over else course.due,
        restarted=outlook.concerned - len(left),
        concerned=outlook.concerned,
        failure=rollout_failure(outlook, course, missing=found.missing, unknown=found.unknown),
    )
    ended = over and not (left and left <= course.put_off)
    return Advance(progress, None if ended else course, restarted)


async def _restart(
    context: Context, grant: ApiKeyGrant, batch: Iterable[WorkloadView], course: RolloutState
) -> tuple[RolloutState, Exception | None]:
    """The rollout after the batch, and why the rest of the batch was not restarted."""
    for workload in batch:
        context.fence.check()
        try:
            await context.workloads.restart(
                workload,
                namespace=grant.namespace,
                secret=grant.secret_name,
                mark=course.of.mark,
                at=context.clock(),
            )
        except ApiError as error:
            if error.is_missing or error.is_conflict:
                # Deleted, or replaced under the same name: it is read again.
                continue
            context.metrics.restart(workload.kind.value, succeeded=False)
            if lacks_right_to_restart(error):
                return course, error
            course = replace(
                course,
                put_off=course.put_off | {workload.uid},
                refusal=refusal_of_restart(error, workload),
            )
        except ApiUnreachableError as error:
            return course, error
        else:
            context.metrics.restart(workload.kind.value, succeeded=True)
            course = replace(
                course, restarted=course.restarted | {workload.uid}, last=context.clock()
            )
    return course, None


def _failed(
    context: Context, grant: ApiKeyGrant, course: RolloutState, error: Exception
) -> Advance:
    course = _backed_off(context, grant, course)
    failure = refusal_of_rollout(error, grant)
    return Advance(RolloutProgress(course.due, failure=failure), course)


def _backed_off(context: Context, grant: ApiKeyGrant, course: RolloutState) -> RolloutState:
    attempts = course.attempts + 1
    due = retry_at(
        attempts=attempts,
        last_failure=context.clock(),
        expires_at=None,
        position=hash_fraction(grant.uid),
    )
    return replace(course, attempts=attempts, due=due)
