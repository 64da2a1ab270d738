"""Restarts the workloads that read a Secret whose data has changed, a look at a time.

No workload is watched: while a rollout is under way its workloads are read at due times, and
otherwise not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from keywright.api.errors import ApiError, LostLeaseError
from keywright.api.grant import ApiKeyGrant
from keywright.clouds.sessions import Clock
from keywright.cluster.objects import ResourceClient
from keywright.cluster.workloads import Workloads
from keywright.controller.api_errors import (
    lacks_right_to_restart,
    refusal_of_restart,
    refusal_of_rollout,
)
from keywright.controller.context import Fence
from keywright.controller.store import Store
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
from keywright.telemetry.metrics import Metrics

_WATCH_CATCHES_UP: Final = timedelta(milliseconds=250)


class Rollouts:
    """Carries out what `planning.rollout` plans, for all grants."""

    def __init__(
        self,
        *,
        store: Store,
        objects: ResourceClient,
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

    async def advance(self, state: GrantState, outcome: Outcome | None) -> RolloutUpdate | None:
        """What there is to tell of the grant's rollout, after its step; None where there is none.

        Trouble with workloads is never trouble of the key: it is told beside it.
        """
        record = self._store.grants.get(state.subject.uid)
        secret = outcome.secret if isinstance(outcome, Written) else state.secret
        now = self._clock()
        of = under_way(state, secret, now=now)
        if record is None:
            return None
        if of is None:
            record.rollout_state = None
            return None
        grant = state.grant
        assert grant is not None
        course = self._remembered(grant, of) or RolloutState(of)
        if course.due is not None and now < course.due:
            return RolloutNotDue(course.due)
        try:
            if course.due is None and not await self._secret_unchanged(grant, of):
                return RolloutNotDue(self._clock() + _WATCH_CATCHES_UP)
            return await self._look(grant, course)
        except LostLeaseError:
            raise
        except Exception as error:
            failure = refusal_of_rollout(error, grant)
            course = self._backoff(grant, self._remembered(grant, of) or course)
            return RolloutProgress(course.due, failure=failure)

    async def _secret_unchanged(self, grant: ApiKeyGrant, of: ActiveRollout) -> bool:
        """Whether the Secret has the data of the rollout; a watch may be behind, and not know."""
        metadata = await self._objects.secret_metadata(
            namespace=grant.namespace, name=grant.secret_name
        )
        if metadata is None:
            return False
        secret = managed_secret_from(metadata)
        if data_hash(secret.fingerprint) == of.mark:
            return True
        self._store.put_secret(secret)
        return False

    async def _look(self, grant: ApiKeyGrant, course: RolloutState) -> RolloutProgress:
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
            course = self._backoff(grant, replace(course, put_off=frozenset()))
        elif outlook.again_at is None:
            self._remember_state(grant, None)
        else:
            refusal = course.refusal if left else None
            attempts = course.attempts if refusal is not None else 0
            course = replace(course, due=outlook.again_at, attempts=attempts, refusal=refusal)
            self._remember_state(grant, course)
        return RolloutProgress(
            None if outlook.again_at is None else course.due,
            restarted=outlook.concerned - len(left),
            concerned=outlook.concerned,
            failure=rollout_failure(outlook, course, missing=found.missing, unknown=found.unknown),
        )

    async def _restart(
        self, grant: ApiKeyGrant, batch: Iterable[WorkloadView], course: RolloutState
    ) -> RolloutState:
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
            self._remember_state(grant, course)
        return course

    def _backoff(self, grant: ApiKeyGrant, course: RolloutState) -> RolloutState:
        attempts = course.attempts + 1
        due = retry_at(
            attempts=attempts,
            last_failure=self._clock(),
            expires_at=None,
            position=hash_fraction(grant.uid),
        )
        course = replace(course, attempts=attempts, due=due)
        self._remember_state(grant, course)
        return course

    def _remembered(self, grant: ApiKeyGrant, of: ActiveRollout) -> RolloutState | None:
        record = self._store.grants.get(grant.uid)
        known = record.rollout_state if record is not None else None
        return known if known is not None and known.of == of else None

    def _remember_state(self, grant: ApiKeyGrant, course: RolloutState | None) -> None:
        # The record of this moment: an edit may have replaced it while we waited.
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.rollout_state = course
