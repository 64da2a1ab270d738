"""Verify static credentials without a reported expiry periodically.

A key or token in a Secret is verified when it is stored there. When it is deleted in the cloud, or
a token expires, nothing in the cluster changes; so the cloud is called at every
`--verify-interval`, spread over a while after a start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.classified import unexpected
from keywright.clouds.interfaces import CloudProvider
from keywright.clouds.sessions import Clock
from keywright.controller.records import Name, SourceRecord
from keywright.controller.settings import KeyTimes
from keywright.planning.renewal import hash_fraction

# After a cloud that could not be reached.
_RETRY: Final = timedelta(minutes=5)


class StaticCredentials:
    """When the credentials of a source are verified next, and the result."""

    def __init__(
        self,
        *,
        providers: Mapping[Provider, CloudProvider],
        times: KeyTimes,
        wake_grants: Callable[[Name], None],
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._times = times
        self._wake_grants = wake_grants
        self._clock = clock

    def due(self, known: SourceRecord) -> datetime | None:
        """When they are verified; None if the interval is zero."""
        if not self._times.interval:
            return None
        if known.try_at is None:
            known.try_at = self._clock() + self._times.spread * hash_fraction(known.uid)
        return known.try_at

    def verified(self, known: SourceRecord) -> None:
        """Record that the cloud has just accepted them."""
        known.ended_at = None
        # Spread, even if many were applied together.
        share = 1.0 - hash_fraction(known.uid) / 10
        known.try_at = self._clock() + self._times.interval * share

    async def refusal(self, known: SourceRecord, source: CredentialSource) -> Failure | None:
        """Why the cloud no longer accepts them; None if it does, or cannot be reached.

        Everything that was copied from or signed with them has expired then, whatever the grants
        record.
        """
        try:
            await self._providers[source.provider].verify(source, force=True)
        except Exception as error:
            failure = unexpected(error, what="verifying the source")
        else:
            self.verified(known)
            return None
        if failure.kind in (FailureClass.TRANSIENT, FailureClass.THROTTLED):
            known.try_at = self._clock() + min(_RETRY, self._times.interval)
            return None
        self._providers[source.provider].forget(source_uid=known.uid)
        known.try_at = None
        if failure.kind is FailureClass.DENIED:
            known.ended_at = self._clock()
        self._wake_grants(known.name)
        return failure
