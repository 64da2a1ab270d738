"""The external dependencies of the AWS modules."""

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
    """All external dependencies of an identity; `ambient` only if the flag allows it."""

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
    """The AWS part of the source."""
    assert source.spec.aws is not None
    return source.spec.aws
