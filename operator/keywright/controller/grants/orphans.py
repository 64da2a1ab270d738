"""Report keys left in the cloud: an Event, a log line and, for proved keys, the register."""

from __future__ import annotations

import logging
from collections.abc import Collection

from keywright.api.names import API_VERSION, GRANT_KIND
from keywright.controller.context import Context
from keywright.planning.orphans import holder_of
from keywright.planning.state import GrantState, ObjectRef

_LOG = logging.getLogger(__name__)


async def keep(
    context: Context, state: GrantState, key_ids: Collection[str], *, why: str
) -> frozenset[str]:
    """Register keys that stay in the cloud, so that they are revoked later; return the new ones.

    Raises:
        ApiError, ApiUnreachableError: the register cannot be written.
    """
    return await context.orphans.add(state, key_ids, why=why)


async def report(
    context: Context, state: GrantState, key_ids: Collection[str], *, why: str
) -> None:
    """Report keys of the grant that stay in the cloud; call once for each key."""
    subject, pending = state.subject, state.status.pending
    descriptions = sorted(key_ids)
    if state.deleting and why and pending is not None and not state.unproved_intent:
        descriptions.append(f"a key that may have been created at {pending.started_at}")
    if not descriptions:
        return
    holder = holder_of(state.grant) if state.grant is not None else ""
    of = f" of {holder}" if holder else ""
    await _post(
        context, subject, f"left in the cloud: {', '.join(descriptions)}{of}, because {why}"
    )


async def report_unproved(context: Context, state: GrantState, key_ids: Collection[str]) -> None:
    """Report keys that no proof shows to be the grant's: they were not changed."""
    if key_ids:
        await _post(
            context,
            state.subject,
            f"not removed: {', '.join(sorted(key_ids))}. The Secret or the status names them,"
            " but nothing proves that they were made for this grant. Remove them by hand if"
            " they were.",
        )


async def _post(context: Context, subject: ObjectRef, note: str) -> None:
    grant = f"{subject.namespace}/{subject.name}"
    _LOG.error("error: CredentialsOrphaned: %s", note, extra={"grant": grant})
    await context.events.post(
        {
            "apiVersion": API_VERSION,
            "kind": GRANT_KIND,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
        },
        warning=True,
        reason="CredentialsOrphaned",
        note=note,
    )
