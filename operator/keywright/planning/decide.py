"""What to do next for one grant: a pure function of what is known and the time.

Read it from the top: the first rule that applies decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import MANAGED_KINDS
from keywright.api.status import GrantStatus
from keywright.api.times import parse_time
from keywright.planning.backoff import retry_at
from keywright.planning.conditions import READY, SECRET_CONFLICT, SECRET_CONTESTED
from keywright.planning.contest import WATCH_FIELD, over_at, paused_until
from keywright.planning.deletion import next_deletion_step
from keywright.planning.former import former_to_tend
from keywright.planning.journal import journaled
from keywright.planning.key_check import checked
from keywright.planning.ownership import owned_elsewhere
from keywright.planning.renewal import hash_fraction
from keywright.planning.retirement import next_retirement_step, retirement_due
from keywright.planning.state import GrantState, IssueReason, SecretState
from keywright.planning.steps import (
    Issue,
    NoOp,
    Pause,
    Reject,
    Relabel,
    Rewrite,
    Step,
    TendFormer,
    Wait,
)
from keywright.planning.windows import next_renewal, renewal_begins
from keywright.secrets.ownership import Ownership

# How often a Secret that stands in the way is looked at again.
_CONFLICT_PAUSE = timedelta(minutes=1)
# How often a Secret that the watch does not show is read.
UNWATCHED_PAUSE = timedelta(seconds=30)
# How long `kubectl apply` of some files may take from a grant to its source.
_APPLIED_TOGETHER = timedelta(seconds=5)
# What AWS and the services behind SigV4 accept of a clock that is ahead.
_CLOCK_TOLERANCE = timedelta(minutes=5)


def decide(state: GrantState, *, now: datetime) -> Step:
    """The next step of the grant."""
    if state.deleting:
        return next_deletion_step(state, now=now)
    refusal = _mistake(state) or _conflict(state) or owned_elsewhere(state)
    if refusal is not None:
        return Reject(refusal)
    grant = state.grant
    assert grant is not None
    relabel = _relabel(state, now=now)
    if relabel is not None:
        return relabel
    if grant.spec.suspend:
        checks = grant.managed is not None and state.has_finalizer
        return (checked(NoOp(), state, now=now) if checks else None) or NoOp()
    wanted = _wanted(grant, state, now=now)
    pause = paused_until(wanted, state, now=now)
    if pause is not None:
        retires = grant.managed is not None and state.has_finalizer
        return (next_retirement_step(state, now=now) if retires else None) or Pause(pause)
    step = journaled(wanted, state, now=now)
    if isinstance(step, NoOp | Wait):
        held = _held_up(step, grant, state, now=now)
        return (_tend_former(state, now=now) if isinstance(held, NoOp) else None) or held
    if state.source_problem is not None:
        patient = _source_may_follow(state, now=now)
        known = isinstance(wanted, NoOp) and not state.doubted
        return wanted if known else patient or Reject(state.source_problem)
    return _after_back_off(step, state, now=now)


def next_look(state: GrantState, step: Step, *, now: datetime) -> datetime | None:
    """When the grant must be looked at again if nothing happens; None: never.

    `state` are those after the step was carried out.
    """
    secret = state.secret
    due = [_next_look(state, step, now=now)]
    if secret is not None and secret.ownership is Ownership.OWNED and not secret.watched:
        due.append(now + UNWATCHED_PAUSE)
    if state.status.former_secrets:
        due.append(_former_due(state, now=now))
    if state.status.condition(SECRET_CONTESTED) is not None and state.contest is not None:
        due.append(max(over_at(state.contest), now))
    return min((moment for moment in due if moment is not None), default=None)


def _next_look(state: GrantState, step: Step, *, now: datetime) -> datetime | None:
    if isinstance(step, Wait | Pause):
        return step.until
    if isinstance(step, Reject) and step.failure.reason == SECRET_CONFLICT:
        # Secrets that are not ours are not watched.
        return now + _CONFLICT_PAUSE
    if not isinstance(step, NoOp | Issue | Rewrite | Reject):
        # A step of the journal: the next one follows at once.
        return now
    grant = state.grant
    if grant is not None and grant.spec.suspend and state.source_problem is None:
        found = (_look_at_expiry(state, now=now), state.verify_at)
        return min((moment for moment in found if moment is not None), default=None)
    if grant is None or grant.spec.suspend or isinstance(step, Reject):
        return _look_at_expiry(state, now=now)
    if state.source_problem is not None:
        # Nothing can be done until there is news of the source, which wakes the grant.
        return _look_at_expiry(state, now=now)
    renewal = renewal_begins(grant, state.secret, now=now) if state.secret is not None else None
    due = [renewal]
    if grant.managed is not None:
        # In another status they are somebody's forgery, and nothing would come of looking.
        due += [retirement_due(state), now if state.status.pending is not None else None]
        due.append(state.verify_at)
    return min((moment for moment in due if moment is not None), default=None)


def _look_at_expiry(state: GrantState, *, now: datetime) -> datetime | None:
    """A key that is not renewed still has to be told as expired when its time comes."""
    secret = state.secret
    if secret is None or secret.expires_at is None or secret.expires_at <= now:
        return None
    return secret.expires_at


def _former_due(state: GrantState, *, now: datetime) -> datetime | None:
    """When a former Secret is looked at; None where something else has to happen before."""
    if isinstance(decide(state, now=now), TendFormer):
        return now
    later = state.former_due is not None and state.former_due > now
    return state.former_due if later else None


def _tend_former(state: GrantState, *, now: datetime) -> TendFormer | None:
    """The step for a Secret that a change of the name has left behind, when its time has come."""
    former = former_to_tend(state)
    due = state.former_due is None or state.former_due <= now
    carried_out = state.grant is not None and _carried_out(state.grant, state.status)
    return former if due and carried_out else None


def _relabel(state: GrantState, *, now: datetime) -> Relabel | None:
    """The step that lets the watch see the Secret, where nothing else is wrong with it.

    Versions before the watch label wrote Secrets without it.
    """
    secret = state.secret
    if secret is None or secret.ownership is not Ownership.OWNED or not secret.revision:
        return None
    if secret.altered != (WATCH_FIELD,):
        return None
    if paused_until(Rewrite(IssueReason.DRIFT), state, now=now) is not None:
        return None
    step = _after_back_off(Relabel(), state, now=now)
    return step if isinstance(step, Relabel) else None


def renewal_requested(grant: ApiKeyGrant, state: GrantState) -> bool:
    """Whether an annotation asks for a renewal that has not happened yet.

    A request whose value the Secret names, or from before the key in it (by whole seconds), has
    been answered: a restore from a backup brings the annotation back, and must not cost a key.
    """
    requested = grant.renewal_request
    handled = state.secret.handled_request if state.secret is not None else None
    if requested is None or requested in (state.status.last_handled_reconcile_at, handled):
        return False
    issued_at = state.secret.issued_at if state.secret else None
    try:
        return issued_at is None or parse_time(requested) >= issued_at
    except ValueError:
        return True


def _mistake(state: GrantState) -> Failure | None:
    if state.field_errors:
        return Failure.of_invalid_spec(*state.field_errors)
    grant = state.grant
    if state.has_finalizer and grant is not None and _was_another_kind(grant, state.status):
        return Failure(
            "a managed key was created for this grant, and its kind cannot be changed.",
            kind=FailureClass.CONFIGURATION,
            reason="KindChanged",
            field="spec",
            remedy=(
                "Change it back, delete the grant, so that its key is revoked, and make another."
            ),
        )
    return None


def _was_another_kind(grant: ApiKeyGrant, status: GrantStatus) -> bool:
    """Whether keys of the grant may be in the cloud that its kind knows nothing of."""
    return grant.managed is None or (status.kind in MANAGED_KINDS and status.kind != grant.kind)


def _conflict(state: GrantState) -> Failure | None:
    grant, secret = state.grant, state.secret
    assert grant is not None
    owner = ""
    if secret is not None and secret.left_behind:
        return Failure(
            f"Secret {grant.secret_name} was left behind by ApiKeyGrant {secret.owner}, which keeps"
            " another Secret now.",
            kind=FailureClass.CONFIGURATION,
            reason=SECRET_CONFLICT,
            field="spec.secret.name",
            remedy="Choose another name, delete that Secret, or wait until it is cleared.",
        )
    if secret is not None and secret.ownership is Ownership.OWNED_BY_OTHER:
        owner = f"is kept by ApiKeyGrant {secret.owner}"
    elif state.rival:
        owner = f"is asked for by ApiKeyGrant {state.rival} as well, which is older"
    elif secret is not None and _is_somebodys(secret, grant):
        return Failure(
            f"Secret {grant.secret_name} exists and is not ours; it was left alone.",
            kind=FailureClass.CONFIGURATION,
            reason=SECRET_CONFLICT,
            field="spec.secret.name",
            remedy="Choose another name, delete that Secret, or set spec.secret.adopt to true.",
        )
    if not owner:
        return None
    return Failure(
        f"Secret {grant.secret_name} {owner}.",
        kind=FailureClass.CONFIGURATION,
        reason=SECRET_CONFLICT,
        field="spec.secret.name",
        remedy="Choose another name.",
    )


def _is_somebodys(secret: SecretState, grant: ApiKeyGrant) -> bool:
    """Whether a Secret without a grant's mark must be left alone."""
    nobodys = secret.ownership is Ownership.UNOWNED
    return nobodys and not secret.released and not grant.spec.secret.adopt


