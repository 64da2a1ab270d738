"""Execute the step that was decided."""

from __future__ import annotations

from keywright.api.errors import ConflictError, Failure, LostLeaseError, RenderError
from keywright.controller.api_errors import failure_from_api_error
from keywright.controller.context import Context
from keywright.controller.grants import journal
from keywright.controller.grants.former import tend_former
from keywright.controller.grants.issue import issue_key
from keywright.controller.grants.results import Result
from keywright.controller.grants.rewrite import add_watch_label, rewrite_secret
from keywright.controller.records import UnprobedKey
from keywright.planning.state import GrantState
from keywright.planning.steps import (
    Fail,
    Issue,
    NoOp,
    Pause,
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
)


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
