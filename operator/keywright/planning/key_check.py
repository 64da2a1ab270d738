"""Is the key in the Secret the one in use, and is it in the cloud? Asked before it is believed.

A Secret may be an old copy: put back by hand, restored from a backup, or found again under a former
name. So where nothing but the Secret says that its key is in use, the cloud is asked first; and of
every key it is asked now and then, since keys are deleted in the cloud as well.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keywright.api.status import ConditionStatus
from keywright.planning.conditions import READY
from keywright.planning.facts import (
    Cause,
    Facts,
    Keep,
    Look,
    Mint,
    ReportLost,
    Rewrite,
    SecretView,
    Step,
    Verify,
    Wait,
)
from keywright.planning.failures import Failure, FailureClass

KEY_LOST: Final = "KeyLost"
# So often a fresh key is looked for while listings may lack it.
_LOOKS: Final = 12


def checked(step: Mint | Rewrite | Keep, facts: Facts, *, now: datetime) -> Step | None:
    """What must be known of the key in the Secret before the step; None where it may be done."""
    secret = facts.secret
    if secret is None or secret.key_id is None or facts.source_problem is not None:
        return None
    if secret.lost and not _is_reported(facts):
        return ReportLost(secret.key_id)
    if isinstance(step, Mint):
        # Lists the keys itself.
        return None
    if facts.listed is None:
        edited = isinstance(step, Rewrite) and step.cause is Cause.SPEC
        if facts.doubted or facts.suspected or edited or _is_untagged(facts, now=now):
            return Look(prepare=False)
        return Verify() if facts.verify_at is not None and facts.verify_at <= now else None
    settles_at = shown_from(secret, facts, now=now)
    if settles_at is None or not (facts.doubted or facts.suspected):
        return None
    # A listing is rarely as late as it may be.
    return Wait(min(settles_at, now + facts.delays.listing / _LOOKS))


def _is_untagged(facts: Facts, *, now: datetime) -> bool:
    """Whether the key may lack the tags of grant id and cluster id, and it is time to look.

    Looking sets them. After an upgrade that is spread like the lookups of keys.
    """
    grant = facts.grant
    if grant is None or grant.known_as.recorded or not grant.known_as.cluster_id:
        return False
    if grant.known_as.take_over:
        return True
    return facts.verify_at is None or facts.verify_at <= now


def shown_from(secret: SecretView, facts: Facts, *, now: datetime) -> datetime | None:
    """From when on a listing must show the key in the Secret; None where it must by now.

    A time of issue in the future is nobody's, and puts nothing off.
    """
    issued_at = secret.issued_at
    if issued_at is None or issued_at > now:
        return None
    at = issued_at + facts.delays.listing
    return at if now < at else None


def loss(facts: Facts, key_id: str) -> Failure:
    """What is told of a key that the cloud does not have."""
    grant = facts.grant
    name = grant.secret_name if grant is not None else ""
    agreed = key_id == facts.status.key_id
    why = (
        "It was deleted or made inactive there."
        if agreed
        else "The Secret is an old copy, or its key was revoked."
    )
    return Failure(
        f"key {key_id} in Secret {name} does not exist in the cloud any more, or does not work."
        f" {why} Another is issued.",
        kind=FailureClass.RETRY,
        reason=KEY_LOST,
    )


def _is_reported(facts: Facts) -> bool:
    ready = facts.status.condition(READY)
    return (
        ready is not None and ready.status is ConditionStatus.FALSE and ready.reason == KEY_LOST
    ) or _is_suspended(facts)


def _is_suspended(facts: Facts) -> bool:
    """A suspended grant says so, and that its key does not work, in one condition."""
    return facts.grant is not None and facts.grant.spec.suspend
