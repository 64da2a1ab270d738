"""What the cloud has shown of the keys in use, and when each of them is looked up next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import MANAGED_KINDS, ApiGatewayKey
from keywright.clouds.sessions import Clock
from keywright.controller.key_proofs import KeyProofs
from keywright.controller.records import KeyCheck
from keywright.controller.settings import KeyTimes
from keywright.controller.store import Store
from keywright.planning.decide import carried_out
from keywright.planning.key_check import is_loss_reported, shown_from
from keywright.planning.renewal import hash_fraction
from keywright.planning.state import CloudKey, GrantState, KeyFault, SecretView, Standing

# After a lookup that failed.
_RETRY = timedelta(minutes=5)
# Faults that a listing of keys cannot show to be repaired.
_SEEN_BY_LOOKUPS = frozenset({KeyFault.NOT_ENABLED, KeyFault.OUTSIDE_PLAN})


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
        state = replace(state, delays=self._times.delays, revocation=self._times.revocation)
        if state.grant is None or state.grant.managed is None:
            return state
        check = self._of(state.subject.uid)
        if secret is None or secret.standing is not Standing.OWNED or not secret.revision:
            return state
        if check is None or secret.key_id is None:
            return state
        agreed = self._is_agreed(state, secret)
        if state.listed is not None:
            self._see(check, state, secret, agreed=agreed)
        lost = check.lost == secret.key_id
        unknown = not lost and check.shown != secret.key_id
        if unknown and agreed and not check.unconfirmed and is_loss_reported(state.status):
            check.unconfirmed, check.verify_at = True, self._clock()
        return replace(
            state,
            secret=replace(secret, lost=lost, fault=check.fault),
            absent_ids=frozenset({secret.key_id} if lost and check.absent else ()),
            doubted=unknown and (check.unconfirmed or not agreed),
            loss_reported=unknown and check.unconfirmed and not check.suspect,
            suspected=not lost and agreed and check.suspect,
            verify_at=check.verify_at,
        )

    def verify_at(self, state: GrantState) -> datetime | None:
        """When the key of the grant is looked up next; None for never."""
        if state.grant is None or state.grant.managed is None:
            return None
        check = self._of(state.subject.uid)
        return None if check is None else check.verify_at

    def issued(self, uid: str, key_id: str | None) -> None:
        """The cloud has just made that key; None for one that does not live there."""
        if key_id is None:
            return
        check = self._of(uid)
        if check is not None:
            self._shown(check, key_id)
            self._put_off(check, uid)

    def lookup_failed(self, uid: str) -> None:
        """Look the key up again soon."""
        check = self._of(uid)
        if check is not None:
            check.verify_at = self._clock() + min(_RETRY, self._times.interval or _RETRY)

    def looked_up(self, state: GrantState, fault: KeyFault | None) -> None:
        """Remember what a lookup has found to be wrong with the key, if anything."""
        uid, secret = state.subject.uid, state.secret
        check = self._of(uid)
        if check is None or secret is None or secret.key_id is None:
            return
        settles_at = shown_from(secret, state, now=self._clock())
        if fault is None:
            self._shown(check, secret.key_id)
            self._put_off(check, uid)
        elif settles_at is not None:
            check.verify_at = settles_at
        elif fault is KeyFault.MISSING:
            # Another listing, made now, decides.
            check.suspect, check.shown = True, None
        else:
            self._lose(check, secret.key_id, fault)
            self._put_off(check, uid)

    def _of(self, uid: str) -> KeyCheck | None:
        record = self._store.grants.get(uid)
        if record is None:
            return None
        if record.check is None:
            record.check = KeyCheck()
            if self._times.interval:
                record.check.verify_at = self._clock() + self._times.spread * hash_fraction(uid)
        return record.check

    def _see(self, check: KeyCheck, state: GrantState, secret: SecretView, *, agreed: bool) -> None:
        """What a listing that was made just now says of the key in the Secret."""
        grant, key_id = state.grant, secret.key_id
        assert grant is not None
        assert grant.managed is not None
        assert key_id is not None
        found = next((key for key in state.listed or () if key.id == key_id), None)
        whole = found is not None and found.parts >= secret.entries
        fault = _fault(found, state, grant) if found is not None and whole else KeyFault.MISSING
        if fault is None:
            if check.lost == key_id and check.fault in _SEEN_BY_LOOKUPS:
                return
            suspect = check.suspect
            self._shown(check, key_id)
            if not grant.managed.marked:
                self._put_off(check, state.subject.uid)
            elif suspect:
                # Usage plans are still to be looked at, by a listing that is not as old.
                self.lookup_failed(state.subject.uid)
            return
        reachable = self._is_reachable(state, key_id)
        if found is None and agreed and not reachable:
            # Nothing can be said of it by a session of another account.
            self._shown(check, key_id)
            self._put_off(check, state.subject.uid)
        elif whole or shown_from(secret, state, now=self._clock()) is None:
            self._lose(check, key_id, fault, absent=found is None and reachable)
            self._put_off(check, state.subject.uid)
        else:
            check.suspect = True

    @staticmethod
    def _lose(check: KeyCheck, key_id: str, fault: KeyFault, *, absent: bool = False) -> None:
        check.lost, check.fault, check.absent = key_id, fault, absent
        check.suspect, check.unconfirmed, check.shown = False, False, None

    @staticmethod
    def _shown(check: KeyCheck, key_id: str) -> None:
        check.shown, check.lost, check.absent = key_id, None, False
        check.suspect, check.unconfirmed = False, False

    def _put_off(self, check: KeyCheck, uid: str) -> None:
        """The next lookup is due after the interval."""
        if self._times.interval:
            # Not all at the same time for ever.
            share = 1.0 - hash_fraction(uid) / 10
            check.verify_at = self._clock() + self._times.interval * share
        else:
            check.verify_at = None

    def _is_reachable(self, state: GrantState, key_id: str) -> bool:
        """Whether the key is of the account that the source is known to be in."""
        grant = state.grant
        source = self._store.sources.get(grant.source_key) if grant is not None else None
        account = source.status.account_id if source is not None else None
        return account is None or key_id.startswith(f"{account}/")

    def _is_agreed(self, state: GrantState, secret: SecretView) -> bool:
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


def _fault(found: CloudKey, state: GrantState, grant: ApiKeyGrant) -> KeyFault | None:
    """What keeps a listed key from working, as far as the listing shows it.

    A tag in the cloud says whether the operator disabled the key because the grant said so. If the
    grant says otherwise by now, the edit that is still to be carried out enables the key.
    """
    key = grant.key
    if found.active:
        return None
    if not isinstance(key, ApiGatewayKey):
        return KeyFault.MISSING
    if any(each.key_id == found.id for each in state.status.retiring):
        # An old key is disabled before it is deleted.
        return KeyFault.MISSING
    # The rows of a file say which of its keys are enabled: a lookup compares them.
    if not key.enabled or key.csv_from is not None:
        return None
    if found.disabled_by_operator and not carried_out(grant, state.status):
        return None
    kept = found.disabled_by_operator or key.imports is not None
    return KeyFault.NOT_ENABLED if kept else KeyFault.DISABLED
