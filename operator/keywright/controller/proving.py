"""Tries a new key before it is published; between two tries it is kept here, and nowhere else.

A key that is lost with the process is made anew, or, where it lives in the cloud, cleared up by the
mint journal: its intent still stands in the status.
"""

from __future__ import annotations

from collections.abc import Mapping

from keywright.api.grant import ApiKeyGrant, ProbeMode
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.classified import unexpected
from keywright.clouds.sessions import Clock
from keywright.clouds.ways import Minted, Vendor
from keywright.controller.records import UnprovenKey
from keywright.controller.store import Store
from keywright.planning.facts import Cause
from keywright.planning.failures import FailureClass
from keywright.planning.outcomes import Unproven
from keywright.planning.probing import gave_up, next_try
from keywright.secrets.fingerprint import mint_facts


class Proving:
    """Holds the keys that wait for their probe, and asks the clouds."""

    def __init__(self, *, store: Store, vendors: Mapping[Provider, Vendor], clock: Clock) -> None:
        self._store = store
        self._vendors = vendors
        self._clock = clock

    def held(
        self, grant: ApiKeyGrant, *, source: CredentialSource | None, imported: str
    ) -> UnprovenKey | None:
        """The key in hand, if it is still what grant and source describe."""
        record = self._store.grants.get(grant.uid)
        held = record.unproven if record is not None else None
        if record is None or held is None:
            return None
        ends = held.minted.credential.expires_at
        if (
            record.stale
            or source is None
            or held.mint_facts != mint_facts(grant, source=source, imported=imported)
            or (ends is not None and ends <= self._clock())
        ):
            record.unproven = None
            return None
        return held

    async def attempt(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        imported: str,
        minted: Minted,
        cause: Cause,
    ) -> Unproven | None:
        """None where the key may be published; else when it is tried again, and is held so long.

        Raises Failure where its time is over, or where the probe itself is a mistake.
        """
        probe = grant.spec.probe
        held = self.held(grant, source=source, imported=imported)
        self._hold(grant, None)
        if probe.mode is ProbeMode.NONE:
            return None
        since = held.since if held is not None else self._clock()
        try:
            vendor = self._vendors[source.provider]
            await vendor.probe(grant, minted.credential, source=source)
        except Exception as error:
            answer = unexpected(error, what="the probe")
            again_at = next_try(since=since, probe=probe, now=self._clock())
            if again_at is None or answer.kind is FailureClass.CONFIGURATION:
                raise gave_up(answer, probe=probe) from None
            facts = mint_facts(grant, source=source, imported=imported)
            self._hold(grant, UnprovenKey(minted, facts, cause=cause, since=since))
            return Unproven(answer, again_at)
        return None

    def _hold(self, grant: ApiKeyGrant, key: UnprovenKey | None) -> None:
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.unproven = key
