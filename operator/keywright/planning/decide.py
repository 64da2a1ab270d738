"""The next step of one grant: the first rule of RULES that applies decides.

A pure function of the state and the time. `triggers` decides what the Secret needs, and `journal`
the steps of managed keys; the rules cover what precedes both.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import MANAGED_KINDS
from keywright.planning.backoff import retry_at
from keywright.planning.conditions import SECRET_CONFLICT
from keywright.planning.contest import WATCH_FIELD, paused_until
from keywright.planning.deletion import next_deletion_step
from keywright.planning.former import former_to_tend
from keywright.planning.journal import next_journal_step
from keywright.planning.key_check import checked
from keywright.planning.key_ownership import owned_elsewhere
from keywright.planning.renewal import hash_fraction, next_renewal
from keywright.planning.retirement import next_retirement_step
from keywright.planning.state import GrantState, IssueReason
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
from keywright.planning.triggers import carried_out, required_write
from keywright.secrets.ownership import Ownership

# How long `kubectl apply` of several files may take between a grant and its source.
_APPLIED_TOGETHER: Final = timedelta(seconds=5)


class Situation:
    """The state of a grant at one moment, and what follows from it, computed at most once."""

    def __init__(self, state: GrantState, now: datetime) -> None:
        self.state = state
        self.now = now

    @property
    def grant(self) -> ApiKeyGrant:
        """The grant with a valid spec: for the rules after `invalid_spec`."""
        assert self.state.grant is not None
        return self.state.grant

    @property
    def may_have_keys(self) -> bool:
        """Whether there may be managed keys to check and to retire."""
        return self.grant.managed is not None and self.state.has_finalizer

    @cached_property
    def required(self) -> Issue | Rewrite | NoOp:
        """The write that the Secret needs."""
        return required_write(self.state, now=self.now)

    @cached_property
    def step(self) -> Step:
        """That write, or the step of the create journal that precedes it."""
        return next_journal_step(self.required, self.state, now=self.now)


Rule = Callable[[Situation], Step | None]


def decide(state: GrantState, *, now: datetime) -> Step:
    """The next step of the grant."""
    situation = Situation(state, now)
    for rule in RULES:
        step = rule(situation)
        if step is not None:
            return step
    return situation.step


def deletion(at: Situation) -> Step | None:
    """The grant is being deleted."""
    return next_deletion_step(at.state, now=at.now) if at.state.deleting else None


def invalid_spec(at: Situation) -> Step | None:
    """The spec does not parse, or does not fit the source."""
    errors = at.state.field_errors
    return Reject(Failure.of_invalid_spec(*errors)) if errors else None


def kind_changed(at: Situation) -> Step | None:
    """The cloud may hold managed keys of a kind that the spec no longer describes."""
    grant, status = at.grant, at.state.status
    other = status.kind in MANAGED_KINDS and status.kind != grant.kind
    if not at.state.has_finalizer or (grant.managed is not None and not other):
        return None
    return Reject(
        Failure(
            "a managed key was created for this grant, and its kind cannot be changed.",
            kind=FailureClass.CONFIGURATION,
            reason="KindChanged",
            field="spec",
            remedy=(
                "Change it back, or delete the grant, which revokes the key, and create another."
            ),
        )
    )


def secret_left_behind(at: Situation) -> Step | None:
    """Another grant has stopped using the Secret, and has not cleared it yet."""
    secret = at.state.secret
    if secret is None or not secret.left_behind:
        return None
    return _conflict(
        at,
        f"was left behind by ApiKeyGrant {secret.owner}, which keeps another Secret now",
        remedy="Choose another name, delete that Secret, or wait until it is cleared.",
    )


def secret_of_another_grant(at: Situation) -> Step | None:
    """Another grant stores its key in the Secret."""
    secret = at.state.secret
    if secret is None or secret.ownership is not Ownership.OWNED_BY_OTHER:
        return None
    return _conflict(at, f"is kept by ApiKeyGrant {secret.owner}")


def older_grant(at: Situation) -> Step | None:
    """An older grant specifies a Secret of the same name."""
    rival = at.state.rival
    if not rival:
        return None
    return _conflict(at, f"is asked for by ApiKeyGrant {rival} as well, which is older")


def unowned_secret(at: Situation) -> Step | None:
    """The Secret has no owner, and the grant may not adopt it."""
    secret = at.state.secret
    if secret is None or secret.ownership is not Ownership.UNOWNED:
        return None
    if secret.released or at.grant.spec.secret.adopt:
        return None
    return _conflict(
        at,
        "exists and is not ours; it was left alone",
        remedy="Choose another name, delete that Secret, or set spec.secret.adopt to true.",
    )


def keys_of_another_cluster(at: Situation) -> Step | None:
    """Secret or status name keys of another cluster that were not taken over."""
    failure = owned_elsewhere(at.state)
    return Reject(failure) if failure is not None else None


def watch_label_missing(at: Situation) -> Step | None:
    """Only the label that the watch on Secrets selects is missing.

    Versions before the watch label wrote Secrets without it.
    """
    state, secret = at.state, at.state.secret
    if secret is None or secret.ownership is not Ownership.OWNED or not secret.revision:
        return None
    if secret.altered != (WATCH_FIELD,):
        return None
    contested = paused_until(Rewrite(IssueReason.DRIFT), state, now=at.now) is not None
    return None if contested or _back_off_end(at) is not None else Relabel()


def suspended(at: Situation) -> Step | None:
    """The grant is suspended: a managed key is still verified."""
    if not at.grant.spec.suspend:
        return None
    found = checked(NoOp(), at.state, now=at.now) if at.may_have_keys else None
    return found or NoOp()


def contested_field(at: Situation) -> Step | None:
    """The write repairs a contested field, and waits; old keys still retire."""
    until = paused_until(at.required, at.state, now=at.now)
    if until is None:
        return None
    retires = next_retirement_step(at.state, now=at.now) if at.may_have_keys else None
    return retires or Pause(until)


def missed_window(at: Situation) -> Step | None:
    """A renewal failed until its window closed: wait for the next one, and keep RenewalFailing."""
    secret, status = at.state.secret, at.state.status
    if not isinstance(at.step, NoOp) or secret is None or not status.failed_attempts:
        return None
    due = next_renewal(at.grant, secret, now=at.now)
    missed = secret.renew_at is not None and secret.renew_at <= at.now
    return Wait(due) if missed and due is not None and due > at.now else None


def former_secret(at: Situation) -> TendFormer | None:
    """There is no other work, and a former Secret is due for a check."""
    state = at.state
    if not isinstance(at.step, NoOp) or not state.status.former_secrets:
        return None
    due = state.former_due is None or state.former_due <= at.now
    return former_to_tend(state) if due and carried_out(at.grant, state.status) else None


def nothing_to_do(at: Situation) -> Step | None:
    """The Secret is up to date, or the journal waits."""
    return at.step if isinstance(at.step, NoOp | Wait) else None


def key_outlasts_source(at: Situation) -> Step | None:
    """The source is unusable, and the key in the Secret does not need it now."""
    unusable = at.state.source_problem is not None
    good = isinstance(at.required, NoOp) and not at.state.doubted
    return at.required if unusable and good else None


def source_not_applied_yet(at: Situation) -> Step | None:
    """The grant is new: its source may be applied a moment later."""
    problem, created_at = at.state.source_problem, at.state.created_at
    missing = problem is not None and problem.reason == "SourceNotFound"
    if not missing or created_at is None or at.state.status.observed_generation >= 0:
        return None
    until = created_at + _APPLIED_TOGETHER
    return Wait(until) if created_at <= at.now < until else None


def source_unusable(at: Situation) -> Step | None:
    """The source is missing, invalid, or does not allow the namespace."""
    problem = at.state.source_problem
    return Reject(problem) if problem is not None else None


def backing_off(at: Situation) -> Step | None:
    """An earlier attempt failed, and the back-off has not elapsed."""
    until = _back_off_end(at)
    return Wait(until) if until is not None else None


RULES: Final[tuple[Rule, ...]] = (
    deletion,
    invalid_spec,
    kind_changed,
    secret_left_behind,
    secret_of_another_grant,
    older_grant,
    unowned_secret,
    keys_of_another_cluster,
    watch_label_missing,
    suspended,
    contested_field,
    missed_window,
    former_secret,
    nothing_to_do,
    key_outlasts_source,
    source_not_applied_yet,
    source_unusable,
    backing_off,
)
"""If no rule applies, the write that the Secret needs is made, by the steps of its journal."""


def _conflict(at: Situation, why: str, *, remedy: str = "Choose another name.") -> Reject:
    return Reject(
        Failure(
            f"Secret {at.grant.secret_name} {why}.",
            kind=FailureClass.CONFIGURATION,
            reason=SECRET_CONFLICT,
            field="spec.secret.name",
            remedy=remedy,
        )
    )


def _back_off_end(at: Situation) -> datetime | None:
    """When the next attempt is due after failures; None for now.

    An edit of the grant is tried immediately. A failure in the future (the clock was set back, or
    that of another replica is ahead) does not delay anything, and neither does one from before the
    journal steps or the probe that are in progress.
    """
    state, status = at.state, at.state.status
    failed_at = status.last_failure_time
    edited = status.observed_generation != state.subject.generation
    if not status.failed_attempts or failed_at is None or edited or state.skip_backoff:
        return None
    in_progress = (
        state.listed is not None
        or state.intent_written_by_this_process
        or state.pending_probe is not None
    )
    if in_progress or failed_at > at.now:
        return None
    until = retry_at(
        attempts=status.failed_attempts,
        last_failure=failed_at,
        expires_at=state.secret.expires_at if state.secret is not None else None,
        position=hash_fraction(state.subject.uid),
    )
    return until if at.now < until else None
