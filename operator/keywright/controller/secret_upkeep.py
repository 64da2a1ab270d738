"""Writes of Secrets that concern no key: the watch label of a Secret that lacks it."""

from __future__ import annotations

from keywright.api.grant import ApiKeyGrant
from keywright.clouds.sessions import Clock
from keywright.cluster.errors import ApiError
from keywright.cluster.objects import Objects
from keywright.controller.changed import ChangedMeanwhileError, Fence
from keywright.controller.store import Store
from keywright.planning.contest import after_repair
from keywright.planning.facts import Facts
from keywright.secrets.extraction import with_watch_label
from keywright.secrets.ownership import Ownership, facts_from_metadata, judge


class SecretUpkeep:
    """Brings the metadata of Secrets to where they should be, without touching their data."""

    def __init__(self, *, store: Store, objects: Objects, fence: Fence, clock: Clock) -> None:
        self._store = store
        self._objects = objects
        self._fence = fence
        self._clock = clock

    async def relabel(self, facts: Facts, grant: ApiKeyGrant) -> None:
        """Add the watch label, by an apply of what is there.

        Raises:
            ChangedMeanwhileError: the Secret is another one by now.
            ApiError, ApiUnreachableError: it could not be written.
        """
        found = await self._objects.whole_secret(namespace=grant.namespace, name=grant.secret_name)
        if found is None:
            raise ChangedMeanwhileError
        read = facts_from_metadata(found["metadata"])
        if read.deleting or judge(grant, facts=read) is not Ownership.OURS:
            self._store.put_secret(read)
            raise ChangedMeanwhileError
        self._fence.check()
        try:
            applied = await self._objects.apply_secret(with_watch_label(found), only_new=False)
        except ApiError as error:
            if error.is_conflict or error.is_missing:
                raise ChangedMeanwhileError from error
            raise
        secret = facts_from_metadata(applied)
        self._store.put_secret(secret)
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.own_secret = secret.resource_version
            record.contest = after_repair(record.contest, facts, now=self._clock())
