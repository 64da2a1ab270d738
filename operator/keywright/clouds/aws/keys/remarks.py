"""Words for the status about keys that end sooner than was asked."""

from __future__ import annotations

from keywright.api.durations import format_duration
from keywright.clouds.interfaces import Session


def why_so_short(session: Session, *, source: str) -> str:
    """How long the session lasts, why, and what to change where something can be changed."""
    assert session.expires_at is not None
    life = format_duration((session.expires_at - session.issued_at).total_seconds())
    if session.chained:
        return (
            f"a role that is assumed by another role's session ends within an hour ({life});"
            " it is renewed before that."
        )
    return (
        f"the session lasts {life}. Raise sessionDuration of CredentialSource {source} and, if need"
        " be, the role's maximum session duration."
    )


def end_is_unknown(session: Session, *, source: str) -> str:
    """A session token out of a Secret ends at a time that nobody tells; a bare access key never."""
    if session.session_token is None:
        return ""
    return (
        f"It ends with the session token that CredentialSource {source} has from its Secret, if"
        " that ends first; AWS does not tell when."
    )
