"""One grant at noon, its key four hours old and good for eight more, and what may differ."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from keywright.api.errors import Failure, FailureClass
from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.state import GrantState, ObjectRef, SecretState
from keywright.planning.steps import Fail, Issue, Reject, Rewrite, Step
from keywright.secrets.ownership import Ownership
from tests.unit.api.samples import grant, source
from tests.unit.fakes.clock import NOON
from tests.unit.replace import replace

UID = "0f6f5d4c-6f3e-4d0c-9d54-5b1f2f1f7a11"
READY = Condition(
    type="Ready",
    status=ConditionStatus.TRUE,
    reason="Succeeded",
    message="Secret chat-key holds a bedrockShortTermKey.",
    last_transition_time=NOON - timedelta(hours=4),
    observed_generation=1,
)
STATUS = GrantStatus(
    conditions=(READY,),
    state="Ready",
    observed_generation=1,
    kind="bedrockShortTermKey",
    secret_name="chat-key",
    issued_at=NOON - timedelta(hours=4),
    expires_at=NOON + timedelta(hours=8),
    renew_at=NOON + timedelta(hours=4),
    revision=3,
    key_id="ASIA1",
    fingerprint="a.b.c",
)
SECRET = SecretState(
    "chat",
    "chat-key",
    ownership=Ownership.OWNED,
    matches_spec=True,
    issued_at=NOON - timedelta(hours=4),
    expires_at=NOON + timedelta(hours=8),
    renew_at=NOON + timedelta(hours=4),
    revision=3,
    fingerprint="a.b.c",
)
FACTS = GrantState(
    subject=ObjectRef("chat", "chat-key", UID, generation=1, resource_version="7"),
    status=STATUS,
    grant=grant(),
    source=source(),
    secret=SECRET,
)
NO_SOURCE = Failure(
    "there is no source.",
    kind=FailureClass.TRANSIENT,
    reason="SourceNotFound",
    field="spec.sourceRef",
)
MISSING_SOURCE: dict[str, Any] = {"source": None, "source_problem": NO_SOURCE}


def noon(**after: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(**after)


def state(**changed: Any) -> GrantState:
    """The usual facts, with these changed."""
    return replace(FACTS, **changed)


def secret(**changed: Any) -> SecretState:
    """The usual Secret, with these changed."""
    return replace(SECRET, **changed)


def status(**changed: Any) -> GrantStatus:
    """The usual status, with these changed."""
    return msgspec.structs.replace(STATUS, **changed)


def requested(**annotations: Any) -> Any:
    """The usual grant with requests for a renewal."""
    return replace(grant(), **annotations)


def step_name(step: Step) -> str:
    """A step in a word or two, to compare with."""
    match step:
        case Issue(cause) | Rewrite(cause):
            return f"{type(step).__name__} {cause.value}"
        case Reject(failure) | Fail(failure):
            return f"{type(step).__name__} {failure.reason}"
        case _:
            return type(step).__name__
