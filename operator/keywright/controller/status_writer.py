"""What came of a step: one patch of the status, an Event, a log line, and the next due time."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from keywright.api.errors import ApiError, ConflictError
from keywright.api.names import API_VERSION, GRANT_KIND, GRANT_PLURAL
from keywright.api.status import GrantStatus
from keywright.clouds.sessions import Clock
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import ResourceClient
from keywright.controller.context import Fence, ObjectListener
from keywright.controller.create_journal import CreateJournal
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.store import Store
from keywright.planning.contest import contest_notice
from keywright.planning.decide import decide, next_look
from keywright.planning.events import Event, event_for
from keywright.planning.former import former_notice
from keywright.planning.requests import renewal_answer
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
    RecordIntent,
    Rewrite,
    Step,
    Written,
)

_LOG = logging.getLogger(__name__)


class StatusWriter:
    """Writes the status of a grant and tells people of it."""

    def __init__(
        self,
        *,
        store: Store,
        objects: ResourceClient,
        listener: ObjectListener,
        journal: CreateJournal,
        proofs: KeyProofs,
        fence: Fence,
        events: EventWriter,
        clock: Clock,
    ) -> None:
        self._store = store
        self._objects = objects
        self._listener = listener
        self._journal = journal
        self._proofs = proofs
        self._fence = fence
        self._events = events
        self._clock = clock

    async def write_status(
        self, state: GrantState, step: Step, outcome: Outcome | None, *, news: RolloutUpdate | None
    ) -> datetime | DeferredStatusWrite | None:
        """When the grant must be looked at next, after step and rollout came to this.

        A status that nobody waits for is left as the rest.
        """
        now = self._clock()
        status = self._proofs.signed(
            next_status(state, outcome, news=news, now=now), state, outcome
        )
        look = partial(self._due, state, step, outcome, status=status, news=news, now=now)
        if is_routine_renewal(state.status, status) and self._is_latest(state.subject):
            # There may be hundreds: not one of them keeps the facts.
            return DeferredStatusWrite(
                partial(self._write_and_requeue, state.subject, status, look())
            )
        if status != state.status:
            await self._patch(state.subject, status)
            await self._emit_events(state, status, news=news)
            left_behind = former_notice(state.status, status, outcome)
            if left_behind is not None:
                await self._post(state.subject, left_behind)
            await self._answer_request(state, step, outcome)
            await self._journal.report_unproved(state, status, outcome)
        return look()

    async def _answer_request(self, state: GrantState, step: Step, outcome: Outcome | None) -> None:
        """Say what came of a requested renewal, where the new key does not say all there is."""
        requested = isinstance(step, Issue) and step.cause is IssueReason.REQUESTED
        if not requested or state.grant is None or not isinstance(outcome, Written):
            return
        source = self._store.sources.get(state.grant.source_key)
        answer = renewal_answer(
            state.grant,
            before_id=state.status.key_id,
            after_id=outcome.key_id,
            before_expires=state.status.expires_at,
            identity=(source.status.identity or "") if source is not None else "",
        )
        if answer is not None:
            await self._post(state.subject, answer)

    def _is_latest(self, subject: ObjectRef) -> bool:
        """Whether the status that was looked at is the one that people see by now."""
        known = self._store.grants.get(subject.uid)
        return known is None or str(known.version) == subject.resource_version

    async def report(self, subject: ObjectRef, before: GrantStatus, after: GrantStatus) -> None:
        """Write a status that follows from no step, and tell people of the change.

        Raises:
            ChangedMeanwhileError: the grant is not at that version any more; it was read again.
        """
        await self._patch(subject, after)
        await self._emit_events(GrantState(subject=subject, status=before), after, news=None)

    async def _write_and_requeue(
        self, subject: ObjectRef, status: GrantStatus, due: datetime | None
    ) -> datetime | None:
        await self._patch(subject, status)
        return due

    def _due(
        self,
        state: GrantState,
        step: Step,
        outcome: Outcome | None,
        *,
        status: GrantStatus,
        news: RolloutUpdate | None,
        now: datetime,
    ) -> datetime | None:
        due = [self._next_look(state, step, outcome, status=status, now=now)]
        if begins_rollout(state, outcome):
            due.append(now)
        elif news is not None:
            due.append(news.again_at)
        return min((moment for moment in due if moment is not None), default=None)

    def _next_look(
        self,
        state: GrantState,
        step: Step,
        outcome: Outcome | None,
        *,
        status: GrantStatus,
        now: datetime,
    ) -> datetime | None:
        if isinstance(outcome, RecordIntent):
            pending = status.pending
            at = pending.started_at if pending is not None else None
            self._journal.intent_is_written(state.subject.uid, at=at)
        if isinstance(outcome, ProbePending):
            return outcome.again_at
        over = isinstance(outcome, Written | Fail)
        contest = state.contest
        if isinstance(outcome, Written):
            known = self._store.grants.get(state.subject.uid)
            contest = known.contest if known is not None else None
        after = replace(
            state,
            status=status,
            secret=outcome.secret if isinstance(outcome, Written) else state.secret,
            listed=None,
            intent_written_by_this_process=False,
            pending_probe=None,
            skip_backoff=state.skip_backoff and not over,
            contest=contest,
        )
        if isinstance(outcome, Written):
            return next_look(after, NoOp(), now=now)
        if isinstance(outcome, Fail):
            # The back-off decides when: a look now would only find it.
            step = decide(after, now=now)
            if isinstance(step, Issue | Rewrite):
                return now  # it is over: it counts from the whole second that the status has
        return next_look(after, step, now=now)

    async def _patch(self, subject: ObjectRef, status: GrantStatus) -> None:
        body = status.to_body()
        self._fence.check()
        try:
            version = await self._objects.patch_status(
                GRANT_PLURAL,
                namespace=subject.namespace,
                name=subject.name,
                resource_version=subject.resource_version,
                status=body,
            )
        except ApiError as error:
            if error.is_missing:
                self._listener.drop_grant(subject.uid)
                return
            if not error.is_conflict:
                raise
            await self.refresh(subject)
            raise ConflictError from error
        self._store.put_status(subject.uid, version=version, status=body)
        grant = f"{subject.namespace}/{subject.name}"
        _LOG.debug("status written", extra={"grant": grant, "revision": status.revision})

    async def refresh(self, subject: ObjectRef) -> None:
        """Read the grant anew: what is known of it is old."""
        found = await self._objects.object(
            GRANT_PLURAL, namespace=subject.namespace, name=subject.name
        )
        if found is None or found["metadata"]["uid"] != subject.uid:
            self._listener.drop_grant(subject.uid)
        elif subject.uid in self._store.grants:
            self._listener.grant(found)

    async def _emit_events(
        self, state: GrantState, status: GrantStatus, *, news: RolloutUpdate | None
    ) -> None:
        told = [
            event_for(state.status, status),
            rollout_notice(state.status, status, news=news),
            retirement_notice(state.status, status),
            contest_notice(state.status, status),
        ]
        for each in filter(None, told):
            await self._post(state.subject, each)

    async def _post(self, subject: ObjectRef, event: Event) -> None:
        """Log the Event and post it."""
        _LOG.log(
            logging.WARNING if event.warning else logging.INFO,
            "%s: %s",
            event.reason,
            event.note,
            extra={"grant": f"{subject.namespace}/{subject.name}"},
        )
        await self._events.post(
            _reference(subject), warning=event.warning, reason=event.reason, note=event.note
        )


def _reference(subject: ObjectRef) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": GRANT_KIND,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
    }
