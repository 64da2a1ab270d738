"""What to do next for one grant: a pure function of what is known and the time.

Read it from the top: the first rule that applies decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KEPT_KINDS
from keywright.api.status import GrantStatus
from keywright.api.times import parse_time
from keywright.planning.backoff import retry_at
from keywright.planning.conditions import READY, SECRET_CONFLICT, SECRET_CONTESTED
from keywright.planning.contest import WATCH_FIELD, over_at, paused_until
from keywright.planning.ending import ending
from keywright.planning.facts import (
    Cause,
    Facts,
    Keep,
    Mint,
    Pause,
    Refuse,
    Relabel,
    Rewrite,
    SecretView,
    Standing,
    Step,
    TendFormer,
    Wait,
)
from keywright.planning.failures import Failure, FailureClass
from keywright.planning.former import former_to_tend
from keywright.planning.journal import journaled
from keywright.planning.key_check import checked
from keywright.planning.ownership import owned_elsewhere
from keywright.planning.renewal import position
from keywright.planning.retirement import retirement, retirement_due
from keywright.planning.windows import next_renewal, renewal_begins

# How often a Secret that stands in the way is looked at again.
_CONFLICT_PAUSE = timedelta(minutes=1)
# How often a Secret that the watch does not show is read.
UNWATCHED_PAUSE = timedelta(seconds=30)
# How long `kubectl apply` of some files may take from a grant to its source.
_APPLIED_TOGETHER = timedelta(seconds=5)
# What AWS and the services behind SigV4 accept of a clock that is ahead.
_CLOCK_TOLERANCE = timedelta(minutes=5)


def decide(facts: Facts, *, now: datetime) -> Step:
    """The next step of the grant."""
    if facts.deleting:
        return ending(facts, now=now)
    refusal = _mistake(facts) or _conflict(facts) or owned_elsewhere(facts)
    if refusal is not None:
        return Refuse(refusal)
    grant = facts.grant
    assert grant is not None
    relabel = _relabel(facts, now=now)
    if relabel is not None:
        return relabel
    if grant.spec.suspend:
        checks = grant.keeping is not None and facts.finalized
        return (checked(Keep(), facts, now=now) if checks else None) or Keep()
    wanted = _wanted(grant, facts, now=now)
    pause = paused_until(wanted, facts, now=now)
    if pause is not None:
        retires = grant.keeping is not None and facts.finalized
        return (retirement(facts, now=now) if retires else None) or Pause(pause)
    step = journaled(wanted, facts, now=now)
    if isinstance(step, Keep | Wait):
        held = _held_up(step, grant, facts, now=now)
        return (_tend_former(facts, now=now) if isinstance(held, Keep) else None) or held
    if facts.source_problem is not None:
        patient = _source_may_follow(facts, now=now)
        known = isinstance(wanted, Keep) and not facts.doubted
        return wanted if known else patient or Refuse(facts.source_problem)
    return _after_back_off(step, facts, now=now)


def next_look(facts: Facts, step: Step, *, now: datetime) -> datetime | None:
    """When the grant must be looked at again if nothing happens; None: never.

    `facts` are those after the step was carried out.
    """
    secret = facts.secret
    due = [_next_look(facts, step, now=now)]
    if secret is not None and secret.standing is Standing.OURS and not secret.watched:
        due.append(now + UNWATCHED_PAUSE)
    if facts.status.former_secrets:
        due.append(_former_due(facts, now=now))
    if facts.status.condition(SECRET_CONTESTED) is not None and facts.contest is not None:
        due.append(max(over_at(facts.contest), now))
    return min((moment for moment in due if moment is not None), default=None)


def _next_look(facts: Facts, step: Step, *, now: datetime) -> datetime | None:
    if isinstance(step, Wait | Pause):
        return step.until
    if isinstance(step, Refuse) and step.failure.reason == SECRET_CONFLICT:
        # Secrets that are not ours are not watched.
        return now + _CONFLICT_PAUSE
    if not isinstance(step, Keep | Mint | Rewrite | Refuse):
        # A step of the journal: the next one follows at once.
        return now
    grant = facts.grant
    if grant is not None and grant.spec.suspend and facts.source_problem is None:
        found = (_look_at_expiry(facts, now=now), facts.verify_at)
        return min((moment for moment in found if moment is not None), default=None)
    if grant is None or grant.spec.suspend or isinstance(step, Refuse):
        return _look_at_expiry(facts, now=now)
    if facts.source_problem is not None:
        # Nothing can be done until there is news of the source, which wakes the grant.
        return _look_at_expiry(facts, now=now)
    renewal = renewal_begins(grant, facts.secret, now=now) if facts.secret is not None else None
    due = [renewal]
    if grant.keeping is not None:
        # In another status they are somebody's forgery, and nothing would come of looking.
        due += [retirement_due(facts), now if facts.status.pending is not None else None]
        due.append(facts.verify_at)
    return min((moment for moment in due if moment is not None), default=None)


def _look_at_expiry(facts: Facts, *, now: datetime) -> datetime | None:
    """A key that is not renewed still has to be told as expired when its time comes."""
    secret = facts.secret
    if secret is None or secret.expires_at is None or secret.expires_at <= now:
        return None
    return secret.expires_at


def _former_due(facts: Facts, *, now: datetime) -> datetime | None:
    """When a former Secret is looked at; None where something else has to happen before."""
    if isinstance(decide(facts, now=now), TendFormer):
        return now
    later = facts.former_due is not None and facts.former_due > now
    return facts.former_due if later else None


def _tend_former(facts: Facts, *, now: datetime) -> TendFormer | None:
    """The step for a Secret that a change of the name has left behind, when its time has come."""
    former = former_to_tend(facts)
    due = facts.former_due is None or facts.former_due <= now
    carried_out = facts.grant is not None and _carried_out(facts.grant, facts.status)
    return former if due and carried_out else None


def _relabel(facts: Facts, *, now: datetime) -> Relabel | None:
    """The step that lets the watch see the Secret, where nothing else is wrong with it.

    Versions before the watch label wrote Secrets without it.
    """
    secret = facts.secret
    if secret is None or secret.standing is not Standing.OURS or not secret.revision:
        return None
    if secret.altered != (WATCH_FIELD,):
        return None
    if paused_until(Rewrite(Cause.DRIFT), facts, now=now) is not None:
        return None
    step = _after_back_off(Relabel(), facts, now=now)
    return step if isinstance(step, Relabel) else None


def renewal_requested(grant: ApiKeyGrant, facts: Facts) -> bool:
    """Whether an annotation asks for a renewal that has not happened yet.

    A request whose value the Secret names, or from before the key in it (by whole seconds), has
    been answered: a restore from a backup brings the annotation back, and must not cost a key.
    """
    asked = grant.renewal_request
    handled = facts.secret.handled_request if facts.secret is not None else None
    if asked is None or asked in (facts.status.last_handled_reconcile_at, handled):
        return False
    issued_at = facts.secret.issued_at if facts.secret else None
    try:
        return issued_at is None or parse_time(asked) >= issued_at
    except ValueError:
        return True


def _mistake(facts: Facts) -> Failure | None:
    if facts.problems:
        return Failure(
            "; ".join(str(problem) for problem in facts.problems),
            kind=FailureClass.CONFIGURATION,
            reason="InvalidSpec",
        )
    grant = facts.grant
    if facts.finalized and grant is not None and _was_another_kind(grant, facts.status):
        return Failure(
            "a key that lives in the cloud was made for this grant, and it cannot become another"
            " kind of key.",
            kind=FailureClass.CONFIGURATION,
            reason="KindChanged",
            field="spec",
            cure="Change it back, delete the grant, so that its key is revoked, and make another.",
        )
    return None


def _was_another_kind(grant: ApiKeyGrant, status: GrantStatus) -> bool:
    """Whether keys of the grant may be in the cloud that its kind knows nothing of."""
    return grant.keeping is None or (status.kind in KEPT_KINDS and status.kind != grant.kind)


def _conflict(facts: Facts) -> Failure | None:
    grant, secret = facts.grant, facts.secret
    assert grant is not None
    owner = ""
    if secret is not None and secret.left_behind:
        return Failure(
            f"Secret {grant.secret_name} was left behind by ApiKeyGrant {secret.owner}, which keeps"
            " another Secret now.",
            kind=FailureClass.CONFIGURATION,
            reason=SECRET_CONFLICT,
            field="spec.secret.name",
            cure="Choose another name, delete that Secret, or wait until it is cleared.",
        )
    if secret is not None and secret.standing is Standing.ANOTHER_GRANTS:
        owner = f"is kept by ApiKeyGrant {secret.owner}"
    elif facts.rival:
        owner = f"is asked for by ApiKeyGrant {facts.rival} as well, which is older"
    elif secret is not None and _is_somebodys(secret, grant):
        return Failure(
            f"Secret {grant.secret_name} exists and is not ours; it was left alone.",
            kind=FailureClass.CONFIGURATION,
            reason=SECRET_CONFLICT,
            field="spec.secret.name",
            cure="Choose another name, delete that Secret, or set spec.secret.adopt to true.",
        )
    if not owner:
        return None
    return Failure(
        f"Secret {grant.secret_name} {owner}.",
        kind=FailureClass.CONFIGURATION,
        reason=SECRET_CONFLICT,
        field="spec.secret.name",
        cure="Choose another name.",
    )


def _is_somebodys(secret: SecretView, grant: ApiKeyGrant) -> bool:
    """Whether a Secret without a grant's mark must be left alone."""
    nobodys = secret.standing is Standing.NOBODYS
    return nobodys and not secret.released and not grant.spec.secret.adopt


