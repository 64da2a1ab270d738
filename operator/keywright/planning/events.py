"""Which status changes are reported as an Event, and the result of a requested renewal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import BearerToken, SessionCredentials
from keywright.api.status import Condition, ConditionStatus, GrantStatus, SourceStatus
from keywright.api.times import format_time_or_dash
from keywright.planning.conditions import DELETING, PROGRESSING, READY, RENEWAL_FAILING

REVOCATION_FAILING: Final = "RevocationFailing"


@dataclass(frozen=True, slots=True)
class Event:
    """An Event to create: its reason and its note."""

    warning: bool
    reason: str
    note: str


def event_for(
    before: GrantStatus | SourceStatus, after: GrantStatus | SourceStatus
) -> Event | None:
    """The Event for a status change, if it needs one; a first success or a renewal does not."""
    failing, was_failing = after.condition(RENEWAL_FAILING), before.condition(RENEWAL_FAILING)
    ready, was_ready = after.condition(READY), before.condition(READY)
    if ready is not None and ready.reason == DELETING:
        in_deletion = (
            was_ready is not None and was_ready.reason == DELETING and before.failed_attempts
        )
        failed = bool(after.failed_attempts) and not in_deletion
        if not failed:
            return None
        return Event(warning=True, reason=REVOCATION_FAILING, note=ready.message)
    if failing is not None and not _same(failing, was_failing):
        return Event(warning=True, reason="RenewalFailing", note=failing.message)
    if ready is not None and ready.reason == PROGRESSING:
        return None
    if ready is not None and _false(ready) and not _same(ready, was_ready):
        return Event(warning=True, reason=ready.reason, note=ready.message)
    troubled = was_failing is not None or (
        was_ready is not None and _false(was_ready) and was_ready.reason != PROGRESSING
    )
    if troubled and failing is None and ready is not None and not _false(ready):
        return Event(warning=False, reason="Recovered", note=ready.message)
    return None


def _same(condition: Condition, earlier: Condition | None) -> bool:
    return (
        earlier is not None
        and earlier.status is condition.status
        and earlier.reason == condition.reason
    )


def _false(condition: Condition) -> bool:
    return condition.status is not ConditionStatus.TRUE


_REVOKE = {
    "arn:": "To end them sooner, revoke the older sessions of the role (AWSRevokeOlderSessions).",
    "acs:": "To end them sooner, change the policies of the role, or detach them.",
}


def renewal_answer(
    grant: ApiKeyGrant,
    *,
    before_id: str | None,
    after_id: str | None,
    before_expires: datetime | None,
    identity: str,
) -> Event | None:
    """The Event for a request that was carried out; None if the new key is sufficient evidence.

    The IDs are those of the keys before and after; `identity` is the ARN that signs.
    """
    same = before_id is not None and before_id == after_id
    match grant.key:
        case SessionCredentials() | BearerToken() if (
            before_id is not None and before_id == after_id
        ):
            return Event(
                warning=True,
                reason="RenewalNotPossible",
                note=(
                    "a renewal was requested, but the source hands on credentials that only their"
                    " owner can replace: put new ones into the Secret of the source, and revoke the"
                    " old ones in the cloud."
                ),
            )
        case ApiGatewayKey(imports=imports) if same and imports is not None:
            return Event(
                warning=True,
                reason="RenewalNotPossible",
                note=(
                    "a renewal was requested, but the value is imported: put a new one into the"
                    f" Secret that {imports[0]} names."
                ),
            )
        case SessionCredentials() if before_id is not None:
            end = f"The old credentials stay valid until {format_time_or_dash(before_expires)}."
            hint = next((text for start, text in _REVOKE.items() if identity.startswith(start)), "")
            return Event(
                warning=False,
                reason="RenewalRequested",
                note=f"renewed on request. {end} {hint}".strip(),
            )
    return None