def _wanted(grant: ApiKeyGrant, state: GrantState, *, now: datetime) -> Issue | Rewrite | NoOp:
    """What the Secret needs, were there neither failures nor a missing source."""
    secret = state.secret
    if state.pending_probe is not None:
        return Issue(state.pending_probe)
    if state.unreadable:
        return Issue(IssueReason.DRIFT)
    if state.secret is not None and state.secret.lost:
        return Issue(IssueReason.LOST)
    if secret is None or secret.revision == 0:
        return Issue(IssueReason.MISSING if state.status.revision else IssueReason.NEW)
    cause = _issue_reason(grant, state, secret, now=now)
    if cause is not None:
        return Issue(cause)
    if secret.altered:
        return Rewrite(IssueReason.DRIFT)
    if not _carried_out(grant, state.status):
        return Rewrite(IssueReason.SPEC)
    return NoOp()


def _carried_out(grant: ApiKeyGrant, status: GrantStatus) -> bool:
    """Whether the Secret was written by the spec as it stands.

    A failure has seen the generation as well, and leaves Ready at the one that was carried out.
    """
    ready = status.condition(READY)
    return status.observed_generation == grant.generation and (
        ready is None or ready.observed_generation in (None, grant.generation)
    )


def _issue_reason(
    grant: ApiKeyGrant, state: GrantState, secret: SecretState, *, now: datetime
) -> IssueReason | None:
    if secret.ownership is Ownership.UNOWNED:
        return IssueReason.NEW
    # Without a source nothing can be said about the key in hand, and it stays.
    if state.source is not None and not secret.matches_spec:
        return IssueReason.CHANGED
    if not secret.is_unexpired(now):
        return IssueReason.EXPIRED
    if _issued_in_future(grant, secret, now=now):
        return IssueReason.CLOCK
    if renewal_requested(grant, state):
        return IssueReason.REQUESTED
    due = renewal_begins(grant, secret, now=now)
    return IssueReason.DUE if due is not None and now >= due else None


