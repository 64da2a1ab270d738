"""Report the expiry of a key on time, even if all workers of grants are busy.

The renewal of the same grant may wait for a cloud, and all workers with it. So expiries have a
queue and a few workers of their own, which only patch a status. The renewal in progress then finds
that its version of the status is outdated, and decides again: the Secret that it has written is
valid, and only the status is written once more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.status import GrantStatus
from keywright.controller.context import Context
from keywright.controller.grants.status import report_status
from keywright.planning.failure_status import expired_status
from keywright.planning.state import ObjectRef

GRACE = timedelta(seconds=1)
"""How long after the expiry a worker of grants can report it with all details."""


async def report_expiry(context: Context, uid: str) -> datetime | None:
    """When the key of the grant expires, plus the grace period; None if that is reported.

    Raises:
        ConflictError: another client wrote the status.
        ApiError, ApiUnreachableError: the status could not be written.
    """
    record = context.store.grants.get(uid)
    if record is None or record.deleting:
        return None
    secret = context.store.secrets.get(record.secret)
    owner = secret.owner_annotation if secret is not None else None
    if secret is None or owner is None or secret.expires_at is None:
        return None
    if (owner.namespace, owner.name) != (record.namespace, record.name):
        return None
    now = context.clock()
    if secret.expires_at + GRACE > now:
        return secret.expires_at + GRACE
    body = record.parsed()
    before = GrantStatus.parse(body["status"])
    after = expired_status(before, expires_at=secret.expires_at, now=now)
    if not secret.watched and before.expires_at is not None and before.expires_at > now:
        # Another replica has renewed it, and no watch has delivered that yet.
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
    await report_status(context, subject, before, after)
    return None