def _wanted(grant: ApiKeyGrant, facts: Facts, *, now: datetime) -> Mint | Rewrite | Keep:
    """What the Secret needs, were there neither failures nor a missing source."""
    secret = facts.secret
    if facts.unproven is not None:
        return Mint(facts.unproven)
    if facts.unreadable:
        return Mint(Cause.DRIFT)
    if facts.secret is not None and facts.secret.lost:
        return Mint(Cause.LOST)
    if secret is None or secret.revision == 0:
        return Mint(Cause.MISSING if facts.status.revision else Cause.NEW)
    cause = _cause_to_mint(grant, facts, secret, now=now)
    if cause is not None:
        return Mint(cause)
    if not secret.intact:
        return Rewrite(Cause.DRIFT)
    if not _carried_out(grant, facts.status):
        return Rewrite(Cause.SPEC)
    return Keep()


def _carried_out(grant: ApiKeyGrant, status: GrantStatus) -> bool:
    """Whether the Secret was written by the spec as it stands.

    A failure has seen the generation as well, and leaves Ready at the one that was carried out.
    """
    ready = status.condition(READY)
    return status.observed_generation == grant.generation and (
        ready is None or ready.observed_generation in (None, grant.generation)
    )


def _cause_to_mint(
    grant: ApiKeyGrant, facts: Facts, secret: SecretView, *, now: datetime
) -> Cause | None:
    if secret.standing is Standing.NOBODYS:
        return Cause.NEW
    # Without a source nothing can be said about the key in hand, and it stays.
    if facts.source is not None and not secret.same_key:
        return Cause.CHANGED
    if not secret.lives(now):
        return Cause.EXPIRED
    if _issued_in_future(grant, secret, now=now):
        return Cause.CLOCK
    if renewal_requested(grant, facts):
        return Cause.REQUESTED
    due = renewal_begins(grant, secret, now=now)
    return Cause.DUE if due is not None and now >= due else None


