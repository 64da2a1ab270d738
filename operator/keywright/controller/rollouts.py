"""Restarts the workloads that read a Secret whose data has changed, a look at a time.

No workload is watched: while a rollout is under way its workloads are read at due times, and
otherwise not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from keywright.api.grant import ApiKeyGrant
from keywright.clouds.sessions import Clock
from keywright.cluster.errors import ApiError
from keywright.cluster.objects import Objects
from keywright.cluster.workloads import Workloads
from keywright.controller.changed import Fence
from keywright.controller.cluster_refusals import (
    lacks_right_to_restart,
    refusal_of_restart,
    refusal_of_rollout,
)
from keywright.controller.leadership import LostLeaseError
from keywright.controller.store import Store
from keywright.planning.backoff import retry_at
from keywright.planning.facts import Facts
from keywright.planning.outcomes import Outcome, Written
from keywright.planning.renewal import position
from keywright.planning.rollout import Course, UnderWay, WorkloadView, plan, under_way
from keywright.planning.rollout_status import Looked, News, NotDue, trouble
from keywright.secrets.fingerprint import data_mark
from keywright.secrets.ownership import facts_from_metadata
from keywright.telemetry.metrics import Metrics

_WATCH_CATCHES_UP: Final = timedelta(milliseconds=250)


class Rollouts:
    """Carries out what `planning.rollout` plans, for all grants."""

    def __init__(
        self,
        *,
        store: Store,
        objects: Objects,
        workloads: Workloads,
        fence: Fence,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._objects = objects
        self._workloads = workloads
        self._fence = fence
        self._metrics = metrics
        self._clock = clock

    async def advance(self, facts: Facts, outcome: Outcome | None) -> News | None:
        """What there is to tell of the grant's rollout, after its step; None where there is none.

        Trouble with workloads is never trouble of the key: it is told beside it.
        """
        record = self._store.grants.get(facts.subject.uid)
        secret = outcome.secret if isinstance(outcome, Written) else facts.secret
        now = self._clock()
        of = under_way(facts, secret, now=now)
        if record is None:
            return None
        if of is None:
            record.course = None
            return None
        grant = facts.grant
        assert grant is not None
        course = self._remembered(grant, of) or Course(of)
        if course.due is not None and now < course.due:
            return NotDue(course.due)
        try:
            if course.due is None and not await self._still_holds(grant, of):
                return NotDue(self._clock() + _WATCH_CATCHES_UP)
            return await self._look(grant, course)
        except LostLeaseError:
            raise
        except Exception as error:
            failure = refusal_of_rollout(error, grant)
            course = self._put_off(grant, self._remembered(grant, of) or course)
            return Looked(course.due, failure=failure)

    async def _still_holds(self, grant: ApiKeyGrant, of: UnderWay) -> bool:
        """Whether the Secret has the data of the rollout; a watch may be behind, and not know."""
        metadata = await self._objects.secret_metadata(
            namespace=grant.namespace, name=grant.secret_name
        )
        if metadata is None:
            return False
        secret = facts_from_metadata(metadata)
        if data_mark(secret.fingerprint) == of.mark:
            return True
        self._store.put_secret(secret)
        return False

    async def _look(self, grant: ApiKeyGrant, course: Course) -> Looked:
        found = await self._workloads.find(
            grant.spec.rollout.restart, namespace=grant.namespace, secret=grant.secret_name
        )
        outlook = plan(
            found.workloads, rollout=grant.spec.rollout, course=course, now=self._clock()
        )
        course = await self._restart(grant, outlook.batch, course)
        left = outlook.pending - course.restarted
        if left and left <= course.put_off:
            # Each of them was refused: they are tried again, all at once, after a while.
            course = self._put_off(grant, replace(course, put_off=frozenset()))
        elif outlook.again_at is None:
            self._remember(grant, None)
        else:
            refusal = course.refusal if left else None
            attempts = course.attempts if refusal is not None else 0
            course = replace(course, due=outlook.again_at, attempts=attempts, refusal=refusal)
            self._remember(grant, course)
        return Looked(
            None if outlook.again_at is None else course.due,
            restarted=outlook.concerned - len(left),
            concerned=outlook.concerned,
            failure=trouble(outlook, course, missing=found.missing, unknown=found.unknown),
        )

    async def _restart(
        self, grant: ApiKeyGrant, batch: Iterable[WorkloadView], course: Course
    ) -> Course:
        """The course after the batch. Raises ApiError where nothing may be restarted at all."""
        for workload in batch:
            self._fence.check()
            try:
                await self._workloads.restart(
                    workload,
                    namespace=grant.namespace,
                    secret=grant.secret_name,
                    mark=course.of.mark,
                    at=self._clock(),
                )
            except ApiError as error:
                if error.is_missing or error.is_conflict:
                    # Gone, or another one of the same name: the next look tells.
                    continue
                self._metrics.restart(workload.kind.value, succeeded=False)
                if lacks_right_to_restart(error):
                    raise
                course = replace(
                    course,
                    put_off=course.put_off | {workload.uid},
                    refusal=refusal_of_restart(error, workload),
                )
            else:
                self._metrics.restart(workload.kind.value, succeeded=True)
                course = replace(
                    course, restarted=course.restarted | {workload.uid}, last=self._clock()
                )
            self._remember(grant, course)
        return course

    def _put_off(self, grant: ApiKeyGrant, course: Course) -> Course:
        attempts = course.attempts + 1
        due = retry_at(
            attempts=attempts,
            last_failure=self._clock(),
            expires_at=None,
            position=position(grant.uid),
        )
        course = replace(course, attempts=attempts, due=due)
        self._remember(grant, course)
        return course

    def _remembered(self, grant: ApiKeyGrant, of: UnderWay) -> Course | None:
        record = self._store.grants.get(grant.uid)
        known = record.course if record is not None else None
        return known if known is not None and known.of == of else None

    def _remember(self, grant: ApiKeyGrant, course: Course | None) -> None:
        # The record of this moment: an edit may have replaced it while we waited.
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.course = course
