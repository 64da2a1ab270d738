"""What came of a step: one patch of the status, an Event, a log line, and the next due time."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from keywright.api.names import API_VERSION, GRANT_KIND, GRANT_PLURAL
from keywright.api.status import GrantStatus
from keywright.clouds.sessions import Clock
from keywright.cluster.errors import ApiError
from keywright.cluster.events import EventWriter
from keywright.cluster.objects import Objects
from keywright.controller.changed import ChangedMeanwhileError, Fence, Listener
from keywright.controller.journal import MintJournal
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.rests import Rest
from keywright.controller.store import Store
from keywright.planning.contest import contest_notice
from keywright.planning.decide import decide, next_look
from keywright.planning.facts import Cause, Facts, Keep, Mint, Rewrite, Step, Subject
from keywright.planning.former import former_notice
from keywright.planning.notices import Notice, notice
from keywright.planning.outcomes import Failed, Intended, Outcome, Unproven, Written
from keywright.planning.record import begins_rollout, record, tells_only_of_another_key
from keywright.planning.requests import renewal_answer
from keywright.planning.retirement import retirement_notice
from keywright.planning.rollout_status import News, rollout_notice

_LOG = logging.getLogger(__name__)


class Recording:
    """Writes the status of a grant and tells people of it."""

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        listener: Listener,
        journal: MintJournal,
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

    async def record(
        self, facts: Facts, step: Step, outcome: Outcome | None, *, news: News | None
    ) -> datetime | Rest | None:
        """When the grant must be looked at next, after step and rollout came to this.

        A status that nobody waits for is left as the rest.
        """
        now = self._clock()
        status = self._proofs.signed(record(facts, outcome, news=news, now=now), facts, outcome)
        look = partial(self._due, facts, step, outcome, status=status, news=news, now=now)
        if tells_only_of_another_key(facts.status, status) and self._is_latest(facts.subject):
            # There may be hundreds: not one of them keeps the facts.
            return Rest(partial(self._put_down, facts.subject, status, look()))
        if status != facts.status:
            await self._patch(facts.subject, status)
            await self._tell(facts, status, news=news)
            left_behind = former_notice(facts.status, status, outcome)
            if left_behind is not None:
                await self._post(facts.subject, left_behind)
            await self._answer_request(facts, step, outcome)
            await self._journal.report_unproved(facts, status, outcome)
        return look()

    async def _answer_request(self, facts: Facts, step: Step, outcome: Outcome | None) -> None:
        """Say what came of a requested renewal, where the new key does not say all there is."""
        requested = isinstance(step, Mint) and step.cause is Cause.REQUESTED
        if not requested or facts.grant is None or not isinstance(outcome, Written):
            return
        source = self._store.sources.get(facts.grant.source_key)
        answer = renewal_answer(
            facts.grant,
            before_id=facts.status.key_id,
            after_id=outcome.key_id,
            before_expires=facts.status.expires_at,
            identity=(source.status.identity or "") if source is not None else "",
        )
        if answer is not None:
            await self._post(facts.subject, answer)

    def _is_latest(self, subject: Subject) -> bool:
        """Whether the status that was looked at is the one that people see by now."""
        known = self._store.grants.get(subject.uid)
        return known is None or str(known.version) == subject.resource_version

    async def report(self, subject: Subject, before: GrantStatus, after: GrantStatus) -> None:
        """Write a status that follows from no step, and tell people of the change.

        Raises:
            ChangedMeanwhileError: the grant is not at that version any more; it was read again.
        """
        await self._patch(subject, after)
        await self._tell(Facts(subject=subject, status=before), after, news=None)

    async def _put_down(
        self, subject: Subject, status: GrantStatus, due: datetime | None
    ) -> datetime | None:
        await self._patch(subject, status)
        return due

    def _due(
        self,
        facts: Facts,
        step: Step,
        outcome: Outcome | None,
        *,
        status: GrantStatus,
        news: News | None,
        now: datetime,
    ) -> datetime | None:
        due = [self._next_look(facts, step, outcome, status=status, now=now)]
        if begins_rollout(facts, outcome):
            due.append(now)
        elif news is not None:
            due.append(news.again_at)
        return min((moment for moment in due if moment is not None), default=None)

    def _next_look(
        self,
        facts: Facts,
        step: Step,
        outcome: Outcome | None,
        *,
        status: GrantStatus,
        now: datetime,
    ) -> datetime | None:
        if isinstance(outcome, Intended):
            pending = status.pending
            at = pending.started_at if pending is not None else None
            self._journal.intent_is_written(facts.subject.uid, at=at)
        if isinstance(outcome, Unproven):
            return outcome.again_at
        over = isinstance(outcome, Written | Failed)
        contest = facts.contest
        if isinstance(outcome, Written):
            known = self._store.grants.get(facts.subject.uid)
            contest = known.contest if known is not None else None
        after = replace(
            facts,
            status=status,
            secret=outcome.secret if isinstance(outcome, Written) else facts.secret,
            listed=None,
            intent_is_ours=False,
            unproven=None,
            impatient=facts.impatient and not over,
            contest=contest,
        )
        if isinstance(outcome, Written):
            return next_look(after, Keep(), now=now)
        if isinstance(outcome, Failed):
            # The back-off decides when: a look now would only find it.
            step = decide(after, now=now)
            if isinstance(step, Mint | Rewrite):
                return now  # it is over: it counts from the whole second that the status has
        return next_look(after, step, now=now)

    async def _patch(self, subject: Subject, status: GrantStatus) -> None:
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
            raise ChangedMeanwhileError from error
        self._store.put_status(subject.uid, version=version, status=body)
        grant = f"{subject.namespace}/{subject.name}"
        _LOG.debug("status written", extra={"grant": grant, "revision": status.revision})

    async def refresh(self, subject: Subject) -> None:
        """Read the grant anew: what is known of it is old."""
        found = await self._objects.object(
            GRANT_PLURAL, namespace=subject.namespace, name=subject.name
        )
        if found is None or found["metadata"]["uid"] != subject.uid:
            self._listener.drop_grant(subject.uid)
        elif subject.uid in self._store.grants:
            self._listener.grant(found)

    async def _tell(self, facts: Facts, status: GrantStatus, *, news: News | None) -> None:
        told = [
            notice(facts.status, status),
            rollout_notice(facts.status, status, news=news),
            retirement_notice(facts.status, status),
            contest_notice(facts.status, status),
        ]
        for each in filter(None, told):
            await self._post(facts.subject, each)

    async def _post(self, subject: Subject, event: Notice) -> None:
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


def _reference(subject: Subject) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": GRANT_KIND,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
    }
