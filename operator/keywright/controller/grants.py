"""The one reconcile of grants: gather, decide, carry out, record; the same for every kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from keywright.api.names import SOURCE_KIND
from keywright.clouds.sessions import Clock
from keywright.controller.changed import ChangedMeanwhileError
from keywright.controller.cluster_refusals import refusal_of_cluster
from keywright.controller.gathering import Gathering
from keywright.controller.journal import MintJournal, SecretStandsError, StaleObjectError
from keywright.controller.leadership import LostLeaseError
from keywright.controller.publishing import Publishing
from keywright.controller.recording import Recording
from keywright.controller.records import Name
from keywright.controller.rests import Rest
from keywright.controller.rollouts import Rollouts
from keywright.controller.secret_upkeep import SecretUpkeep
from keywright.controller.store import Store
from keywright.planning.decide import decide, next_look
from keywright.planning.facts import (
    Facts,
    Fail,
    JournalStep,
    Keep,
    Mint,
    Pause,
    Refuse,
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
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.outcomes import (
    Deleting,
    Failed,
    Kept,
    Lost,
    Outcome,
    Paused,
    Refused,
    Retired,
)
from keywright.secrets.variables import LayoutError

_OF_THE_SOURCE = f"{SOURCE_KIND} "


class GrantReconciler:
    """Brings one grant, its Secret and its status to where they should be."""

    def __init__(
        self,
        *,
        store: Store,
        gathering: Gathering,
        publishing: Publishing,
        recording: Recording,
        rollouts: Rollouts,
        journal: MintJournal,
        source_failed: Callable[[Name], None],
        upkeep: SecretUpkeep,
        clock: Clock,
    ) -> None:
        self._source_failed = source_failed
        self._store = store
        self._gathering = gathering
        self._publishing = publishing
        self._recording = recording
        self._rollouts = rollouts
        self._journal = journal
        self._upkeep = upkeep
        self._clock = clock

    @property
    def recording(self) -> Recording:
        """What writes the statuses of grants."""
        return self._recording

    async def reconcile(self, uid: str) -> datetime | Rest | None:
        """When the grant must be looked at again; None leaves it to the next event.

        The rest of it where that can wait while other grants are due.
        """
        known = self._store.grants.get(uid)
        if known is None:
            return None
        facts = await self._gathering.gather(known)
        if facts.deleting and not facts.finalized:
            return None
        step = decide(facts, now=self._clock())
        try:
            outcome = await self._carry_out(step, facts)
        except SecretStandsError as error:
            self._gathering.look_at(error.name)
            raise
        except StaleObjectError as error:
            await self._recording.refresh(error.subject)
            raise
        if (
            isinstance(outcome, Failed)
            and facts.grant is not None
            and outcome.failure.field.startswith(_OF_THE_SOURCE)
        ):
            self._source_failed(facts.grant.source_key)
        news = await self._rollouts.advance(facts, outcome)
        if outcome is None and news is None:
            return next_look(facts, step, now=self._clock())
        return await self._recording.record(facts, step, outcome, news=news)

    async def _carry_out(self, step: Step, facts: Facts) -> Outcome | None:
        """What came of it; None where nothing is to be told."""
        match step:
            case Wait():
                return None
            case Keep():
                return Kept()
            case Pause():
                return Paused()
            case Refuse(failure):
                return Refused(failure)
            case Fail(failure):
                return Failed(failure)
            case Retire():
                return Retired()
            case ReportLost(key_id):
                return Lost(key_id)
            case ReportDeletion():
                return Deleting()
            case Verify():
                await self._journal.verify(facts)
                return None
            case _:
                return await self._tried(step, facts)

    async def _tried(self, step: SecretStep | JournalStep, facts: Facts) -> Outcome | None:
        try:
            if isinstance(step, TendFormer):
                return await self._upkeep.tend_former(facts, step)
            if not isinstance(step, Mint | Rewrite | Relabel):
                return await self._journal.carry_out(step, facts)
            assert facts.grant is not None
            if isinstance(step, Relabel):
                await self._upkeep.relabel(facts, facts.grant)
                return None
            assert facts.source is not None
            work = self._publishing.mint if isinstance(step, Mint) else self._publishing.rewrite
            return await work(facts, facts.grant, facts.source, cause=step.cause)
        except LayoutError as error:
            return Refused(
                Failure(
                    error.problem.message,
                    kind=FailureClass.CONFIGURATION,
                    reason="InvalidSpec",
                    field=error.problem.field,
                )
            )
        except (ChangedMeanwhileError, LostLeaseError):
            raise
        except Failure as failure:
            return Failed(failure)
        except Exception as error:
            # Counted and told like any other: a grant is never silent about what fails.
            return Failed(refusal_of_cluster(error, facts))
