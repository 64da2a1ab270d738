"""Verify that the key in the Secret is the one in use, and that it exists in the cloud.

A Secret may be an old copy: restored by hand or from a backup, or found under a former name. So if
only the Secret says that its key is in use, the operator asks the cloud first. Every key is also
verified periodically, since keys can be deleted in the cloud.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.status import ConditionStatus, GrantStatus
from keywright.planning.conditions import READY
from keywright.planning.state import GrantState, IssueReason, KeyFault, SecretState
from keywright.planning.steps import Issue, ListKeys, NoOp, ReportLost, Rewrite, Step, Verify, Wait

KEY_LOST: Final = "KeyLost"
# The number of lookups of a fresh key while listings may lack it.
_LOOKS: Final = 12


def checked(step: Issue | Rewrite | NoOp, state: GrantState, *, now: datetime) -> Step | None:
    """The verification that must precede the step; None if the step may be done."""
    secret = state.secret
    if secret is None or secret.key_id is None or state.source_problem is not None:
        return None
    if secret.lost and not _is_reported(state):
        return ReportLost(secret.key_id)
    if isinstance(step, Issue):
        # It lists the keys itself.
        return None
    if state.listed is None:
        if state.loss_reported:
            # After a restart of the operator: only a lookup finds every possible fault of the key.
            due = state.verify_at
            return Verify() if due is None or due <= now else Wait(due)
        edited = isinstance(step, Rewrite) and step.cause is IssueReason.SPEC
        if state.doubted or state.suspected or edited or _is_untagged(state, now=now):
            return ListKeys(prepare=False)
        return Verify() if state.verify_at is not None and state.verify_at <= now else None
    settles_at = shown_from(secret, state, now=now)
    if settles_at is None or not (state.doubted or state.suspected):
        return None
    # A listing is rarely as stale as it may be.
    return Wait(min(settles_at, now + state.delays.listing / _LOOKS))


def _is_untagged(state: GrantState, *, now: datetime) -> bool:
    """Whether the key may lack the tags of grant ID and cluster ID, and a lookup is due.

    The lookup sets the tags. After an upgrade it is spread like the other lookups of keys.
    """
    grant = state.grant
    if grant is None or grant.known_as.recorded or not grant.known_as.cluster_id:
        return False
    if grant.known_as.take_over:
        return True
    return state.verify_at is None or state.verify_at <= now


def shown_from(secret: SecretState, state: GrantState, *, now: datetime) -> datetime | None:
    """From when on a listing must show the key in the Secret; None if it must already.

    A time of issue in the future is invalid, and does not delay anything.
    """
    issued_at = secret.issued_at
    if issued_at is None or issued_at > now:
        return None
    at = issued_at + state.delays.listing
    return at if now < at else None


def loss(state: GrantState, key_id: str) -> Failure:
    """The failure to report for a key that does not work in the cloud."""
    grant, secret = state.grant, state.secret
    name = grant.secret_name if grant is not None else ""
    fault = secret.fault if secret is not None else KeyFault.MISSING
    match fault:
        case KeyFault.DISABLED:
            what = (
                "was disabled in the cloud, so calls with it are refused. A key with another value"
                " is issued."
            )
        case KeyFault.NOT_ENABLED:
            what = (
                "is disabled in the cloud, so calls with it are refused. It is enabled again,"
                " because the grant does not say enabled: false."
            )
        case KeyFault.OUTSIDE_PLAN:
            what = (
                "is not in every usage plan of the grant any more, so calls with it are refused."
                " It is added again."
            )
        case KeyFault.MISSING:
            why = (
                "It was deleted or made inactive there."
                if key_id == state.status.key_id
                else "The Secret is an old copy, or its key was revoked."
            )
            what = (
                f"does not exist in the cloud any more, or does not work. {why} Another is issued."
            )
    return Failure(
        f"key {key_id} in Secret {name} {what}", kind=FailureClass.TRANSIENT, reason=KEY_LOST
    )


def is_loss_reported(status: GrantStatus) -> bool:
    """Whether the status reports that the key in use does not work."""
    ready = status.condition(READY)
    return ready is not None and ready.status is ConditionStatus.FALSE and ready.reason == KEY_LOST


def _is_reported(state: GrantState) -> bool:
    return is_loss_reported(state.status) or _is_suspended(state)


def _is_suspended(state: GrantState) -> bool:
    """Whether the grant is suspended: one condition then reports that and the lost key."""
    return state.grant is not None and state.grant.spec.suspend