def _source_may_follow(state: GrantState, *, now: datetime) -> Wait | None:
    """A wait for a source that is applied together with the grant, in whatever order."""
    problem, created_at = state.source_problem, state.created_at
    missing = problem is not None and problem.reason == "SourceNotFound"
    if not missing or created_at is None or state.status.observed_generation >= 0:
        return None
    until = created_at + _APPLIED_TOGETHER
    return Wait(until) if created_at <= now < until else None


def _issued_in_future(grant: ApiKeyGrant, secret: SecretState, *, now: datetime) -> bool:
    """Whether the key was signed while the clock was ahead: the cloud refuses it until then.

    A key that is created in the cloud is valid from its creation, whatever our clock said.
    """
    issued_at = secret.issued_at
    return grant.managed is None and issued_at is not None and issued_at > now + _CLOCK_TOLERANCE


def _held_up(step: NoOp | Wait, grant: ApiKeyGrant, state: GrantState, *, now: datetime) -> Step:
    """The step; a renewal that failed until its window closed is told as failing all the same."""
    secret, status = state.secret, state.status
    if not isinstance(step, NoOp) or secret is None or not status.failed_attempts:
        return step
    due = next_renewal(grant, secret, now=now)
    missed = secret.renew_at is not None and secret.renew_at <= now
    return Wait(due) if missed and due is not None and due > now else step


def _after_back_off(step: Step, state: GrantState, *, now: datetime) -> Step:
    """The step, or a wait for the time that earlier failures have put it off to.

    An edit of the grant is tried at once, and a failure that is still to come (the clock was set
    back, or another replica's is ahead) puts nothing off.
    """
    status, failed_at = state.status, state.status.last_failure_time
    edited = status.observed_generation != state.subject.generation
    if not status.failed_attempts or failed_at is None or edited or state.skip_backoff:
        return step
    if (
        state.listed is not None
        or state.intent_written_by_this_process
        or state.pending_probe is not None
    ):
        # In the middle of the journal or of a probe, which has begun after the back-off.
        return step
    if failed_at > now:
        return step
    secret = state.secret
    until = retry_at(
        attempts=status.failed_attempts,
        last_failure=failed_at,
        expires_at=secret.expires_at if secret is not None else None,
        position=hash_fraction(state.subject.uid),
    )
    return step if now >= until else Wait(until)
