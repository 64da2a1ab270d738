"""The one reconcile of grants: gather, decide, carry out, record; the same for every kind."""

from __future__ import annotations

from datetime import datetime

from keywright.clouds.sessions import Clock
from keywright.controller.changed import ChangedMeanwhileError
from keywright.controller.cluster_refusals import refusal_of_cluster
from keywright.controller.gathering import Gathering
from keywright.controller.journal import MintJournal, SecretStandsError, StaleObjectError
from keywright.controller.leadership import LostLeaseError
from keywright.controller.publishing import Publishing
from keywright.controller.recording import Recording
from keywright.controller.rests import Rest
from keywright.controller.rollouts import Rollouts
from keywright.controller.store import Store
from keywright.planning.decide import decide, next_look
from keywright.planning.facts import (
    Facts,
    Fail,
    JournalStep,
    Keep,
    Mint,
    Refuse,
    ReportDeletion,
    ReportLost,
    Retire,
    Rewrite,
    Step,
    Verify,
    Wait,
)
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.outcomes import Deleting, Failed, Kept, Lost, Outcome, Refused, Retired
from keywright.secrets.variables import LayoutError


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
        clock: Clock,
    ) -> None:
        self._store = store
        self._gathering = gathering
        self._publishing = publishing
        self._recording = recording
        self._rollouts = rollouts
        self._journal = journal
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

    async def _tried(self, step: Mint | Rewrite | JournalStep, facts: Facts) -> Outcome | None:
        try:
            if not isinstance(step, Mint | Rewrite):
                return await self._journal.carry_out(step, facts)
            assert facts.grant is not None
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