def _source_may_follow(facts: Facts, *, now: datetime) -> Wait | None:
    """A wait for a source that is applied together with the grant, in whatever order."""
    problem, created_at = facts.source_problem, facts.created_at
    missing = problem is not None and problem.reason == "SourceNotFound"
    if not missing or created_at is None or facts.status.observed_generation >= 0:
        return None
    until = created_at + _APPLIED_TOGETHER
    return Wait(until) if created_at <= now < until else None


def _issued_in_future(grant: ApiKeyGrant, secret: SecretView, *, now: datetime) -> bool:
    """Whether the key was signed while the clock was ahead: the cloud refuses it until then.

    A key that is created in the cloud is valid from its creation, whatever our clock said.
    """
    issued_at = secret.issued_at
    return grant.keeping is None and issued_at is not None and issued_at > now + _CLOCK_TOLERANCE


def _held_up(step: Keep | Wait, grant: ApiKeyGrant, facts: Facts, *, now: datetime) -> Step:
    """The step; a renewal that failed until its window closed is told as failing all the same."""
    secret, status = facts.secret, facts.status
    if not isinstance(step, Keep) or secret is None or not status.failed_attempts:
        return step
    due = next_renewal(grant, secret, now=now)
    missed = secret.renew_at is not None and secret.renew_at <= now
    return Wait(due) if missed and due is not None and due > now else step


def _after_back_off(step: Step, facts: Facts, *, now: datetime) -> Step:
    """The step, or a wait for the time that earlier failures have put it off to.

    An edit of the grant is tried at once, and a failure that is still to come (the clock was set
    back, or another replica's is ahead) puts nothing off.
    """
    status, failed_at = facts.status, facts.status.last_failure_time
    edited = status.observed_generation != facts.subject.generation
    if not status.failed_attempts or failed_at is None or edited or facts.impatient:
        return step
    if facts.listed is not None or facts.intent_is_ours or facts.unproven is not None:
        # In the middle of the journal or of a probe, which has begun after the back-off.
        return step
    if failed_at > now:
        return step
    secret = facts.secret
    until = retry_at(
        attempts=status.failed_attempts,
        last_failure=failed_at,
        expires_at=secret.expires_at if secret is not None else None,
        position=position(facts.subject.uid),
    )
    return step if now >= until else Wait(until)
