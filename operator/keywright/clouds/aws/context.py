"""What everything of AWS needs from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keywright.api.aws_source import AwsSource
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.interfaces import DefaultCredentials, SecretReader, TokenSource
from keywright.clouds.sessions import Clock
from keywright.clouds.shared_listings import SharedListings


@dataclass(frozen=True, slots=True)
class AwsContext:
    """Everything outside that an identity may need; `ambient` only where the flag allows it."""

    tokens: TokenSource
    secrets: SecretReader
    calls: BotoClients
    clock: Clock
    ambient: DefaultCredentials | None = None
    min_lifetime: timedelta = timedelta(0)
    listings: SharedListings = field(
        default_factory=lambda: SharedListings(clock=lambda: datetime.now(UTC))
    )


def aws_of(source: CredentialSource) -> AwsSource:
    """The part of the source that is for AWS."""
    assert source.spec.aws is not None
    return source.spec.aws
