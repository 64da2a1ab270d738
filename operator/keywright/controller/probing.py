"""Tries a new key before it is published; between two tries it is kept here, and nowhere else.

A key that is lost with the process is made anew, or, where it lives in the cloud, cleared up by the
mint journal: its intent still stands in the status.
"""

from __future__ import annotations

from collections.abc import Mapping

from keywright.api.errors import FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.key_spec import ProbeMode
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.classified import unexpected
from keywright.clouds.interfaces import GrantProvider, IssuedKey
from keywright.clouds.sessions import Clock
from keywright.controller.records import UnprobedKey
from keywright.controller.store import Store
from keywright.planning.probing import next_try, probe_timed_out
from keywright.planning.state import IssueReason
from keywright.planning.steps import ProbePending
from keywright.secrets.fingerprint import key_identity


class Probing:
    """Holds the keys that wait for their probe, and asks the clouds."""

    def __init__(
        self, *, store: Store, providers: Mapping[Provider, GrantProvider], clock: Clock
    ) -> None:
        self._store = store
        self._providers = providers
        self._clock = clock

    def held(
        self, grant: ApiKeyGrant, *, source: CredentialSource | None, imported: str
    ) -> UnprobedKey | None:
        """The key in hand, if it is still what grant and source describe."""
        record = self._store.grants.get(grant.uid)
        held = record.pending_probe if record is not None else None
        if record is None or held is None:
            return None
        ends = held.issued_key.credential.expires_at
        if (
            record.source_key_changed
            or source is None
            or held.key_identity != key_identity(grant, source=source, imported=imported)
            or (ends is not None and ends <= self._clock())
        ):
            record.pending_probe = None
            return None
        return held

    async def probe_key(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        imported: str,
        issued_key: IssuedKey,
        cause: IssueReason,
    ) -> ProbePending | None:
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
            cloud_provider = self._providers[source.provider]
            await cloud_provider.probe(grant, issued_key.credential, source=source)
        except Exception as error:
            answer = unexpected(error, what="the probe")
            again_at = next_try(since=since, probe=probe, now=self._clock())
            if again_at is None or answer.kind is FailureClass.CONFIGURATION:
                raise probe_timed_out(answer, probe=probe) from None
            identity = key_identity(grant, source=source, imported=imported)
            self._hold(grant, UnprobedKey(issued_key, identity, cause=cause, since=since))
            return ProbePending(answer, again_at)
        return None

    def _hold(self, grant: ApiKeyGrant, key: UnprobedKey | None) -> None:
        record = self._store.grants.get(grant.uid)
        if record is not None:
            record.pending_probe = key
