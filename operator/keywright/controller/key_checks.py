"""What the cloud has shown of the keys in use, and when each of them is looked up next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.keys import MANAGED_KINDS
from keywright.clouds.sessions import Clock
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.records import KeyCheck
from keywright.controller.settings import KeyTimes
from keywright.controller.store import Store
from keywright.planning.key_check import shown_from
from keywright.planning.renewal import hash_fraction
from keywright.planning.state import GrantState, SecretState
from keywright.secrets.ownership import Ownership

# After a lookup that failed.
_RETRY = timedelta(minutes=5)


class KeyChecks:
    """Adds to the facts of a grant what is known of its key in the cloud."""

    def __init__(self, *, store: Store, proofs: KeyProofs, clock: Clock, times: KeyTimes) -> None:
        self._store = store
        self._proofs = proofs
        self._clock = clock
        self._times = times

    def add_to(self, state: GrantState) -> GrantState:
        """The facts with doubts, losses and the time of the next lookup."""
        secret = state.secret
        if state.grant is None or state.grant.managed is None:
            return state
        check = self._of(state.subject.uid)
        state = replace(state, delays=self._times.delays, revocation=self._times.revocation)
        if secret is None or secret.ownership is not Ownership.OWNED or not secret.revision:
            return state
        if check is None or secret.key_id is None:
            return state
        agreed = self._is_agreed(state, secret)
        if state.listed is not None:
            self._see(check, state, secret, agreed=agreed)
        lost = check.lost == secret.key_id
        return replace(
            state,
            secret=replace(secret, lost=lost),
            absent_ids=frozenset({secret.key_id} if lost and check.absent else ()),
            doubted=not lost and not agreed and check.shown != secret.key_id,
            suspected=not lost and agreed and check.suspect,
            verify_at=check.verify_at,
        )

    def issued(self, uid: str, key_id: str | None) -> None:
        """The cloud has just made that key; None for one that does not live there."""
        if key_id is None:
            return
        check = self._of(uid)
        if check is not None:
            self._shown(check, uid, key_id)

    def looked_up(self, state: GrantState, *, found: bool | None) -> None:
        """A shared listing shows the key or not; None where it could not be had."""
        uid, secret = state.subject.uid, state.secret
        check = self._of(uid)
        if check is None or secret is None or secret.key_id is None:
            return
        now = self._clock()
        settles_at = shown_from(secret, state, now=now)
        if found:
            self._shown(check, uid, secret.key_id)
        elif found is None or settles_at is not None:
            check.verify_at = settles_at or now + min(_RETRY, self._times.interval)
        else:
            # Another listing, made now, decides.
            check.suspect, check.shown = True, None

    def _of(self, uid: str) -> KeyCheck | None:
        record = self._store.grants.get(uid)
        if record is None:
            return None
        if record.check is None:
            record.check = KeyCheck()
            if self._times.interval:
                record.check.verify_at = self._clock() + self._times.spread * hash_fraction(uid)
        return record.check

    def _see(
        self, check: KeyCheck, state: GrantState, secret: SecretState, *, agreed: bool
    ) -> None:
        """What a listing that was made just now says of the key in the Secret."""
        grant, key_id = state.grant, secret.key_id
        assert grant is not None
        assert grant.managed is not None
        assert key_id is not None
        found = next((key for key in state.listed or () if key.id == key_id), None)
        whole = found is not None and found.parts >= secret.entry_count
        may_be_inactive = grant.managed.marked and (agreed or _is_disabled(state, key_id))
        if found is not None and whole and (found.active or may_be_inactive):
            self._shown(check, state.subject.uid, key_id)
            return
        reachable = self._is_reachable(state, key_id)
        if found is None and agreed and not reachable:
            # Nothing can be said of it by a session of another account.
            self._shown(check, state.subject.uid, key_id)
        elif whole or shown_from(secret, state, now=self._clock()) is None:
            check.lost, check.absent = key_id, found is None and reachable
            check.suspect, check.shown = False, None
        else:
            check.suspect = True

    def _shown(self, check: KeyCheck, uid: str, key_id: str) -> None:
        check.shown, check.lost, check.absent, check.suspect = key_id, None, False, False
        if self._times.interval:
            # Not all at the same time for ever.
            share = 1.0 - hash_fraction(uid) / 10
            check.verify_at = self._clock() + self._times.interval * share

    def _is_reachable(self, state: GrantState, key_id: str) -> bool:
        """Whether the key is of the account that the source is known to be in."""
        grant = state.grant
        source = self._store.sources.get(grant.source_key) if grant is not None else None
        account = source.status.account_id if source is not None else None
        return account is None or key_id.startswith(f"{account}/")

    def _is_agreed(self, state: GrantState, secret: SecretState) -> bool:
        """Whether the status of this very object tells of the same key."""
        status, grant = state.status, state.grant
        return (
            grant is not None
            and status.kind in MANAGED_KINDS
            and status.kind == grant.kind.value
            and status.key_id == secret.key_id
            and status.revision == secret.revision
            and status.fingerprint == secret.fingerprint
            and self._proofs.is_of_this_object(state.subject, status, grant)
        )


def _is_disabled(state: GrantState, key_id: str) -> bool:
    """Whether the grant wants its key disabled; an old key is disabled before it is deleted."""
    grant = state.grant
    if grant is None or not isinstance(grant.key, ApiGatewayKey) or grant.key.enabled:
        return False
    return all(each.key_id != key_id for each in state.status.retiring)
