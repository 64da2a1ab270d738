"""Another manager keeps changing fields that Keywright repairs: growing pauses, and the report.

The first repair is immediate. If the same field is changed again, the next repair waits: one
second, doubling to five minutes. The count starts again once the Secret was unchanged for ten
minutes. A renewal is written at its time, regardless of the pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from keywright.api.errors import Failure, FailureClass
from keywright.api.names import ANNOTATION_FINGERPRINT, WATCH_LABEL
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.conditions import (
    READY,
    SECRET_CONTESTED,
    ConditionWriter,
    condition_writer,
)
from keywright.planning.events import Event
from keywright.planning.state import Contest, GrantState, IssueReason
from keywright.planning.steps import Issue, NoOp, Outcome, Pause, Rewrite, Step, Written
from keywright.secrets.ownership import Ownership

FIELDS_TAKEN: Final = "FieldsTaken"
CHANGED_AT_ADMISSION: Final = "ChangedAtAdmission"
WATCH_FIELD: Final = f"metadata.labels[{WATCH_LABEL}]"
FINGERPRINT_FIELD: Final = f"metadata.annotations[{ANNOTATION_FINGERPRINT}]"
WHOLE_OBJECT: Final = "the Secret itself"

_FIRST_PAUSE: Final = timedelta(seconds=1)
_MAX_PAUSE: Final = timedelta(minutes=5)
_CALM: Final = timedelta(minutes=10)
# The number of repairs that is assumed after a restart: the next pause is about a minute.
_ASSUMED_REPAIRS: Final = 7
# A field that is changed again after this many repairs is reported.
_REPORTED_REPAIRS: Final = 2
_MAX_NAMED: Final = 8
# The limit on altered fields in `secrets.drift`.
_MAX_LISTED: Final = 16


def taken_fields(state: GrantState) -> tuple[str, ...]:
    """The fields of the published Secret that another client has changed; empty if unchanged."""
    grant, secret, status = state.grant, state.secret, state.status
    if grant is None or not status.revision:
        return ()
    if secret is None:
        return (WHOLE_OBJECT,) if status.secret_name == grant.secret_name else ()
    return secret.altered if secret.ownership is Ownership.OWNED else ()


def after_repair(contest: Contest | None, state: GrantState, *, now: datetime) -> Contest | None:
    """The contest after the Secret was written; the same one if the write repaired nothing.

    An edit of the grant ends a contest: the Secret then changes for another reason.
    """
    if _is_edited(state):
        return None
    fields = frozenset(taken_fields(state))
    if not fields:
        return contest
    managers = frozenset(state.secret.taken_by if state.secret is not None else ())
    if contest is None or is_over(contest, now=now):
        return Contest(repairs=1, last_repair=now, fields=fields, managers=managers)
    again = contest.is_about(fields)
    return Contest(
        repairs=contest.repairs + 1 if again else contest.repairs,
        last_repair=now,
        fields=frozenset(sorted(contest.fields | fields)[: 2 * _MAX_NAMED]),
        managers=frozenset(sorted(contest.managers | managers)[:_MAX_NAMED]),
    )


def resumed(status: GrantStatus, *, now: datetime) -> Contest | None:
    """The contest that the status reports, after a restart; None if it reports none."""
    condition = status.condition(SECRET_CONTESTED)
    if condition is None or condition.reason != FIELDS_TAKEN:
        return None
    return Contest(repairs=_ASSUMED_REPAIRS, last_repair=now)


def over_at(contest: Contest) -> datetime:
    """When the contest is over if no client changes the Secret until then."""
    return contest.last_repair + _CALM


def is_over(contest: Contest, *, now: datetime) -> bool:
    """Whether the Secret was unchanged since its repair for long enough."""
    return now >= over_at(contest) or contest.last_repair > now


def paused_until(step: Step, state: GrantState, *, now: datetime) -> datetime | None:
    """The end of the pause before a step that repairs a contested field; None for no pause."""
    contest, fields, status = state.contest, taken_fields(state), state.status
    if contest is None or not fields or not contest.is_about(fields):
        return None
    if not _repairs(step, fields):
        return None
    if _is_edited(state) or status.pending is not None or status.condition(READY) is None:
        return None
    until = contest.last_repair + _pause(contest.repairs)
    renew_at = status.renew_at
    if renew_at is not None and contest.last_repair < renew_at:
        until = min(until, renew_at)
    return until if now < until else None


def with_contest(
    status: GrantStatus, state: GrantState, outcome: Outcome | None, *, now: datetime
) -> GrantStatus:
    """The status with the condition SecretContested if it applies, otherwise without it.

    While values of the Secret are contested the grant is not Ready: clients may read other values.
    """
    held = state.status.condition(SECRET_CONTESTED)
    others = tuple(each for each in status.conditions if each.type != SECRET_CONTESTED)
    if state.grant is None or state.deleting:
        return msgspec.structs.replace(status, conditions=others)
    contest, changed = state.contest, ""
    reported = contest is not None and _is_reported(contest, held, outcome, now=now)
    if not reported:
        changed = _changed_at_admission(state, held, outcome)
        if not changed:
            return msgspec.structs.replace(status, conditions=others)
    writer = condition_writer(state, now)
    if contest is not None and reported:
        known = held is not None and held.reason == FIELDS_TAKEN and not contest.fields
        name = state.grant.secret_name
        message = held.message if known and held is not None else _taken(contest, name)
        contested = writer.condition(
            SECRET_CONTESTED, true=True, reason=FIELDS_TAKEN, message=message
        )
        if _takes_values(contest, state):
            others = _not_ready(others, message, writer)
        return msgspec.structs.replace(status, conditions=(*others, contested))
    contested = writer.condition(
        SECRET_CONTESTED, true=True, reason=CHANGED_AT_ADMISSION, message=changed
    )
    return msgspec.structs.replace(status, conditions=(*others, contested))


def contest_notice(before: GrantStatus, after: GrantStatus) -> Event | None:
    """The one Event of a contest: when it is reported, unless Ready says the same."""
    held, contested = before.condition(SECRET_CONTESTED), after.condition(SECRET_CONTESTED)
    if contested is None or (held is not None and held.reason == contested.reason):
        return None
    ready, was_ready = after.condition(READY), before.condition(READY)
    reported = ready is not None and ready.reason == SECRET_CONTESTED
    if reported and (was_ready is None or was_ready.reason != SECRET_CONTESTED):
        return None
    return Event(warning=True, reason=SECRET_CONTESTED, note=contested.message)


def _is_edited(state: GrantState) -> bool:
    """Whether an edit of the grant was not carried out yet.

    A failed attempt has observed the generation as well, and leaves Ready at the one carried out.
    """
    status, generation = state.status, state.subject.generation
    ready = status.condition(READY)
    carried_out = ready.observed_generation if ready is not None else None
    return status.observed_generation != generation or carried_out not in (None, generation)


def _pause(repairs: int) -> timedelta:
    doubled: timedelta = _FIRST_PAUSE * 2 ** min(repairs - 1, 20)
    return min(doubled, _MAX_PAUSE)


def _repairs(step: Step, fields: Sequence[str]) -> bool:
    """Whether a changed Secret causes the step; a due renewal is not a repair.

    If the fingerprint is unchanged, the source or an imported value has changed. A full list of
    fields may lack the fingerprint.
    """
    causes = {IssueReason.DRIFT, IssueReason.MISSING}
    if FINGERPRINT_FIELD in fields or len(fields) >= _MAX_LISTED:
        causes.add(IssueReason.CHANGED)
    return isinstance(step, Rewrite | Issue) and step.cause in causes


def _is_reported(
    contest: Contest, held: Condition | None, outcome: Outcome | None, *, now: datetime
) -> bool:
    if is_over(contest, now=now):
        return False
    if held is not None and held.reason == FIELDS_TAKEN:
        return True
    # Changed for the third time: two changes in one second may be made by a person.
    return isinstance(outcome, Pause | Written) and contest.repairs >= _REPORTED_REPAIRS


def _takes_values(contest: Contest, state: GrantState) -> bool:
    """Whether the contested fields include values that clients read."""
    fields = contest.fields or frozenset(taken_fields(state))
    ready = state.status.condition(READY)
    if not fields:
        # After a restart, before the next change: as it was reported.
        return ready is not None and ready.reason == SECRET_CONTESTED
    return any(field == WHOLE_OBJECT or field.startswith("data") for field in fields)


def _not_ready(
    conditions: tuple[Condition, ...], message: str, writer: ConditionWriter
) -> tuple[Condition, ...]:
    ready = next((each for each in conditions if each.type == READY), None)
    if ready is None or (
        ready.status is not ConditionStatus.TRUE and ready.reason != SECRET_CONTESTED
    ):
        return conditions
    failure = Failure(message, kind=FailureClass.TRANSIENT, reason=SECRET_CONTESTED)
    unready = writer.not_ready(failure, attempts=0)
    changed = {each.type for each in unready}
    generation = ready.observed_generation
    return (
        *(msgspec.structs.replace(each, observed_generation=generation) for each in unready),
        *(each for each in conditions if each.type not in changed),
    )


def _taken(contest: Contest, name: str) -> str:
    managers = _listed(contest.managers, most=_MAX_NAMED)
    who = managers or "a manager that managedFields does not name"
    return (
        f"{_listed(contest.fields, most=_MAX_NAMED)} of Secret {name}: changed again by {who}"
        " each time after it was repaired. Repairs are retried after pauses of up to 5 minutes;"
        " renewals are written in time. Let the other manager leave the field alone, or remove"
        " the field from spec.secret."
    )


def _changed_at_admission(
    state: GrantState, held: Condition | None, outcome: Outcome | None
) -> str:
    """What admission changed in the last write; empty if that is unknown."""
    grant, secret = state.grant, state.secret
    assert grant is not None
    if isinstance(outcome, Written):
        fields, unwatched = outcome.changed_at_admission, not outcome.secret.watched
    else:
        unwatched = secret is not None and not secret.altered and not secret.watched
        fields = (WATCH_FIELD,) if unwatched else ()
        if held is not None and held.reason == CHANGED_AT_ADMISSION:
            still = unwatched or _UNWATCHED not in held.message
            return held.message if still and secret is not None else ""
        if not isinstance(outcome, NoOp):
            fields = ()
    if not fields:
        return ""
    return (
        f"{_listed(fields, most=_MAX_NAMED)} of Secret {grant.secret_name}: an admission webhook"
        " or policy writes another value than was applied, or removes it."
        f"{_UNWATCHED if unwatched else ''} Exempt the field in the policy."
    )


_UNWATCHED: Final = " Without this label the Secret is read every 30 seconds and not watched."


def _listed(names: Iterable[str], *, most: int) -> str:
    found = sorted(names)
    more = len(found) - most
    return ", ".join(found[:most]) + (f" and {more} more" if more > 0 else "")
