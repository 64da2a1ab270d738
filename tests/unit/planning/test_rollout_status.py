"""When a rollout begins, what is reported of it, and which changes become Events."""

from typing import Any

import msgspec
import pytest

from keywright.api.errors import Failure, FailureClass, FieldError
from keywright.api.grant import Workload, WorkloadKind
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.rollout import (
    ActiveRollout,
    Availability,
    Plan,
    RolloutState,
    Scope,
    WorkloadView,
    under_way,
)
from keywright.planning.rollout_status import (
    RolloutNotDue,
    RolloutProgress,
    rollout_failure,
    rollout_notice,
)
from keywright.planning.state import GrantState, SecretState
from keywright.planning.status import begins_rollout, next_status
from keywright.planning.steps import Fail, NoOp, Outcome, Written
from keywright.secrets.ownership import Ownership
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import READY, noon, secret, state, status
from tests.unit.replace import replace

ROLLOUT = {"restart": [{"kind": "Deployment", "name": "chat"}]}
READER, ADOPTER = grant(rollout=ROLLOUT), grant(rollout=ROLLOUT, secret={"adopt": True})
DENIED = Failure("no.", kind=FailureClass.DENIED, reason="AccessDenied")
PROGRESSING = Condition(
    type="RolloutProgressing",
    status=ConditionStatus.TRUE,
    reason="SecretChanged",
    message="1 of 2 workloads have been restarted for Secret chat-key.",
    last_transition_time=noon(minutes=-5),
    observed_generation=1,
)
FAILING = Condition(
    type="RolloutFailing",
    status=ConditionStatus.TRUE,
    reason="WorkloadNotFound",
    message="words",
    last_transition_time=noon(minutes=-5),
    observed_generation=1,
)
SOUGHT = msgspec.structs.replace(PROGRESSING, reason="SecretNew")
NEW, SAME = secret(data_hash="new", revision=4), secret(data_hash="old")
UNOWNED = SecretState("chat", "chat-key", ownership=Ownership.UNOWNED)


def known(**changed: Any) -> GrantState:
    """A grant with a rollout, whose status records the data `old`."""
    return state(**{"grant": READER, "secret": SAME, "recorded_data_hash": "old", **changed})


