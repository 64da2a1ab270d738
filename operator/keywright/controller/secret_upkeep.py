"""Writes of Secrets that concern no key: a missing watch label, Secrets of former names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from keywright.api.errors import ApiError, ApiUnreachableError, ConflictError
from keywright.api.grant import ApiKeyGrant
from keywright.clouds.sessions import Clock
from keywright.cluster.objects import ResourceClient
from keywright.controller.context import Fence
from keywright.controller.store import Store
from keywright.planning.contest import after_repair
from keywright.planning.former import LOOK_AGAIN, RETRY
from keywright.planning.state import GrantState, ObjectRef
from keywright.planning.steps import FormerState, FormerTended, TendFormer
from keywright.secrets.extraction import (
    DEFAULT_TYPE,
    shared_marks,
    with_watch_label,
    without_ours,
)
from keywright.secrets.ownership import ManagedSecret, Ownership, classify, managed_secret_from

_LOG = logging.getLogger(__name__)
_LIMIT: Final = 4096


class SecretUpkeep:
    """Brings the metadata of Secrets to where they should be, without touching their data."""

    def __init__(
        self, *, store: Store, objects: ResourceClient, fence: Fence, clock: Clock
    ) -> None:
        self._store = store
        self._objects = objects
        self._fence = fence
        self._clock = clock

    async def relabel(self, state: GrantState, grant: ApiKeyGrant) -> None:
        """Add the watch label, by an apply of what is there.

        Raises:
            ChangedMeanwhileError: the Secret is another one by now.
            ApiError, ApiUnreachableError: it could not be written.
        """
        found = await self._objects.whole_secret(namespace=grant.namespace, name=grant.secret_name)
        if found is None:
            raise ConflictError
        read = managed_secret_from(found["metadata"])
        if read.deleting or classify(grant, read) is not Ownership.OWNED:
            self._store.put_secret(read)
            raise ConflictError
        self._fence.check()
        try:
            applied = await self._objects.apply_secret(
                with_watch_label(found), must_not_exist=False
            )
        except ApiError as error:
            if error.is_conflict or error.is_missing:
                raise ConflictError from error
            raise
        secret = managed_secret_from(applied)
        self._store.put_secret(secret)
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.last_written_secret_version = secret.resource_version
            record.contest = after_repair(record.contest, state, now=self._clock())

    async def tend_former(self, state: GrantState, step: TendFormer) -> FormerTended | None:
        """Look at a Secret of a former name, and clear it if that is its time.

        Its uid is recorded before it is cleared: if the operator is killed in between, the Secret
        is known by it. None where nothing has changed. A failure concerns no key: it is retried.

        Raises:
            ChangedMeanwhileError: the Secret is another one by now.
        """
        try:
            return await self._tend(state, step)
        except (ApiError, ApiUnreachableError) as error:
            self._look_again(state.subject.uid, after=RETRY)
            if isinstance(error, ApiUnreachableError) or error.is_transient:
                _LOG.warning("clearing Secret %s failed, retrying: %s", step.secret.name, error)
                return None
            message = f"{error.message.rstrip('.')}. Delete the Secret when no client reads it."
            return FormerTended(
                step.secret.name,
                FormerState.FAILED,
                step.secret.uid,
                message=message[:_LIMIT],
            )

    async def _tend(self, state: GrantState, step: TendFormer) -> FormerTended | None:
        subject, former = state.subject, step.secret
        found = await self._objects.whole_secret(namespace=subject.namespace, name=former.name)
        read = managed_secret_from(found["metadata"]) if found is not None else None
        if found is None or read is None or read.deleting:
            return FormerTended(former.name, FormerState.GONE)
        unmarked = read.granted_by is None and read.owner_uid is None
        known = unmarked and former.uid == read.uid
        if not known and not _is_marked_for(subject, read):
            return FormerTended(former.name, FormerState.FOREIGN)
        if known and not former.cleared:
            # Cleared before the operator was killed.
            return FormerTended(former.name, FormerState.CLEARED, read.uid)
        if not step.clear:
            self._look_again(subject.uid, after=LOOK_AGAIN)
            return None
        if former.uid != read.uid:
            return FormerTended(former.name, FormerState.FOUND, read.uid)
        return await self._clear(state, found, read)

    def _look_again(self, uid: str, *, after: timedelta) -> None:
        record = self._store.grants.get(uid)
        if record is not None:
            record.former_due = self._clock() + after

    async def _clear(
        self, state: GrantState, found: Mapping[str, Any], read: ManagedSecret
    ) -> FormerTended:
        name, namespace = read.name, read.namespace
        record = self._store.grants.get(state.subject.uid)
        if record is None or record.secret == (namespace, name):
            # The name was changed back meanwhile.
            raise ConflictError
        body = without_ours(found["metadata"], type_=found.get("type", DEFAULT_TYPE))
        self._fence.check()
        try:
            answer = await self._objects.apply_secret(body, must_not_exist=False)
            left = shared_marks(answer, keys=read.owned_keys)
            if left is not None:
                self._fence.check()
                await self._objects.patch_secret(left, namespace=namespace, name=name)
        except ApiError as error:
            if error.is_conflict or error.is_missing:
                raise ConflictError from error
            raise
        return FormerTended(name, FormerState.CLEARED, read.uid)


def _is_marked_for(subject: ObjectRef, secret: ManagedSecret) -> bool:
    """Whether the marks name this very object, by its uid."""
    mark = secret.granted_by
    if mark is None:
        return secret.owner_uid == subject.uid
    return (mark.namespace, mark.name, mark.uid) == (subject.namespace, subject.name, subject.uid)
