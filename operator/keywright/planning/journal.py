"""The mint journal: how a key that lives in the cloud is made once, and never lost.

The steps of a mint, each one pass of the reconcile, each of them harmless when it is repeated:

    finalizer    the grant cannot go without us
    baseline     the keys that exist are listed
    intent       the status says that one is about to be created; it fails on a stale object
    create       one call, never repeated by the SDK
    probe        where the grant asks for it, the key is tried until it works
    secret       the Secret holds the key, and names it
    status       the status names it as well; the intent is over, the old key retires
    deactivate   when the overlap is over, the old key is made inactive
    delete       and removed

A create whose answer did not come is an unknown. An intent that this process has not just written
is one too. Both are cleared up from what is listed: a key that is neither in the baseline nor
known, and was created in the time of the intent, is ours; its secret is lost, so it is removed and
made anew. A listing may be behind: what it does not show is believed only after a while.

Where the cloud shows whose a key is (`Keeping.marked`), an unknown is simply carried on: the create
of the same intent finds what an earlier one has made. Keys that the tags show and that nothing
names retire.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.status import PendingMint
from keywright.planning.cloud_keys import (
    known_ids,
    listing_settles_at,
    lost_keys,
    stray_keys,
    unknown_keys,
)
from keywright.planning.facts import (
    Cause,
    Facts,
    Fail,
    Finalize,
    Intend,
    Keep,
    Look,
    Mint,
    Remove,
    Retire,
    Rewrite,
    Settle,
    Step,
    Wait,
)
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.key_check import checked
from keywright.planning.retirement import goes_at, retirement


def journaled(step: Mint | Rewrite | Keep, facts: Facts, *, now: datetime) -> Step:
    """The step, or the one of the journal that comes before it."""
    grant = facts.grant
    assert grant is not None
    if grant.keeping is None:
        return step
    if not facts.finalized:
        return Finalize()
    if facts.unproven is not None and isinstance(step, Mint):
        return step
    unchecked = checked(step, facts, now=now)
    if unchecked is not None:
        return unchecked
    if facts.status.pending is not None and not usable_intent(facts, now=now):
        unsettled = _carried_on(step, facts) or _clear_up(facts.status.pending, facts, now=now)
        if unsettled is not None:
            return unsettled
        if not isinstance(step, Mint):
            return Settle()
    return _settled(step, facts, now=now)


def _settled(step: Mint | Rewrite | Keep, facts: Facts, *, now: datetime) -> Step:
    """The step, or what comes before it where no intent is open."""
    match step:
        case Mint():
            return _before_creating(step, facts, now=now)
        case Keep():
            again = _imported_again(facts)
            if again is not None:
                return _before_creating(again, facts, now=now)
            return retirement(facts, now=now) or _unknown(facts) or step
        case Rewrite():
            retire = _unknown(facts)
            if retire is not None:
                return retire
            # What is written again must not lose an id that the cloud can still prove.
            look = facts.unproved_ids and facts.listed is None and facts.source_problem is None
            return Look(prepare=False) if look else step


def _unknown(facts: Facts) -> Retire | None:
    """Keys of the grant that the cloud shows beside the one in use, and that nothing names.

    They are left by a restore of an older state: workloads may still have one of them.
    """
    return Retire() if stray_keys(facts) else None


def _imported_again(facts: Facts) -> Mint | None:
    """Another import, where the cloud shows one that nobody knows: its keys may be in use.

    The import takes all keys of the file, and the unknown one retires with what is left of it.
    """
    grant = facts.grant
    many = grant is not None and grant.is_many and facts.status.pending is None
    return Mint(Cause.DRIFT) if many and unknown_keys(facts) else None


def _carried_on(step: Mint | Rewrite | Keep, facts: Facts) -> Mint | None:
    """The create of an open intent, where it may be repeated and its key is in no Secret yet.

    Many keys are taken up one by one: what was begun with them is ended, whatever is wanted by now.
    """
    grant = facts.grant
    assert grant is not None
    if grant.keeping is None or not grant.keeping.marked or _in_secret(facts):
        return None
    if isinstance(step, Mint):
        return step
    return Mint(Cause.CHANGED) if grant.is_many else None


def usable_intent(facts: Facts, *, now: datetime) -> bool:
    """Whether a key may be created by the intent at hand: ours, of just now, and not yet used."""
    pending = facts.status.pending
    return (
        facts.intent_is_ours
        and pending is not None
        and pending.started_at is not None
        and timedelta(seconds=-1) <= now - pending.started_at <= facts.delays.intent
    )


def _clear_up(pending: PendingMint, facts: Facts, *, now: datetime) -> Step | None:
    """What an unknown intent asks for; None where it is clear that it made nothing."""
    if _in_secret(facts):
        return Settle()
    if facts.listed is None:
        return Look(prepare=False)
    lost = stray_keys(facts) or lost_keys(
        pending, facts, listed=facts.listed, known=known_ids(facts)
    )
    if lost:
        return Remove(lost, lost=True)
    settles_at = listing_settles_at(pending, facts)
    return Wait(settles_at) if settles_at is not None and now < settles_at else None


def _in_secret(facts: Facts) -> bool:
    """Whether the Secret holds the key of the pending intent already."""
    secret, pending = facts.secret, facts.status.pending
    return (
        secret is not None
        and pending is not None
        and secret.key_id is not None
        and not secret.lost
        and secret.key_id != facts.status.key_id
        and secret.key_id not in pending.baseline
    )


def _before_creating(mint: Mint, facts: Facts, *, now: datetime) -> Step:
    grant = facts.grant
    assert grant is not None
    assert grant.keeping is not None
    if usable_intent(facts, now=now):
        return mint
    if facts.listed is None or facts.unprepared:
        return Look(prepare=True)
    served = facts.secret is not None and facts.secret.lives(now)
    # One that the cloud shows may be the only good one: it goes once another is published.
    if served and (retire := _unknown(facts)) is not None:
        return retire
    here = sorted((key for key in facts.listed if key.here), key=lambda key: key.created_at)
    if len(here) < grant.keeping.most:
        # The newest last: where the Secret is lost, that is the one to go on from.
        listed = sorted(facts.listed, key=lambda key: (key.created_at, key.id))
        return Intend(tuple(key.id for key in listed))
    known = known_ids(facts) | frozenset(stray_keys(facts))
    in_use = _in_use(facts)
    spare = [key.id for key in here if key.id in known and key.id != in_use]
    if spare:
        return _make_room(spare[0], facts, now=now)
    spared = known | facts.others_ids | {in_use}
    unknown = [key.id for key in here if key.id not in spared]
    if unknown and grant.keeping.exclusive:
        return Remove((unknown[0],))
    return Fail(_no_room(unknown, most=grant.keeping.most))


def _make_room(key_id: str, facts: Facts, *, now: datetime) -> Step:
    """A retiring key goes before its time only where there is no good key to read meanwhile."""
    retiring = next((key for key in facts.status.retiring if key.key_id == key_id), None)
    secret = facts.secret
    served = secret is not None and secret.lives(now)
    at = goes_at(retiring, facts) if retiring is not None else None
    if served and at is not None and now < at:
        return Wait(at)
    return Remove((key_id,))


def _in_use(facts: Facts) -> str | None:
    secret = facts.secret
    if secret is not None and secret.key_id is not None and not secret.lost:
        return secret.key_id
    return facts.status.key_id


def _no_room(unknown: list[str], *, most: int) -> Failure:
    return Failure(
        f"the IAM user has {most} keys for Amazon Bedrock already, all that IAM allows, and"
        f" this grant does not know {', '.join(unknown) or 'any of them'}.",
        kind=FailureClass.QUOTA,
        reason="KeyLimitReached",
        field="spec.bedrockLongTermKey.user",
        cure=(
            "Delete one of them, name another user, or set spec.bedrockLongTermKey.exclusive to"
            " true: the older one is then removed."
        ),
    )
