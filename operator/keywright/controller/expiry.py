"""Reports the end of a key on time, whatever the workers of grants are busy with.

The renewal of the same grant may hang in a call to a cloud, and every worker with it. So ends have
a queue and a few workers of their own, which do nothing but one patch of a status. The renewal that
is in hand finds that its version of the status is outdated, and looks again: the Secret that it has
written is good, and only the status is written once more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.status import GrantStatus
from keywright.clouds.sessions import Clock
from keywright.controller.status_writer import StatusWriter
from keywright.controller.store import Store
from keywright.planning.expiry import expired_status
from keywright.planning.state import ObjectRef

GRACE = timedelta(seconds=1)
"""How long after the end a worker has to report it itself, with all that it knows."""


class ExpiryReporter:
    """The reconcile of the queue of ends."""

    def __init__(self, *, store: Store, status_writer: StatusWriter, clock: Clock) -> None:
        self._store = store
        self._status_writer = status_writer
        self._clock = clock

    async def report(self, uid: str) -> datetime | None:
        """When the key of the grant ends, with the grace; None where that is reported.

        Raises:
            ChangedMeanwhileError: the status was written by somebody else.
            ApiError, ApiUnreachableError: it could not be written.
        """
        record = self._store.grants.get(uid)
        if record is None or record.deleting:
            return None
        secret = self._store.secrets.get(record.secret)
        mark = secret.granted_by if secret is not None else None
        if secret is None or mark is None or secret.expires_at is None:
            return None
        if (mark.namespace, mark.name) != (record.namespace, record.name):
            return None
        now = self._clock()
        if secret.expires_at + GRACE > now:
            return secret.expires_at + GRACE
        body = record.parsed()
        before = GrantStatus.parse(body["status"])
        after = expired_status(before, expires_at=secret.expires_at, now=now)
        if not secret.watched and before.expires_at is not None and before.expires_at > now:
            # It was renewed by another replica, and no watch has shown it.
            return before.expires_at + GRACE
        if after is None:
            return None
        subject = ObjectRef(
            namespace=record.namespace,
            name=record.name,
            uid=uid,
            generation=body["metadata"]["generation"],
            resource_version=body["metadata"]["resourceVersion"],
        )
        await self._status_writer.report(subject, before, after)
        return None