@pytest.mark.parametrize(
    ("case", "before", "outcome", "begins"),
    [
        ("a renewal", known(), Written(NEW, "k"), Scope.ALL),
        ("the same data again", known(), Written(SAME, "k"), None),
        ("nothing was written", known(), NoOp(), None),
        ("a failure", known(), Fail(DENIED), None),
        ("no rollout in the spec", known(grant=grant()), Written(NEW, "k"), None),
        ("deleted by hand", known(secret=None), Written(NEW, "k"), Scope.ALL),
        ("killed between the writes", known(secret=NEW), NoOp(), Scope.ALL),
        (
            "a new Secret",
            known(secret=None, recorded_data_hash=""),
            Written(NEW, "k"),
            Scope.ANNOTATED,
        ),
        ("taken over", known(secret=UNOWNED, recorded_data_hash=""), Written(NEW, "k"), Scope.ALL),
        ("a lost status", known(recorded_data_hash=""), NoOp(), Scope.ANNOTATED),
        ("a lost status, and due", known(recorded_data_hash=""), Written(NEW, "k"), Scope.ALL),
        (
            "a lost status, relabelled",
            known(recorded_data_hash=""),
            Written(SAME, "k"),
            Scope.ANNOTATED,
        ),
        (
            "killed as it was taken over",
            known(grant=ADOPTER, secret=secret(data_hash="new", revision=1), recorded_data_hash=""),
            NoOp(),
            Scope.ALL,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_when_a_rollout_begins(
    case: str, before: GrantState, outcome: Outcome, begins: Scope | None
) -> None:
    """With the status that records other data than the one before, and with no other."""
    after = next_status(before, outcome, now=NOON)
    progress = after.condition("RolloutProgressing")
    assert (progress.reason if progress else None) == (begins.value if begins else None), case
    assert begins_rollout(before, outcome) == (begins is not None)


ROLLING = status(conditions=(READY, PROGRESSING))
BEGUN = {"status": ROLLING, "secret": SAME}
ENDED = msgspec.structs.replace(PROGRESSING, status=ConditionStatus.FALSE)


@pytest.mark.parametrize(
    ("changed", "scope"),
    [
        ({}, Scope.ALL),
        ({"status": status(conditions=(READY, SOUGHT))}, Scope.ANNOTATED),
        ({"status": status(conditions=(READY,))}, None),
        ({"status": status(conditions=(READY, ENDED))}, None),
        ({"deleting": True}, None),
        ({"grant": None}, None),
        ({"field_errors": (FieldError("spec", "is wrong."),)}, None),
        ({"grant": grant(rollout=ROLLOUT, suspend=True)}, None),
        ({"grant": grant()}, None),
        ({"secret": None}, None),
        ({"secret": secret(data_hash="")}, None),
        ({"secret": NEW}, None),
    ],
    ids=[
        "changed data",
        "a new Secret",
        "no rollout",
        "it is over",
        "deletion",
        "no spec",
        "an invalid spec",
        "suspended",
        "no workload in the spec",
        "no Secret",
        "no data",
        "the rollout of newer data",
    ],
)
def test_the_status_continues_a_rollout(changed: dict[str, Any], scope: Scope | None) -> None:
    """Of the data in the Secret, since the time in the condition."""
    before = known(**BEGUN | changed)
    expected = scope and ActiveRollout("old", noon(minutes=-5), scope)
    assert under_way(before, before.secret, now=NOON) == expected


def test_a_newer_key_begins_anew() -> None:
    """Since now, and without the trouble of the rollout before."""
    before = known(status=status(conditions=(READY, PROGRESSING, FAILING)))
    after = next_status(before, Written(NEW, "k"), now=NOON)
    progress = after.condition("RolloutProgressing")
    assert progress is not None
    assert progress.last_transition_time == NOON
    assert after.condition("RolloutFailing") is None


def test_what_was_looked_at_is_told_beside_ready() -> None:
    """How far it is, and what is wrong; Ready and the times of the key stay as they are."""
    before = known(status=status(conditions=(READY, PROGRESSING)))
    news = RolloutProgress(noon(seconds=1), restarted=2, concerned=2, failure=DENIED)
    after = next_status(before, None, news=news, now=NOON)
    ready, progress, failing = after.conditions
    assert ready == READY
    assert progress.message == "2 of 2 workloads have been restarted for Secret chat-key."
    assert progress.last_transition_time == PROGRESSING.last_transition_time
    assert (failing.type, failing.reason) == ("RolloutFailing", "AccessDenied")


@pytest.mark.parametrize(
    ("case", "generation", "conditions", "news", "expected"),
    [
        (
            "not due",
            1,
            (PROGRESSING, FAILING),
            RolloutNotDue(NOON),
            ["RolloutProgressing", "RolloutFailing"],
        ),
        (
            "unreadable",
            1,
            (PROGRESSING,),
            RolloutProgress(NOON, failure=DENIED),
            ["RolloutProgressing", "RolloutFailing"],
        ),
        ("over", 1, (PROGRESSING, FAILING), RolloutProgress(None, 2, 2), []),
        (
            "over, with trouble",
            1,
            (PROGRESSING,),
            RolloutProgress(None, 2, 2, DENIED),
            ["RolloutFailing"],
        ),
        ("trouble that is left", 1, (FAILING,), None, ["RolloutFailing"]),
        ("left, until an edit", 2, (FAILING,), None, []),
        ("under way, edited", 2, (PROGRESSING,), None, ["RolloutProgressing"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_of_it_is_kept(
    case: str,
    generation: int,
    conditions: tuple[Condition, ...],
    news: RolloutProgress | RolloutNotDue | None,
    expected: list[str],
) -> None:
    """A rollout stays in the status until it is over, its last trouble until an edit."""
    before = known(status=status(conditions=(READY, *conditions)))
    before = replace(before, subject=replace(before.subject, generation=generation))
    after = next_status(before, None, news=news, now=NOON)
    assert [each.type for each in after.conditions[1:]] == expected, case


def test_a_grant_that_cannot_be_parsed_keeps_its_rollout() -> None:
    """It goes on when the mistake is corrected; without a rollout in the spec it ends."""
    before = status(conditions=(READY, PROGRESSING))
    unparsed = next_status(state(grant=None, status=before), Fail(DENIED), now=NOON)
    assert unparsed.condition("RolloutProgressing") == PROGRESSING
    ended = next_status(state(status=before), None, now=NOON)
    assert ended.condition("RolloutProgressing") is None


def _status(*conditions: Condition) -> GrantStatus:
    return status(conditions=(READY, *conditions))


OVER = RolloutProgress(None, 2, 2)


@pytest.mark.parametrize(
    ("before", "after", "news", "expected"),
    [
        (_status(), _status(PROGRESSING), None, None),
        (_status(PROGRESSING), _status(), OVER, "Normal RolloutCompleted"),
        (_status(PROGRESSING), _status(), RolloutProgress(None), None),
        (_status(PROGRESSING), _status(), None, None),
        (_status(SOUGHT), _status(), OVER, None),
        (_status(PROGRESSING), _status(PROGRESSING, FAILING), None, "Warning RolloutFailing"),
        (_status(PROGRESSING, FAILING), _status(PROGRESSING, FAILING), None, None),
        (_status(PROGRESSING, FAILING), _status(PROGRESSING), None, None),
        (_status(PROGRESSING), _status(FAILING), OVER, "Warning RolloutFailing"),
        (_status(), _status(), None, None),
    ],
)
def test_which_changes_become_events(
    before: GrantStatus, after: GrantStatus, news: RolloutProgress | None, expected: str | None
) -> None:
    """Trouble once, and the end of a rollout of changed data, unless it is called off."""
    found = rollout_notice(before, after, news=news)
    step_name = found and f"{'Warning' if found.warning else 'Normal'} {found.reason}"
    assert step_name == expected


def _view(name: str, why: str = "") -> WorkloadView:
    return WorkloadView(
        WorkloadKind.DEPLOYMENT,
        name,
        uid=name,
        created_at=NOON,
        availability=Availability.COMING,
        why=why,
    )


_COURSE = RolloutState(ActiveRollout("m", NOON, Scope.ALL))
_MISSING = ((1, Workload(kind=WorkloadKind.DEPLOYMENT, name="web")),)


@pytest.mark.parametrize(
    ("outlook", "course", "words"),
    [
        (Plan(None), _COURSE, ["spec.rollout.restart[1].name", "no Deployment web", "Correct"]),
        (
            Plan(None, late=tuple(_view(str(n), "why") for n in range(7))),
            _COURSE,
            ["Deployment 0 (why)", "and 2 more", "kubectl rollout status"],
        ),
        (
            Plan(None, late=tuple(_view(str(n)) for n in range(6))),
            _COURSE,
            ["Deployment 0, Deployment 1", "Deployment 4 and 1 more."],
        ),
        (
            Plan(None, late=tuple(_view(str(n)) for n in range(5))),
            _COURSE,
            ["Deployment 3, Deployment 4."],
        ),
        (Plan(None, unmarked=(_view("chat"),)), _COURSE, ["restarted-for.keywright.dev/*"]),
        (Plan(None), RolloutState(_COURSE.of, refusal=DENIED), ["no."]),
    ],
)
def test_trouble_is_told_with_field_and_cure(
    outlook: Plan, course: RolloutState, words: list[str]
) -> None:
    """The worst first: a refusal, what does not come back, who interferes, what is not there."""
    failure = rollout_failure(outlook, course, missing=_MISSING)
    assert failure is not None
    assert [each for each in words if each not in failure.message_with_remedy()] == []


def test_a_new_secret_needs_no_workload_yet() -> None:
    """Its readers may come after it."""
    course = RolloutState(ActiveRollout("m", NOON, Scope.ANNOTATED))
    assert rollout_failure(Plan(None), course, missing=_MISSING) is None


def test_a_kind_that_is_not_installed_is_told_before_a_name_that_is_wrong() -> None:
    """The one explains the other."""
    unknown = ((0, Workload(kind=WorkloadKind.ROLLOUT, name="chat")),)
    failure = rollout_failure(Plan(None), _COURSE, missing=_MISSING, unknown=unknown)
    assert failure is not None
    for words in ("spec.rollout.restart[0].kind", "Argo Rollouts is not installed", "Install it"):
        assert words in failure.message_with_remedy()
