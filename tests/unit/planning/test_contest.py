"""Pauses between repairs of a field that others keep changing, and what is reported of it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from keywright.api.errors import Failure, FailureClass
from keywright.api.status import GrantStatus
from keywright.planning.contest import (
    WHOLE_OBJECT,
    after_repair,
    contest_notice,
    paused_until,
    resumed,
    taken_fields,
)
from keywright.planning.decide import decide
from keywright.planning.requeue import requeue_at
from keywright.planning.state import Contest, GrantState, IssueReason
from keywright.planning.status import next_status
from keywright.planning.steps import Fail, Issue, NoOp, Pause, Relabel, Rewrite, Written
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon, secret, state, status, step_name
from tests.unit.replace import replace

PAUSE = Pause(NOON)
_TEAM = "metadata.labels[team]"
_KEY = "data[AWS_BEARER_TOKEN_BEDROCK]"
_WATCH_LABEL = "metadata.labels[keywright.dev/managed]"


def _taken(*fields: str, by: str = "policy", **changed: Any) -> GrantState:
    taken = secret(altered=fields or (_TEAM,), taken_by=(by,))
    return state(secret=taken, **changed)


def _after(repairs: int, at: datetime = NOON, fields: tuple[str, ...] = (_TEAM,)) -> Contest:
    found: Contest | None = None
    for _ in range(repairs):
        found = after_repair(found, _taken(*fields), now=at)
    assert found is not None
    return found


def _conditions(found: GrantStatus) -> list[str]:
    return [f"{each.type} {each.status} {each.reason}" for each in found.conditions]


def test_the_first_repair_is_immediate() -> None:
    """And so is one of another field."""
    assert step_name(decide(_taken(), now=NOON)) == "Rewrite Drift"
    other = _taken("data[AWS_REGION]", contest=_after(4))
    assert step_name(decide(other, now=NOON)) == "Rewrite Drift"


@pytest.mark.parametrize(
    ("repairs", "seconds"), [(1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (99, 300)]
)
def test_the_pause_doubles_up_to_five_minutes(repairs: int, seconds: int) -> None:
    """Measured from the last repair."""
    contested = _taken(contest=_after(repairs))
    due = noon(seconds=seconds)
    assert decide(contested, now=NOON) == Pause(due)
    assert decide(contested, now=due - timedelta(milliseconds=1)) == Pause(due)
    assert step_name(decide(contested, now=due)) == "Rewrite Drift"
    assert requeue_at(contested, Pause(due), now=NOON) == due


def test_ten_quiet_minutes_end_the_contest() -> None:
    """The next change by another manager is repaired at once, and counts as the first one."""
    contest = after_repair(_after(9), _taken(), now=noon(minutes=11))
    assert contest is not None
    assert (contest.repairs, contest.last_repair) == (1, noon(minutes=11))


def test_a_write_that_repairs_nothing_leaves_the_contest_as_it_is() -> None:
    """A renewal of a Secret that is as it was written."""
    assert after_repair(_after(3), state(), now=noon(seconds=5)) == _after(3)
    assert after_repair(None, state(), now=NOON) is None


def test_an_edit_of_the_grant_is_no_contest() -> None:
    """Its own changes of the Secret are not counted, and end a contest."""
    edited = _taken(_KEY, status=status(observed_generation=1))
    edited = replace(edited, subject=replace(edited.subject, generation=2))
    assert after_repair(None, edited, now=NOON) is None
    assert after_repair(_after(3), edited, now=NOON) is None


def test_an_edit_whose_first_try_failed_is_no_contest() -> None:
    """A failure has seen the generation; Ready stays at the one that was carried out."""
    throttled = Failure("slow down.", kind=FailureClass.THROTTLED, reason="Throttled")
    found: Contest | None = None
    for _ in range(3):
        edited = replace(_taken(_KEY, by=""), subject=replace(state().subject, generation=2))
        failed = next_status(edited, Fail(throttled), now=NOON)
        assert failed.observed_generation == 2
        retried = replace(edited, status=failed)
        assert after_repair(None, retried, now=NOON) is None
        contested = replace(retried, contest=_after(4, fields=(_KEY,)))
        assert paused_until(Rewrite(IssueReason.SPEC), contested, now=NOON) is None
        assert paused_until(Rewrite(IssueReason.DRIFT), contested, now=NOON) is None
        found = after_repair(found, retried, now=NOON)
    assert found is None


def test_a_renewal_is_written_in_time() -> None:
    """Whatever the pause: it ends when the renewal is due, and so do a request and an edit."""
    due = noon(seconds=40)
    contested = _taken(contest=_after(9), status=status(renew_at=due))
    contested = replace(contested, secret=replace(contested.secret, renew_at=due))
    assert decide(contested, now=NOON) == Pause(due)
    assert step_name(decide(contested, now=due)) == "Issue Due"
    edited = replace(contested, subject=replace(contested.subject, generation=2))
    assert step_name(decide(edited, now=NOON)) == "Rewrite Drift"


def test_a_secret_that_is_deleted_again_and_again_is_a_contest_too() -> None:
    """Until its renewal is due; the first time it is written at once."""
    gone = state(secret=None)
    assert taken_fields(gone) == (WHOLE_OBJECT,)
    assert step_name(decide(gone, now=NOON)) == "Issue SecretMissing"
    contest = after_repair(None, gone, now=NOON)
    contest = after_repair(contest, gone, now=NOON)
    assert decide(replace(gone, contest=contest), now=NOON) == Pause(noon(seconds=2))
    renewed = status(renew_at=noon(seconds=1))
    assert step_name(
        decide(replace(gone, contest=contest, status=renewed), now=noon(seconds=1))
    ) == ("Issue SecretMissing")


def test_a_forged_fingerprint_is_paced_as_well() -> None:
    """It costs a new key each time."""
    field = "metadata.annotations[keywright.dev/fingerprint]"
    forged = _taken(field, contest=_after(5, fields=(field,)))
    forged = replace(forged, secret=replace(forged.secret, matches_spec=False))
    assert decide(forged, now=NOON) == Pause(noon(seconds=16))
    assert step_name(decide(forged, now=noon(seconds=16))) == "Issue KeyChanged"


def test_a_change_of_the_source_or_of_an_imported_value_is_no_repair() -> None:
    """The key is another one by now; a label that is contested does not delay it."""
    changed = _taken(contest=_after(9))
    changed = replace(changed, secret=replace(changed.secret, matches_spec=False))
    assert step_name(decide(changed, now=NOON)) == "Issue KeyChanged"


def test_one_condition_and_one_event_name_field_and_manager() -> None:
    """From the third time on; the same words from then on, so that nothing is written again."""
    once = next_status(_taken(contest=_after(1)), PAUSE, now=NOON)
    assert _conditions(once) == ["Ready True Succeeded"]
    contested = _taken(contest=_after(2))
    reported = next_status(contested, PAUSE, now=NOON)
    assert _conditions(reported) == ["Ready True Succeeded", "SecretContested True FieldsTaken"]
    message = reported.conditions[1].message
    assert message.startswith(f"{_TEAM} of Secret chat-key: changed again by policy each time")
    event = contest_notice(contested.status, reported)
    assert event is not None
    assert (event.warning, event.reason, event.note) == (True, "SecretContested", message)
    later = replace(contested, status=reported, contest=_after(5, at=noon(seconds=9)))
    assert next_status(later, PAUSE, now=noon(seconds=9)) == reported
    written = Written(secret(), None)
    assert (
        next_status(later, written, now=noon(seconds=9)).conditions[1:] == reported.conditions[1:]
    )
    assert contest_notice(reported, reported) is None


@pytest.mark.parametrize("fields", [(_KEY,), (_TEAM, _KEY), ("data",)])
def test_contested_values_are_not_ready(fields: tuple[str, ...]) -> None:
    """Readers may meet others, also right after a repair; Ready says so once, by one Event."""
    contested = _taken(*fields, contest=_after(2, fields=fields))
    reported = next_status(contested, PAUSE, now=NOON)
    expected = [
        "Ready False SecretContested",
        "Reconciling True ProgressingWithRetry",
        "SecretContested True FieldsTaken",
    ]
    assert _conditions(reported) == expected
    assert contest_notice(contested.status, reported) is None
    later = replace(contested, status=reported, secret=secret())
    for outcome in (Written(secret(), "ASIA1"), NoOp()):
        assert _conditions(next_status(later, outcome, now=noon(seconds=9))) == expected


def test_the_condition_goes_when_the_contest_is_over() -> None:
    """The grant is looked at then."""
    contest = _after(3)
    reported = next_status(_taken(_KEY, contest=contest), PAUSE, now=NOON)
    calm = state(status=reported, contest=contest)
    assert requeue_at(calm, NoOp(), now=NOON) == noon(minutes=10)
    over = next_status(calm, NoOp(), now=noon(minutes=10))
    assert _conditions(over) == ["Ready True Succeeded"]


def test_a_restart_begins_with_a_pause() -> None:
    """The condition shows that there is a contest; how often was repaired is not known."""
    reported = next_status(_taken(contest=_after(3)), PAUSE, now=NOON)
    contest = resumed(reported, now=noon(minutes=1))
    restarted = _taken("data[AWS_REGION]", contest=contest, status=reported)
    assert decide(restarted, now=noon(minutes=1)) == Pause(noon(minutes=2, seconds=4))
    assert (
        next_status(restarted, PAUSE, now=noon(minutes=1)).conditions[-1] == reported.conditions[1]
    )
    assert resumed(status(), now=NOON) is None


def test_what_is_remembered_is_bounded() -> None:
    """However many fields and managers take part."""
    contest: Contest | None = None
    for number in range(200):
        taken = _taken(f"data[k{number}]", by=f"manager-{number}")
        contest = after_repair(contest, taken, now=NOON)
    assert contest is not None
    assert (len(contest.fields), len(contest.managers)) == (16, 8)


def test_a_missing_watch_label_alone_is_added_without_a_source() -> None:
    """Also for a grant that is suspended; with anything else altered the Secret is written."""
    unlabeled = _taken(_WATCH_LABEL, source=None)
    assert decide(unlabeled, now=NOON) == Relabel()
    assert requeue_at(unlabeled, Relabel(), now=NOON) == NOON
    assert isinstance(decide(_taken(_WATCH_LABEL, _TEAM), now=NOON), Rewrite)
    paused = _taken(_WATCH_LABEL, contest=_after(3, fields=(_WATCH_LABEL,)))
    assert decide(paused, now=NOON) == Pause(noon(seconds=4))
    failed = _taken(
        _WATCH_LABEL, status=status(failed_attempts=3, last_failure_time=noon(seconds=-1))
    )
    assert not isinstance(decide(failed, now=NOON), Relabel | Rewrite | Issue)


def test_a_secret_that_the_watch_cannot_show_is_read() -> None:
    """Every thirty seconds; the condition names the label that admission has changed."""
    unwatched = state(secret=secret(watched=False))
    assert decide(unwatched, now=NOON) == NoOp()
    assert requeue_at(unwatched, NoOp(), now=NOON) == noon(seconds=30)
    reported = next_status(unwatched, NoOp(), now=NOON)
    condition = reported.conditions[-1]
    assert (condition.type, condition.reason) == ("SecretContested", "ChangedAtAdmission")
    assert condition.message.startswith(f"{_WATCH_LABEL} of Secret chat-key: an admission webhook")
    again = replace(unwatched, status=reported)
    assert next_status(again, NoOp(), now=NOON) == reported
    assert contest_notice(reported, reported) is None
    healed = next_status(replace(again, secret=secret()), NoOp(), now=NOON)
    assert _conditions(healed) == ["Ready True Succeeded"]


def test_what_admission_changes_is_reported_until_the_next_write() -> None:
    """A label or annotation of the grant's own; the answer of the apply shows it."""
    written = Written(secret(), "ASIA1", changed_at_admission=(_TEAM,))
    reported = next_status(state(), written, now=NOON)
    message = reported.conditions[-1].message
    assert message.startswith(_TEAM)
    assert message.endswith("or removes it. Exempt the field in the policy.")
    kept = next_status(state(status=reported), NoOp(), now=NOON)
    assert kept.conditions[-1] == reported.conditions[-1]
    healed = next_status(state(status=reported), Written(secret(), "ASIA1"), now=NOON)
    assert _conditions(healed) == ["Ready True Succeeded"]
