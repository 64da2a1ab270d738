"""Any facts that a grant may be found in, and any outcome of the step that follows from them."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from keywright.api.errors import Failure, FailureClass, FieldError
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.state import GrantState, ObjectRef, SecretState
from keywright.planning.steps import Fail, Issue, NoOp, Outcome, Reject, Rewrite, Step, Written
from keywright.secrets.ownership import Ownership
from tests.unit.api.samples import grant, source
from tests.unit.planning.samples import NO_SOURCE, UID, noon
from tests.unit.replace import replace

GENERATION = 3
_GRANTS = tuple(
    replace(grant(**spec), generation=GENERATION, renew_requested_at=requested)
    for spec in ({}, {"suspend": True}, {"secret": {"adopt": True}})
    for requested in (None, "2026-11-22T11:00:00Z", "x")
)
_SUBJECT = ObjectRef("chat", "chat-key", UID, generation=GENERATION, resource_version="7")
_SOURCE = source()


def moments(*, first: int = -50_000, last: int = 50_000) -> st.SearchStrategy[datetime]:
    """Whole seconds around noon, as Kubernetes keeps them."""
    return st.integers(first, last).map(lambda seconds: noon(seconds=seconds))


def failures() -> st.SearchStrategy[Failure]:
    """Every class of failure."""
    return st.builds(
        Failure,
        st.just("it went wrong."),
        kind=st.sampled_from(FailureClass),
        reason=st.sampled_from(("AccessDenied", "Throttled", "SecretRefused")),
        field=st.sampled_from(("", "spec.secret")),
    )


_CONDITIONS = st.builds(
    Condition,
    type=st.sampled_from(("Ready", "Reconciling", "Stalled", "RenewalFailing", "SecretConflict")),
    status=st.sampled_from(ConditionStatus),
    reason=st.sampled_from(("Succeeded", "Suspended", "AccessDenied")),
    message=st.sampled_from(("a", "b")),
    last_transition_time=st.none() | moments(),
    observed_generation=st.none() | st.integers(0, GENERATION),
)


def statuses() -> st.SearchStrategy[GrantStatus]:
    """A status of this operator, of a backup, or with arbitrary content of another author."""
    return st.builds(
        GrantStatus,
        conditions=st.lists(_CONDITIONS, max_size=4, unique_by=lambda c: c.type).map(tuple),
        observed_generation=st.integers(-1, GENERATION),
        issued_at=st.none() | moments(),
        expires_at=st.none() | moments(),
        renew_at=st.none() | moments(),
        revision=st.integers(0, 5),
        key_id=st.none() | st.just("ASIA1"),
        fingerprint=st.none() | st.just("a.b.c"),
        failed_attempts=st.integers(0, 30),
        last_failure_time=st.none() | moments(),
        last_handled_reconcile_at=st.none() | st.just("2026-11-22T11:00:00Z"),
    )


_MOMENTS = moments()
_LIVES = st.none() | st.integers(60, 130_000).map(lambda seconds: timedelta(seconds=seconds))
_STANDINGS = st.sampled_from((*Ownership, Ownership.OWNED, Ownership.OWNED))
_BOOLEANS = st.booleans()
_REVISIONS = st.integers(0, 5)


@st.composite
def secrets(draw: DrawFn) -> SecretState:
    """A Secret: owned with a key of any age, owned and damaged, without owner, of another grant."""
    standing = draw(_STANDINGS)
    if standing is not Ownership.OWNED:
        return SecretState("chat", "chat-key", ownership=standing, owner="chat/other")
    issued_at, life = draw(_MOMENTS), draw(_LIVES)
    end = None if life is None else issued_at + life
    renew_at = None if life is None or draw(_BOOLEANS) else issued_at + life / 2
    return SecretState(
        "chat",
        "chat-key",
        ownership=standing,
        altered=("data",) if draw(_BOOLEANS) else (),
        matches_spec=draw(_BOOLEANS),
        issued_at=issued_at,
        expires_at=end,
        renew_at=renew_at,
        revision=draw(_REVISIONS),
        fingerprint="a.b.c",
    )


_WRONG = (FieldError("spec.secret", "is wrong."),)
_SECRETS = st.none() | secrets()
_STATUSES = statuses()
_SELDOM = st.sampled_from((False, False, False, True))
_ANY_GRANT = st.sampled_from(_GRANTS)


@st.composite
def situations(draw: DrawFn) -> GrantState:
    """Facts as the reconciler may gather them."""
    common: dict[str, Any] = {"subject": _SUBJECT, "status": draw(_STATUSES)}
    if draw(_SELDOM):
        return GrantState(**common, field_errors=_WRONG)
    found = not draw(_SELDOM)
    return GrantState(
        **common,
        grant=draw(_ANY_GRANT),
        field_errors=_WRONG if draw(_SELDOM) else (),
        source=_SOURCE if found else None,
        source_problem=NO_SOURCE if not found or draw(_SELDOM) else None,
        secret=draw(_SECRETS),
        rival="older" if draw(_SELDOM) else "",
        skip_backoff=draw(_BOOLEANS),
    )


def fresh(*, revision: int, now: datetime) -> SecretState:
    """A Secret as it is right after a write."""
    return SecretState(
        "chat",
        "chat-key",
        ownership=Ownership.OWNED,
        matches_spec=True,
        issued_at=now.replace(microsecond=0),
        expires_at=noon(hours=200),
        renew_at=noon(hours=180),
        revision=revision,
        fingerprint="d.e.f",
    )


_FAILURES = failures()
_TRIED = st.sampled_from(("written", "failed", "refused"))
_KEY_IDS = st.sampled_from((None, "ASIA2"))
_WARNINGS = st.sampled_from(("", "It is short."))


@st.composite
def outcomes(draw: DrawFn, known: GrantState, step: Step, now: datetime) -> Outcome:
    """What may come of a step; a Wait has no outcome."""
    match step:
        case NoOp():
            return NoOp()
        case Reject(failure):
            return Reject(failure)
        case _:
            assert isinstance(step, Issue | Rewrite)
    match draw(_TRIED):
        case "failed":
            return Fail(draw(_FAILURES))
        case "refused":
            return Reject(draw(_FAILURES))
        case _:
            revision = max(known.status.revision, known.secret.revision if known.secret else 0) + 1
            made = fresh(revision=revision, now=now)
            return Written(made, draw(_KEY_IDS), warning=draw(_WARNINGS))
