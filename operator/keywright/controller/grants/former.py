"""Check the Secret of a former name, and clear it of what the operator has written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from keywright.api.errors import ApiError, ApiUnreachableError, ConflictError
from keywright.api.formats import OPAQUE
from keywright.controller.context import Context, Result
from keywright.planning.former import LOOK_AGAIN, RETRY
from keywright.planning.state import GrantState, ObjectRef
from keywright.planning.steps import FormerState, FormerTended, TendFormer
from keywright.secrets.extraction import shared_marks, without_ours
from keywright.secrets.ownership import ManagedSecret, managed_secret_from

_LOG = logging.getLogger(__name__)
_LIMIT: Final = 4096


async def tend_former(context: Context, state: GrantState, step: TendFormer) -> Result:
    """Return the state of the Secret; nothing to report if it has not changed.

    Its uid is recorded before it is cleared: if the operator is killed in between, the uid
    identifies the Secret. A failure does not affect any key: it is retried.

    Raises:
        ConflictError: the Secret was replaced.
    """
    try:
        return await _tend(context, state, step)
    except (ApiError, ApiUnreachableError) as error:
        retry_at = context.clock() + RETRY
        if isinstance(error, ApiUnreachableError) or error.is_transient:
            _LOG.warning("clearing Secret %s failed, retrying: %s", step.secret.name, error)
            return Result(former_due=retry_at)
        message = f"{error.message.rstrip('.')}. Delete the Secret when no client reads it."
        failed = FormerTended(
            step.secret.name, FormerState.FAILED, step.secret.uid, message=message[:_LIMIT]
        )
        return Result(failed, former_due=retry_at)


async def _tend(context: Context, state: GrantState, step: TendFormer) -> Result:
    subject, former = state.subject, step.secret
    found = await context.objects.whole_secret(namespace=subject.namespace, name=former.name)
    read = managed_secret_from(found["metadata"]) if found is not None else None
    if found is None or read is None or read.deleting:
        return Result(FormerTended(former.name, FormerState.GONE))
    unowned = read.owner_annotation is None and read.owner_uid is None
    known = unowned and former.uid == read.uid
    if not known and not _is_owned_by(subject, read):
        return Result(FormerTended(former.name, FormerState.FOREIGN))
    if known and not former.cleared:
        # Cleared before the operator was killed.
        return Result(FormerTended(former.name, FormerState.CLEARED, read.uid))
    if not step.clear:
        return Result(former_due=context.clock() + LOOK_AGAIN)
    if former.uid != read.uid:
        return Result(FormerTended(former.name, FormerState.FOUND, read.uid))
    return Result(await _clear(context, state, found, read))


async def _clear(
    context: Context, state: GrantState, found: Mapping[str, Any], read: ManagedSecret
) -> FormerTended:
    name, namespace = read.name, read.namespace
    record = context.store.grants.get(state.subject.uid)
    if record is None or record.secret == (namespace, name):
        # The name was changed back in the meantime.
        raise ConflictError
    body = without_ours(found["metadata"], type_=found.get("type", OPAQUE))
    context.fence.check()
    try:
        answer = await context.objects.apply_secret(body, must_not_exist=False)
        left = shared_marks(answer, keys=read.owned_keys - body.get("data", {}).keys())
        if left is not None:
            context.fence.check()
            await context.objects.patch_secret(left, namespace=namespace, name=name)
    except ApiError as error:
        if error.is_conflict or error.is_missing:
            raise ConflictError from error
        raise
    return FormerTended(name, FormerState.CLEARED, read.uid)


def _is_owned_by(subject: ObjectRef, secret: ManagedSecret) -> bool:
    """Whether the annotations name this object, by its uid."""
    owner = secret.owner_annotation
    if owner is None:
        return secret.owner_uid == subject.uid
    return (owner.namespace, owner.name, owner.uid) == (
        subject.namespace,
        subject.name,
        subject.uid,
    )
