"""The one reconcile of grants: gather, decide, carry out, record; the same for every kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from keywright.api.errors import (
    ConflictError,
    Failure,
    LostLeaseError,
    RenderError,
    SecretExistsUnwatchedError,
    StaleGrantError,
)
from keywright.api.names import SOURCE_KIND
from keywright.clouds.sessions import Clock
from keywright.controller.api_errors import failure_from_api_error
from keywright.controller.create_journal import CreateJournal
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.issuing import Issuing
from keywright.controller.records import Name
from keywright.controller.rollouts import Rollouts
from keywright.controller.secret_upkeep import SecretUpkeep
from keywright.controller.snapshot import Snapshot
from keywright.controller.status_writer import StatusWriter
from keywright.controller.store import Store
from keywright.planning.decide import decide, next_look
from keywright.planning.state import GrantState
from keywright.planning.steps import (
    Fail,
    Issue,
    JournalStep,
    NoOp,
    Outcome,
    Pause,
    Reject,
    Relabel,
    ReportDeletion,
    ReportLost,
    Retire,
    Rewrite,
    SecretStep,
    Step,
    TendFormer,
    Verify,
    Wait,
)

_OF_THE_SOURCE = f"{SOURCE_KIND} "


class GrantReconciler:
    """Brings one grant, its Secret and its status to where they should be."""

    def __init__(
        self,
        *,
        store: Store,
        snapshot: Snapshot,
        issuing: Issuing,
        status_writer: StatusWriter,
        rollouts: Rollouts,
        journal: CreateJournal,
        source_failed: Callable[[Name], None],
        upkeep: SecretUpkeep,
        clock: Clock,
    ) -> None:
        self._source_failed = source_failed
        self._store = store
        self._snapshot = snapshot
        self._issuing = issuing
        self._status_writer = status_writer
        self._rollouts = rollouts
        self._journal = journal
        self._upkeep = upkeep
        self._clock = clock

    @property
    def status_writer(self) -> StatusWriter:
        """What writes the statuses of grants."""
        return self._status_writer

    async def reconcile(self, uid: str) -> datetime | DeferredStatusWrite | None:
        """When the grant must be looked at again; None leaves it to the next event.

        The rest of it where that can wait while other grants are due.
        """
        known = self._store.grants.get(uid)
        if known is None:
            return None
        state = await self._snapshot.build_state(known)
        if state.deleting and not state.has_finalizer:
            return None
        step = decide(state, now=self._clock())
        try:
            outcome = await self._carry_out(step, state)
        except SecretExistsUnwatchedError as error:
            self._snapshot.mark_unwatched_secret(error.name)
            raise
        except StaleGrantError:
            await self._status_writer.refresh(state.subject)
            raise
        if (
            isinstance(outcome, Fail)
            and state.grant is not None
            and outcome.failure.field.startswith(_OF_THE_SOURCE)
        ):
            self._source_failed(state.grant.source_key)
        news = await self._rollouts.advance(state, outcome)
        if outcome is None and news is None:
            return next_look(state, step, now=self._clock())
        return await self._status_writer.write_status(state, step, outcome, news=news)

    async def _carry_out(self, step: Step, state: GrantState) -> Outcome | None:
        """The outcome; None if there is nothing to report."""
        match step:
            case Wait():
                return None
            case NoOp() | Pause() | Reject() | Fail() | Retire() | ReportLost() | ReportDeletion():
                return step
            case Verify():
                await self._journal.verify(state)
                return None
            case _:
                return await self._tried(step, state)

    async def _tried(self, step: SecretStep | JournalStep, state: GrantState) -> Outcome | None:
        try:
            if isinstance(step, TendFormer):
                return await self._upkeep.tend_former(state, step)
            if not isinstance(step, Issue | Rewrite | Relabel):
                return await self._journal.carry_out(step, state)
            assert state.grant is not None
            if isinstance(step, Relabel):
                await self._upkeep.relabel(state, state.grant)
                return None
            assert state.source is not None
            work = self._issuing.mint if isinstance(step, Issue) else self._issuing.rewrite
            return await work(state, state.grant, state.source, cause=step.cause)
        except RenderError as error:
            return Reject(error.failure)
        except (ConflictError, LostLeaseError):
            raise
        except Failure as failure:
            return Fail(failure)
        except Exception as error:
            # Counted and told like any other: a grant is never silent about what fails.
            return Fail(failure_from_api_error(error, state))
