"""Requests for a renewal, by annotation: when one is answered, and what is said of it."""

from __future__ import annotations

from datetime import datetime

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import BearerToken, SessionCredentials
from keywright.api.times import parse_time
from keywright.planning.events import Event
from keywright.planning.secret_status import format_time_or_dash

_REVOKE = {
    "arn:": "To end them sooner, revoke the older sessions of the role (AWSRevokeOlderSessions).",
    "acs:": "To end them sooner, change the policies of the role, or detach them.",
}


def request_time(value: str) -> datetime | None:
    """The RFC 3339 time of a request; None for a value that is no time."""
    try:
        return parse_time(value)
    except ValueError:
        return None


def renewal_answer(
    grant: ApiKeyGrant,
    *,
    before_id: str | None,
    after_id: str | None,
    before_expires: datetime | None,
    identity: str,
) -> Event | None:
    """The Event for a request that was carried out; None where a new key says all there is.

    The ids are those of the keys before and after, `identity` is who signs, an ARN.
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
