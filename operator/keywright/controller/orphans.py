"""Reports keys that are left in the cloud: an Event, a log line and, of our own keys, the list."""

from __future__ import annotations

import logging
from collections.abc import Collection

from keywright.api.names import API_VERSION, GRANT_KIND
from keywright.cluster.events import EventWriter
from keywright.controller.orphan_register import OrphanRegister
from keywright.planning.orphans import holder_of
from keywright.planning.state import GrantState, ObjectRef

_LOG = logging.getLogger(__name__)


class Orphans:
    """Writes the reports, for all grants."""

    def __init__(self, *, events: EventWriter, register: OrphanRegister) -> None:
        self._events = events
        self._register = register

    async def keep(
        self, state: GrantState, key_ids: Collection[str], *, why: str
    ) -> frozenset[str]:
        """List keys that stay in the cloud, so that they are revoked later; the new ones of them.

        Raises ApiError.
        """
        return await self._register.add(state, key_ids, why=why)

    async def report(self, state: GrantState, key_ids: Collection[str], *, why: str) -> None:
        """Name keys of the grant that stay in the cloud; each is to be reported once."""
        subject, pending = state.subject, state.status.pending
        descriptions = sorted(key_ids)
        if state.deleting and why and pending is not None and not state.unproved_intent:
            descriptions.append(f"a key that may have been created at {pending.started_at}")
        if not descriptions:
            return
        holder = holder_of(state.grant) if state.grant is not None else ""
        of = f" of {holder}" if holder else ""
        await self._post(
            subject, f"left in the cloud: {', '.join(descriptions)}{of}, because {why}"
        )

    async def report_unproved(self, state: GrantState, key_ids: Collection[str]) -> None:
        """Name keys that are only said to be the grant's: they were not touched."""
        if key_ids:
            await self._post(
                state.subject,
                f"not removed: {', '.join(sorted(key_ids))}. The Secret or the status names them,"
                " but nothing proves that they were made for this grant. Remove them by hand if"
                " they were.",
            )

    async def _post(self, subject: ObjectRef, note: str) -> None:
        grant = f"{subject.namespace}/{subject.name}"
        _LOG.error("error: CredentialsOrphaned: %s", note, extra={"grant": grant})
        await self._events.post(
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
