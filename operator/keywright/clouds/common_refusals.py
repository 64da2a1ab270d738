"""Refusals that do not depend on the cloud."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource

_TOO_SHORT_PAUSE: Final = timedelta(minutes=1)


def check_lifetime(lifetime: timedelta, *, least: timedelta, field: str) -> None:
    """Raise Failure if issued credentials are too short-lived to be renewed in time.

    Endpoint and clock determine the lifetime, and a tenant may choose the endpoint: without this
    check, one source could issue a key every second.
    """
    if lifetime >= least:
        return
    raise Failure(
        f"the cloud issued credentials that are valid for {lifetime.total_seconds():.0f} s, and the"
        f" operator accepts none below {least.total_seconds():.0f} s (--min-key-lifetime).",
        kind=FailureClass.CONFIGURATION,
        reason="LifetimeTooShort",
        field=field,
        remedy="Ask for longer sessions, or check the endpoint and the clocks.",
        retry_after=_TOO_SHORT_PAUSE,
    )


def check_end(end: datetime, *, issued_at: datetime, least: timedelta, field: str) -> None:
    """Raise Failure if issued credentials have expired, or are too short-lived."""
    if end <= issued_at:
        raise Failure(
            f"the credentials that came are over since {end:%Y-%m-%dT%H:%M:%SZ}.",
            kind=FailureClass.TRANSIENT,
            reason="CredentialsExpired",
            field=field,
            remedy="Check the clock of the operator's node (NTP).",
        )
    check_lifetime(end - issued_at, least=least, field=field)


def source_changed(grant: ApiKeyGrant, source: CredentialSource) -> Failure:
    """The failure for a managed key whose source was in another cloud when it was issued."""
    return Failure(
        f"the source no longer suits {grant.kind}, whose keys another source has issued.",
        kind=FailureClass.CONFIGURATION,
        reason="SourceChanged",
        field="spec.sourceRef.name",
        remedy=(
            f"Make CredentialSource {source.name} one {grant.key.required_source(source)} again."
        ),
    )
