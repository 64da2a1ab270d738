"""The audit log: one line and one Event for each action on a key or a workload."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from keywright.api.names import API_VERSION, GRANT_KIND
from keywright.api.times import format_time
from keywright.controller.context import Context
from keywright.controller.records import GrantRecord
from keywright.planning.audit import Action, AuditRecord
from keywright.planning.state import GrantState, ObjectRef

_LOG = logging.getLogger("keywright.audit")
# Of the renewals of one grant, as client-go limits the Events of one object.
_RENEWAL_EVENT_INTERVAL: Final = timedelta(minutes=5)


def write_audit_records(
    context: Context,
    state: GrantState,
    records: Sequence[AuditRecord],
    *,
    began: datetime,
    ended: datetime,
) -> None:
    """Log each record, and queue its Event, which is posted after all urgent requests."""
    if not records:
        return
    subject, source_name = state.subject, ""
    identity = None
    if state.grant is not None:
        source = context.store.sources.get(state.grant.source_key)
        source_name = "/".join(state.grant.source_key)
        identity = source.status.identity if source is not None else None
    for record in records:
        grant, note = f"{subject.namespace}/{subject.name}", record.note()
        values = {
            "action": record.action.value,
            "grant": grant,
            "source": source_name,
            "identity": record.identity or identity,
            "keyId": record.key_id,
            "reason": record.reason,
            "expiresAt": None if record.expires_at is None else format_time(record.expires_at),
            "workload": record.object_name or None,
            "durationSeconds": round((ended - began).total_seconds(), 3),
        }
        _LOG.info(
            "%s: %s",
            grant,
            note,
            extra={name: value for name, value in values.items() if value is not None},
        )
        if _deserves_event(context.store.grants.get(subject.uid), record, now=ended):
            context.events.queue(
                event_reference(subject),
                warning=False,
                reason=record.action.value,
                note=note,
            )


def _deserves_event(known: GrantRecord | None, record: AuditRecord, *, now: datetime) -> bool:
    """Whether this is not one of many renewals: a key may live for seconds."""
    if known is None or record.action is not Action.RENEWED:
        return True
    posted = known.renewal_event_at
    if posted is not None and timedelta(0) <= now - posted < _RENEWAL_EVENT_INTERVAL:
        return False
    known.renewal_event_at = now
    return True


def event_reference(subject: ObjectRef) -> dict[str, Any]:
    """The grant as an Event refers to it."""
    return {
        "apiVersion": API_VERSION,
        "kind": GRANT_KIND,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
    }
